"""What an integration keeps that names models after their files."""

from __future__ import annotations

import copy
import gc
import io
import tempfile
import weakref
from abc import abstractmethod
from pathlib import Path
from typing import Any, ClassVar

import pytest
from tidegauge import guard, identity, set_model_info
from tidegauge.configuration import CoreSettings
from tidegauge.identity import resolve
from tidegauge.info import ModelInfo
from tidegauge.observe import observer

from tidegauge_testkit.contracts.case import boom, stand_in
from tidegauge_testkit.contracts.presence import PresenceContract
from tidegauge_testkit.contracts.scenario import HooksScenario
from tidegauge_testkit.recording import Recording

_INFO = ModelInfo("some_library", "Class")
_ask = observer("predict", lambda _: _INFO)(lambda _, data: data)


class LoaderScenario(HooksScenario):
    """A library that saves a model to a file and loads it."""

    #: What the library's files end with: ``.joblib``.
    ending: ClassVar[str]

    @abstractmethod
    def fit(self) -> Any:
        """Return a model of a class that has ``predict``."""

    @abstractmethod
    def save(self, content: Any, file: Any) -> None:
        """Save a model, or a container that holds some, to a path or an open file."""

    @abstractmethod
    def load(self, file: Any) -> Any:
        """Load it as an app does."""

    def seen(self) -> bool:
        """Save and load a model; it is noticed if it goes by the file's name."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"fraud_v3{self.ending}"
            self.save(self.fit(), path)
            return name_of(self.load(path)) == "fraud_v3"


def name_of(model: object, settings: CoreSettings | None = None) -> str:
    """Return what a model goes by; ``Class`` where nothing else is known of it."""
    return resolve(model, _INFO, settings or CoreSettings()).name


class LoaderContract(PresenceContract):
    """Derive from it in a test module and set ``scenario``; each test tells one promise."""

    scenario: ClassVar[LoaderScenario]

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        """Return where a model was saved, in a folder that nobody shall hear of."""
        path = tmp_path / "customer_4711" / f"fraud_v3{self.scenario.ending}"
        path.parent.mkdir()
        self.scenario.save(self.scenario.fit(), path)
        return path

    @pytest.fixture(autouse=True)
    @staticmethod
    def _no_faults() -> None:
        guard.reset()

    # -- names ---------------------------------------------------------------------------------

    def test_a_model_goes_by_its_file(self, path: Path) -> None:
        """By whichever way the file is given; never by a path."""
        assert name_of(self.scenario.load(path)) == "fraud_v3"
        assert name_of(self.scenario.load(str(path))) == "fraud_v3"
        with path.open("rb") as file:
            assert name_of(self.scenario.load(file)) == "fraud_v3"
        assert guard.counts() == {}

    def test_its_predictions_are_counted_by_that_name(self, path: Path) -> None:
        """Two files are two models, though their class is the same."""
        other = path.with_stem("churn_v1")
        other.write_bytes(path.read_bytes())
        with Recording() as recording:
            for file in (path, other, path):
                _ask(self.scenario.load(file), [[1.0]])
            assert {name: count.success for (name, _), count in recording.counts().items()} == {
                "fraud_v3": 2,
                "churn_v1": 1,
            }
            assert recording.faults() == {}

    def test_what_has_no_name_gives_none(self, path: Path) -> None:
        """A buffer in memory, a file that is named by its folder, one that is temporary."""
        assert name_of(self.scenario.load(io.BytesIO(path.read_bytes()))) == "Class"
        for stem in ("model", "tmpab3x_9k1"):
            renamed = path.rename(path.with_stem(stem))
            assert name_of(self.scenario.load(renamed)) == "Class"
            path = renamed
        assert guard.counts() == {}

    def test_better_names_come_first(self, path: Path) -> None:
        """What the environment says of the file, and above all what the app says of the model."""
        model = self.scenario.load(path)
        assert name_of(model, CoreSettings(model_name="served")) == "served"
        assert name_of(model, CoreSettings(model_name="fraud_v3=fraud,rest")) == "fraud"
        set_model_info(model, "mine")
        assert name_of(model, CoreSettings(model_name="fraud_v3=fraud")) == "mine"

    def test_the_models_of_one_file_stay_apart(self, path: Path) -> None:
        """One in a container goes by the file; of several each has its key added to the name."""
        models = [self.scenario.fit() for _ in range(3)]
        contents = [{"model": models[0], "columns": ["a"]}, {"eu": models[1], "us": models[2]}]
        found = []
        for content in contents:
            self.scenario.save(content, path)
            found.append(self.scenario.load(path))
        assert name_of(found[0]["model"]) == "fraud_v3"
        assert [name_of(found[1][key]) for key in ("eu", "us")] == ["fraud_v3.eu", "fraud_v3.us"]
        set_model_info(found[1]["us"], "america")
        assert name_of(found[1]["us"]) == "america"
        assert guard.counts() == {}

    # -- nothing of ours gets out --------------------------------------------------------------

    def test_nothing_is_put_on_the_model(self, path: Path) -> None:
        """It has the attributes, and saved again the bytes, that it has without Tidegauge."""
        model = self.scenario.load(path)
        instrumentor = self.scenario.instrumentor()
        instrumentor.uninstrument()
        bare = self.scenario.load(path)
        assert sorted(vars(model)) == sorted(vars(bare))
        assert type(model) is type(bare)
        for number, each in enumerate((model, bare)):
            self.scenario.save(each, path.with_stem(f"again_{number}"))
            assert b"tidegauge" not in path.with_stem(f"again_{number}").read_bytes()
        assert name_of(copy.deepcopy(model)) == "Class"
        instrumentor.instrument(skip_dep_check=True)

    def test_a_model_that_is_gone_leaves_nothing(self, path: Path) -> None:
        """Loading again and again, as a reloading service does, makes nothing grow."""
        self.scenario.load(path)
        gc.collect()
        before = len(identity._files), len(identity._references)
        for _ in range(20):
            model = self.scenario.load(path)
        reference = weakref.ref(model)
        del model
        gc.collect()
        assert reference() is None
        assert (len(identity._files), len(identity._references)) == before

    @pytest.mark.parametrize("content", [None, 7, "text", [], {}, (), {"a": {"b": 1}}, object()])
    def test_whatever_is_loaded_is_what_the_app_gets(self, content: Any, path: Path) -> None:
        """The very object, whether it can be named or not."""
        with stand_in(self.wrapper(), lambda *_, **__: content):
            assert self.scenario.load(path) is content
        assert guard.counts() == {}

    def test_an_exception_is_the_callers(self, path: Path) -> None:
        """What the library raises goes on as it is: a file that is gone, one that is broken."""
        error = RuntimeError("no")

        def fail(*_: object, **__: object) -> Any:
            raise error

        with stand_in(self.wrapper(), fail), pytest.raises(RuntimeError) as caught:
            self.scenario.load(path)
        assert caught.value is error
        assert (error.__cause__, error.__context__) == (None, None)
        path.write_bytes(b"nothing that can be loaded")
        with pytest.raises(Exception, match=r"."):
            self.scenario.load(path)
        path.unlink()
        with pytest.raises(FileNotFoundError):
            self.scenario.load(path)
        assert guard.counts() == {}

    def test_a_fault_of_ours_stays_ours(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Whatever breaks in our hook, the model is loaded and the fault counted."""
        monkeypatch.setattr(identity, "loaded", boom)
        model = self.scenario.load(path)
        assert name_of(model) == "Class"
        assert guard.counts() == {"load.name:Boom": 1}
        guard.reset()

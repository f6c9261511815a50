"""A model that came from a file goes by the file's name, unless it has a better one."""

from __future__ import annotations

import copy
import io
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from tidegauge import guard, identity, set_model_info
from tidegauge.batch import ModelKey
from tidegauge.configuration import CoreSettings
from tidegauge.identity import loaded, registered, resolve
from tidegauge.info import ModelInfo
from tidegauge.loading import loader, owner_of
from tidegauge.model_file import base_name, model_name
from tidegauge.patcher import Functions, Methods, Patcher
from tidegauge.settings import SettingError, load

pytestmark = pytest.mark.usefixtures("core")
INFO = ModelInfo("f", "Ridge")
ID = str(UUID(int=7**40))
PAIRS = CoreSettings(
    model_name="fraud_v3.joblib=fraud, churn=leavers, served", model_version="fraud_v3=3"
)


class Thing:
    """A model."""

    def load_model(self, fname: object) -> None:
        """Fill it."""


@pytest.mark.parametrize(
    ("file", "base", "name"),
    [
        ("/srv/secret/fraud.joblib", "fraud.joblib", "fraud"),
        (Path("a/churn.v2.ubj"), "churn.v2.ubj", "churn.v2"),
        (r"C:\models\fraud.pkl.gz", "fraud.pkl.gz", "fraud"),
        ("fraud", "fraud", "fraud"),
        ("/srv/fraud/model.pkl", "model.pkl", ""),
        ("/srv/", "srv", "srv"),
        ("a/tmpab3x_9k1.joblib", "tmpab3x_9k1.joblib", ""),
        ("tmp_of_fraud.joblib", "tmp_of_fraud.joblib", "tmp_of_fraud"),
        ("9F86D081884C7D659A2FEAA0C55AD015.pkl", "9F86D081884C7D659A2FEAA0C55AD015.pkl", ""),
        (f"/a/{ID}.onnx", f"{ID}.onnx", ""),
        ("cache/f/output.pkl", "output.pkl", ""),
        (b"bytes", "", ""),
        (io.BytesIO(), "", ""),
        (7, "", ""),
        ("", "", ""),
        (None, "", ""),
    ],
)
def test_what_a_file_says(file: object, base: str, name: str) -> None:
    """Its base name; of a name that all files have, nothing."""
    assert (base, name) == (base_name(file), model_name(base_name(file)))


def test_an_open_file_has_a_name(tmp_path: Path) -> None:
    """That of its path; a descriptor has none."""
    path = tmp_path / "fraud.joblib"
    with path.open("wb") as file:
        assert "fraud.joblib" == base_name(file)
        with open(file.fileno(), "wb", closefd=False) as by_number:
            assert "" == base_name(by_number)


@pytest.mark.parametrize(
    ("file", "info", "settings", "expected"),
    [
        ("fraud.joblib", INFO, CoreSettings(), ModelKey("fraud")),
        ("fraud.joblib", INFO, CoreSettings(model_name="served"), ModelKey("served")),
        ("fraud_v3.joblib", INFO, PAIRS, ModelKey("fraud", "3")),
        ("churn.onnx", INFO, PAIRS, ModelKey("leavers")),
        ("other.onnx", INFO, PAIRS, ModelKey("served")),
        ("", INFO, PAIRS, ModelKey("served")),
        ("model.pkl", INFO, CoreSettings(), ModelKey("Ridge")),
        ("model.pkl", INFO, CoreSettings(model_name="model.pkl=a"), ModelKey("a")),
        ("other.pkl", INFO, CoreSettings(model_name="model.pkl=a"), ModelKey("other")),
        ("fraud.pkl", ModelInfo("f", "R", "registry", "9"), PAIRS, ModelKey("registry", "9")),
        ("", ModelInfo("f", "R", file="fraud_v3.ubj"), PAIRS, ModelKey("served", "3")),
    ],
)
def test_precedence(file: str, info: ModelInfo, settings: CoreSettings, expected: ModelKey) -> None:
    """Registry, environment by file, environment, file, class; what the object says of it first."""
    model = Thing()
    loaded(model, f"/srv/models/{file}" if file else None)
    assert expected == resolve(model, info, settings)
    set_model_info(model, "mine", "1")
    assert ModelKey("mine", "1") == resolve(model, info, settings)


def test_a_registry_knows_best() -> None:
    """What a loader heard from it comes before what the object says, and after what the app says.

    A version that it does not know is the environment's.
    """
    model, info = Thing(), ModelInfo("f", "R", "graph", "1")
    settings = CoreSettings(model_name="served", model_version="9")
    loaded(model, "fraud_v3.joblib")
    registered(model, "fraud", "3")
    assert ModelKey("fraud", "3") == resolve(model, info, settings)
    registered(model, "fraud")
    assert ModelKey("fraud", "9") == resolve(model, info, settings)
    set_model_info(model, "mine", "1")
    assert ModelKey("mine", "1") == resolve(model, info, settings)


@pytest.mark.parametrize("text", ["a=", "=b", "a=b,a=c", "a=b,c,d"])
@pytest.mark.parametrize("variable", ["TIDEGAUGE_MODEL_NAME", "TIDEGAUGE_MODEL_VERSION"])
def test_pairs_that_are_none_are_refused(text: str, variable: str) -> None:
    """At start-up, with what is allowed."""
    with pytest.raises(
        SettingError, match=f"{variable}: got '{text}' from the environment; expect"
    ):
        load(CoreSettings, {variable: text})


def test_loaders_name_what_they_return_or_fill(monkeypatch: pytest.MonkeyPatch) -> None:
    """Functions and methods, by position and by name; a fault of ours is not the caller's."""
    module = ModuleType("some_library")
    module.load = lambda filename, mode=None: Thing()  # type: ignore[attr-defined]
    module.Thing = type("Thing", (Thing,), dict(vars(Thing)))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "some_library", module)
    before = vars(module.Thing)["load_model"]
    patcher = Patcher(
        [
            Functions("some_library", {"load": loader("filename")}),
            Methods("some_library", "Thing", {"load_model": loader("fname", 1, owner_of)}),
        ]
    )
    patcher.install()
    lib: Any = module
    filled = lib.Thing()
    assert filled.load_model("/a/b/filled.ubj") is None
    models = [lib.load("/a/one.pkl"), lib.load(filename="/a/two.pkl", mode="r"), filled]
    names = [resolve(model, INFO, CoreSettings()).name for model in models]
    assert ["one", "two", "filled"] == names
    assert [{}] * 3 == [vars(model) for model in models]
    assert "Ridge" == resolve(copy.copy(models[0]), INFO, CoreSettings()).name
    monkeypatch.setattr(identity, "watch", lambda _: 1 / 0)
    assert isinstance(lib.load("/a/three.pkl"), Thing)
    assert {"load.name:ZeroDivisionError": 1} == guard.counts()
    patcher.remove()
    assert before is vars(lib.Thing)["load_model"]


def test_what_is_filled_from_memory_has_no_file() -> None:
    """A model that is filled anew does not keep the name of what it was."""
    model = Thing()
    loaded(model, "/a/fraud.ubj")
    assert "fraud" == resolve(model, INFO, CoreSettings()).name
    loaded(model, bytearray(b"a model"))
    assert "Ridge" == resolve(model, INFO, CoreSettings()).name


def test_a_stand_in_goes_by_what_it_stands_for() -> None:
    """A compiled model has the name, or the file, of the model; its own come first."""
    settings = CoreSettings()
    ways: tuple[Callable[[Thing], None], ...] = (
        lambda model: set_model_info(model, "fraud", "3"),
        lambda model: registered(model, "fraud", "3"),
        lambda model: loaded(model, "/srv/fraud.pt"),
    )
    for name in ways:
        model, stand_in, named = Thing(), Thing(), Thing()
        name(model)
        set_model_info(named, "mine")
        identity.adopt(stand_in, model)
        identity.adopt(named, model)
        assert resolve(model, INFO, settings) == resolve(stand_in, INFO, settings)
        assert "mine" == resolve(named, INFO, settings).name
    nameless = Thing()
    identity.adopt(nameless, Thing())
    assert "Ridge" == resolve(nameless, INFO, settings).name


def test_a_dead_model_leaves_no_file() -> None:
    """Nothing grows with the models that were loaded."""
    kept = (identity._files, identity._registered)
    before = [len(each) for each in kept]
    model = Thing()
    unwatched: Any = type("Slotted", (), {"__slots__": ()})()
    loaded(model, "a.pkl")
    registered(model, "fraud", "3")
    loaded(unwatched, "b.pkl")
    registered(unwatched, "other")
    assert [count + 1 for count in before] == [len(each) for each in kept]
    assert b"a.pkl" not in pickle.dumps(model)
    del model
    assert before == [len(each) for each in kept]


class Predictor(Thing):
    """A model that predicts."""

    def predict(self) -> None:
        """Do nothing."""


ONE, OTHER = Predictor(), Predictor()


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ({"model": ONE, "columns": ["a"], "threshold": 0.5, "scaler": Thing()}, {"fraud"}),
        ((ONE, ["a", "b"]), {"fraud"}),
        ({"best": ONE, "now": ONE}, {"fraud"}),
        ({"eu": ONE, "us": OTHER}, {"fraud.eu", "fraud.us"}),
        ([ONE, "between", OTHER], {"fraud.0", "fraud.2"}),
        ({(1, 2): ONE, "": OTHER}, {"fraud.0", "fraud.1"}),
        ({"a/b": ONE, "c\\d": OTHER}, {"fraud.b", "fraud.d"}),
        ({"deep": {"model": ONE}}, {"Ridge"}),
        ([ONE] * 101, {"Ridge"}),
        ({"a": 1, "b": None, "c": Predictor}, {"Ridge"}),
        ([], {"Ridge"}),
    ],
)
def test_containers_are_looked_into(content: Any, names: set[str]) -> None:
    """One level deep; of several models in one file no two have the same name."""
    content = copy.deepcopy(content)
    module: Any = SimpleNamespace(load=loader("file")(lambda file: content))
    assert module.load("/srv/fraud.joblib") is content
    found = content.values() if isinstance(content, dict) else content
    models = [each for each in found if isinstance(each, Predictor)] or [Predictor()]
    assert names == {resolve(model, INFO, CoreSettings()).name for model in models}
    assert {} == guard.counts()


@pytest.mark.parametrize("file", ["fraud.joblib", "fraud", "fraud.pkl.gz", "fraud.gz"])
def test_the_parts_of_a_file_are_named_like_files(file: str) -> None:
    """Whatever it ends with."""
    content = {"eu.1": Predictor(), "us": Predictor()}
    loader("file")(lambda file: content)(f"/srv/{file}")
    names = [resolve(model, INFO, CoreSettings()).name for model in content.values()]
    assert ["fraud.eu.1", "fraud.us"] == names


def test_models_of_one_file_are_named_one_by_one() -> None:
    """Pairs of the environment name them as if each had a file."""
    content = {"eu": Predictor(), "us": Predictor(), "ap": Predictor()}
    loader("file")(lambda file: content)("/srv/fraud.joblib")
    settings = CoreSettings(model_name="fraud.eu=europe,fraud.us.joblib=america")
    set_model_info(content["ap"], "asia")
    names = [resolve(model, INFO, settings).name for model in content.values()]
    assert ["europe", "america", "asia"] == names


def test_a_container_that_predicts_is_the_model() -> None:
    """A class of the user's that derives from dict."""

    class Table(dict[str, int]):
        def predict(self) -> None: ...

    table = Table(a=1)
    loader("file")(lambda file: table)("fraud.pkl")
    assert "fraud" == resolve(table, INFO, CoreSettings()).name

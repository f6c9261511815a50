"""Patches are declared as data, applied at the library's import, and taken back without a trace."""

from __future__ import annotations

import functools
import importlib
import inspect
import logging
import pickle
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import cloudpickle
import pytest
from tidegauge import guard
from tidegauge.info import ModelInfo
from tidegauge.observe import is_live, is_wrapper, observer, suppressor
from tidegauge.patcher import Functions, Methods, Patch, Patcher, Subclasses
from tidegauge.suppression import is_inside

SOURCE = '''
class Base:
    def __init_subclass__(cls, *, word="", **rest):
        super().__init_subclass__(**rest)
        cls.word = word

    def __setstate__(self, state):
        self.__dict__.update(state)

class Mixin:
    def predict(self, X):
        """Answer."""
        return X

class Early(Mixin, Base):
    pass

class Loner:
    def run(self, X: int, *, twice: bool = False) -> int:
        """Run."""
        return X

def evaluate(model, X):
    """Evaluate."""
    return model.predict(X)
'''
EXPORTS = "from .core import Base, Early, Loner, Mixin, evaluate\n"


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Provide a library that nobody has imported, under a name of its own."""
    name = f"library_{tmp_path.name.replace('-', '_')}"
    (tmp_path / name).mkdir()
    (tmp_path / name / "core.py").write_text(SOURCE)
    (tmp_path / name / "__init__.py").write_text(EXPORTS)
    (tmp_path / name / "late.py").write_text("from .core import evaluate\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield name
    for loaded in [place for place in sys.modules if place.partition(".")[0] == name]:
        del sys.modules[loaded]


def describe(model: object) -> ModelInfo:
    """Describe a model of the library."""
    return ModelInfo("library", type(model).__name__)


def subclasses(library: str) -> Subclasses:
    """Declare the library's own patches, as an integration does."""
    return Subclasses(
        f"{library}.core",
        "Base",
        {"predict": observer("predict", describe), "fit": suppressor()},
        on_load="__setstate__",
    )


@pytest.fixture
def install() -> Iterator[Callable[..., Patcher]]:
    """Install patches for one test."""
    patchers: list[Patcher] = []

    def install(*patches: Patch) -> Patcher:
        patcher = Patcher(patches)
        patchers.append(patcher)
        patcher.install()
        return patcher

    yield install
    for patcher in patchers:
        patcher.remove()


def load(library: str) -> Any:
    """Import the library."""
    return importlib.import_module(library)


class Available:
    """A conditional method, as scikit-learn has them."""

    def __init__(self, fn: Any, check: Any) -> None:
        self.fn = fn
        self.check = check

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        if instance is not None and not self.check(instance):
            raise AttributeError("not available")
        return functools.partial(self.fn, instance)


# -- when ------------------------------------------------------------------------------------------


def test_nothing_is_imported(library: str, install: Callable[..., Patcher]) -> None:
    """Declaring and installing waits for the app to import the library."""
    install(subclasses(library), Methods(f"{library}.core", "Loner", {"run": suppressor()}))
    assert [place for place in sys.modules if place.startswith(library)] == []
    module = load(library)
    assert is_live(vars(module.Mixin)["predict"])
    assert is_live(vars(module.Loner)["run"])


def test_what_is_imported_is_patched_at_once(library: str, install: Callable[..., Patcher]) -> None:
    """Classes that exist are found through their base, their mixins through them."""
    module = load(library)
    install(subclasses(library))
    assert is_live(vars(module.Mixin)["predict"])


def test_an_unused_hook_does_nothing(library: str, install: Callable[..., Patcher]) -> None:
    """A library that is imported after the patches were taken back stays as it is."""
    install(subclasses(library)).remove()
    module = load(library)
    assert not is_wrapper(vars(module.Mixin)["predict"])
    assert not is_wrapper(vars(module.Base)["__setstate__"])


def test_the_same_object_comes_back(library: str, install: Callable[..., Patcher]) -> None:
    """Taking back restores what was there, however often; a second installation changes nothing."""
    module = load(library)
    conditional = Available(lambda self, data: data, lambda self: True)
    module.Early.fit = conditional
    fn = conditional.fn
    before = {
        owner: dict(vars(owner))
        for owner in (module.Base, module.Mixin, module.Early, module.Loner)
    }
    patcher = install(
        subclasses(library), Methods(f"{library}.core", "Loner", {"run": suppressor()})
    )
    for _ in range(3):
        patched = vars(module.Mixin)["predict"]
        patcher.install()
        assert vars(module.Mixin)["predict"] is patched
        assert conditional.fn is not fn
        patcher.remove()
        patcher.remove()
        assert {owner: dict(vars(owner)) for owner in before} == before
        assert conditional.fn is fn
        patcher.install()


def test_functions_are_patched_wherever_somebody_has_them(
    library: str, install: Callable[..., Patcher], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names that the package exports, or the app has imported, before and after; all come back."""
    module = load(library)
    original = module.evaluate
    app: Any = ModuleType("some_app")
    app.evaluate = app.mine = original
    monkeypatch.setitem(sys.modules, "some_app", app)
    monkeypatch.setitem(sys.modules, "nothing_here", None)
    patcher = install(Functions(f"{library}.core", {"evaluate": suppressor()}))
    late = importlib.import_module(f"{library}.late")
    assert is_live(module.evaluate)
    assert module.core.evaluate is module.evaluate is late.evaluate is app.evaluate
    assert app.mine is original  # by another name nobody looks for it
    patcher.remove()
    assert [module.evaluate, module.core.evaluate, late.evaluate] == [original] * 3
    assert app.evaluate is original


def test_what_is_missing_is_said_once(
    library: str, install: Callable[..., Patcher], caplog: pytest.LogCaptureFixture
) -> None:
    """A library that moved a method, a class or a function loses that alone, and says so."""
    guard.reset()
    install(
        Methods(f"{library}.core", "Loner", {"gone": suppressor(), "run": suppressor()}),
        Methods(f"{library}.core", "Nobody", {"run": suppressor()}),
        Functions(f"{library}.core", {"nothing": suppressor(), "evaluate": suppressor()}),
    )
    with caplog.at_level(logging.WARNING, "tidegauge"):
        module = load(library)
    advice = (
        ": what it does is not noticed. This version of the library may be newer than the "
        "integration; look for an update of it."
    )
    assert sorted(record.getMessage() for record in caplog.records) == sorted(
        f"{library}.core has no {what}{advice}" for what in ("Loner.gone", "Nobody", "nothing")
    )
    assert is_live(vars(module.Loner)["run"])
    assert is_live(module.evaluate)
    guard.reset()


def test_two_integrations_share_a_patch(library: str, install: Callable[..., Patcher]) -> None:
    """The first that goes leaves it to the other."""
    module = load(library)
    original = vars(module.Loner)["run"]
    patches = (
        Methods(f"{library}.core", "Loner", {"run": suppressor()}),
        Functions(f"{library}.core", {"evaluate": suppressor()}),
    )
    one, other = install(*patches), install(*patches)
    one.remove()
    assert is_live(vars(module.Loner)["run"])
    assert is_live(module.evaluate)
    other.remove()
    assert vars(module.Loner)["run"] is original
    assert not is_wrapper(module.evaluate)


def test_a_foreign_patch_on_top_is_left_alone(
    library: str, install: Callable[..., Patcher]
) -> None:
    """Who patched after us keeps what they put there, and ours passes calls on."""
    module = load(library)
    patcher = install(subclasses(library))
    ours = vars(module.Mixin)["predict"]
    theirs = functools.wraps(ours)(lambda self, data: ours(self, data) + 0)
    module.Mixin.predict = theirs
    hook = vars(module.Base)["__init_subclass__"]
    foreign = classmethod(lambda cls, **rest: hook.__get__(None, cls)(**rest))
    module.Base.__init_subclass__ = foreign
    patcher.remove()
    assert vars(module.Mixin)["predict"] is theirs
    assert vars(module.Base)["__init_subclass__"] is foreign
    late = type("Late", (module.Early,), {"predict": lambda self, data: data})
    assert not is_wrapper(vars(late)["predict"])
    model = module.Early()
    assert theirs(model, 5) == 5
    assert id(model) not in ours.__tidegauge__.channels


# -- what ------------------------------------------------------------------------------------------


def test_a_wrapper_looks_like_the_original(library: str, install: Callable[..., Patcher]) -> None:
    """Names, signature, documentation, annotations and type are unchanged."""
    module = load(library)
    original = vars(module.Loner)["run"]
    install(Methods(f"{library}.core", "Loner", {"run": observer("run", describe)}))
    wrapper = vars(module.Loner)["run"]
    assert type(wrapper) is type(original)
    assert inspect.signature(wrapper) == inspect.signature(original)
    assert [wrapper.__name__, wrapper.__qualname__, wrapper.__module__, wrapper.__doc__] == [
        "run",
        "Loner.run",
        f"{library}.core",
        "Run.",
    ]
    assert wrapper.__annotations__ == original.__annotations__
    loner = module.Loner()
    assert pickle.loads(pickle.dumps(loner.run))(4) == 4


def test_later_subclasses_are_patched(library: str, install: Callable[..., Patcher]) -> None:
    """Also with keywords, from below a mixin, and by a metaclass."""
    module = load(library)
    install(subclasses(library))
    kind: Any = type("Kind", (type,), {})
    namespace = {"predict": lambda self, data: -data, "fit": lambda self: is_inside()}
    made: Any = kind("Made", (module.Early,), namespace, word="given")
    assert made.word == "given"
    assert is_live(vars(made)["predict"])
    assert made().predict(3) == -3
    assert [made().fit(), is_inside()] == [True, False]


def test_a_class_that_refuses_does_not_hide_the_others(
    library: str, install: Callable[..., Patcher]
) -> None:
    """One metaclass that forbids assignments costs its own class, not the rest."""
    module = load(library)

    class Frozen(type):
        def __setattr__(cls, name: str, value: object) -> None:
            if name != "word":
                raise TypeError(name)

    guard.reset()
    frozen: Any = Frozen("Ice", (module.Base,), {"predict": lambda self, data: data})
    after: Any = type("After", (module.Base,), {"predict": lambda self, data: data})
    install(subclasses(library))
    assert not is_wrapper(vars(frozen)["predict"])
    assert is_live(vars(after)["predict"])
    assert guard.counts() == {f"patch.{library}.core.Base:TypeError": 1}
    assert Frozen("Ice2", (module.Base,), {"predict": lambda self, data: data})().predict(2) == 2
    guard.reset()


def test_what_is_no_plain_function_is_left_alone(
    library: str, install: Callable[..., Patcher]
) -> None:
    """Static methods, properties and None stay the identical objects."""
    module = load(library)
    install(subclasses(library))
    values: list[Any] = [staticmethod(len), classmethod(print), property(len), None, 5]
    for value in values:
        made = type("Made", (module.Base,), {"predict": value})
        assert vars(made)["predict"] is value
    assert guard.counts() == {}


def test_conditional_methods_keep_their_condition(
    library: str, install: Callable[..., Patcher]
) -> None:
    """What the condition guards is wrapped; the descriptor and ``hasattr`` stay."""
    module = load(library)
    conditional = Available(lambda self, data: data, lambda self: self.ready)
    made: Any = type("Made", (module.Base,), {"predict": conditional})
    install(subclasses(library))
    assert vars(made)["predict"] is conditional
    assert is_live(conditional.fn)
    model = made()
    model.ready = False
    assert not hasattr(model, "predict")
    model.ready = True
    assert model.predict(3) == 3


def test_only_ours_is_taken_for_ours() -> None:
    """``functools.wraps`` copies a mark; what wraps ours is no wrapper of ours."""

    def original(self: object, data: object) -> object:
        return data

    ours = functools.update_wrapper(observer("predict", describe)(original), original)

    @functools.wraps(ours)
    def theirs(self: object, data: object) -> object:
        return ours(self, data)

    assert [is_live(ours), is_wrapper(ours)] == [True, True]
    assert [is_live(theirs), is_wrapper(theirs)] == [False, False]
    assert [is_live(original), is_live(None), is_live(len)] == [False] * 3


def test_threads_that_meet_wrap_once(library: str, install: Callable[..., Patcher]) -> None:
    """Subclasses made in several threads at once leave one layer on the mixin they share."""
    module = load(library)
    install(subclasses(library))
    barrier = threading.Barrier(4)

    def make(_: int) -> None:
        barrier.wait(10)
        for number in range(50):
            type(f"Made{number}", (module.Early,), {"predict": lambda self, data: data})

    threads = [threading.Thread(target=make, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    wrapper = vars(module.Mixin)["predict"]
    assert is_live(wrapper)
    assert not is_wrapper(wrapper.__wrapped__)


# -- pickles ---------------------------------------------------------------------------------------


def by_value(library: ModuleType) -> Any:
    """Return a class that cloudpickle copies: it cannot be imported by its name."""

    class Mine(library.Base):  # type: ignore[name-defined, misc]
        def predict(self, data: Any) -> Any:
            return data

    Mine.__module__ = "__main__"
    Mine.__qualname__ = "Mine"
    Mine.predict.__module__ = "__main__"
    return Mine


def with_state(cls: Any) -> Any:
    """Return an object that a pickle restores with ``__setstate__``."""
    made = cls()
    made.value = 5
    return made


def test_a_class_that_comes_by_value_is_patched_when_its_object_arrives(
    library: str, install: Callable[..., Patcher]
) -> None:
    """Its class is made empty and filled later; the first of its objects tells us."""
    module = load(library)
    content = cloudpickle.dumps(with_state(by_value(module)))
    install(subclasses(library))
    for _ in range(2):  # the second fills the class of the first anew
        model = pickle.loads(content)
        assert type(model).__module__ == "__main__"
        assert is_live(vars(type(model))["predict"])
        assert model.predict(7) == 7


def test_round_trips_add_no_layer(library: str, install: Callable[..., Patcher]) -> None:
    """What is pickled under instrumentation and loaded under it is wrapped once, for ever."""
    module = load(library)
    install(subclasses(library))
    content = cloudpickle.dumps(with_state(by_value(module)))
    sizes = set()
    for _ in range(4):
        model = pickle.loads(content)
        cls = type(model)
        wrapper = vars(cls)["predict"]
        assert is_live(wrapper)
        assert not is_wrapper(wrapper.__wrapped__)
        assert model.predict(7) == 7
        content = cloudpickle.dumps(model)
        # The next round gets a fresh class, as in another process.
        cloudpickle.cloudpickle._DYNAMIC_CLASS_TRACKER_BY_ID.clear()
        del model, cls, wrapper
        sizes.add(len(content))
    assert max(sizes) - min(sizes) < 50


def test_loading_goes_on_whatever_we_do(library: str, install: Callable[..., Patcher]) -> None:
    """The hook on loading calls the original with what it was given."""
    module = load(library)
    install(subclasses(library))
    model = module.Early()
    model.value = 5
    assert pickle.loads(pickle.dumps(model)).value == 5
    assert inspect.signature(module.Base.__setstate__).parameters.keys() == {"self", "state"}

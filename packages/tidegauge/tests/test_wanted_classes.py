"""Of a library with thousands of classes those are patched that are wanted, and no others pay."""

from __future__ import annotations

import inspect
import pickle
import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest
from tidegauge.info import ModelInfo
from tidegauge.observe import is_live, is_wrapper, observer
from tidegauge.patcher import Patcher, Subclasses
from tidegauge_testkit.recording import Recording


class Base:
    """A base, whose method every class inherits."""

    def predict(self, rows: Any) -> Any:
        """Answer."""
        return rows


class Early(Base):
    """A class that is there before the patch."""


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Patcher]]:
    """Patch classes by their names for one test."""
    module: Any = ModuleType("library_of_many_classes")
    module.Base = Base
    monkeypatch.setitem(sys.modules, module.__name__, module)
    patchers: list[Patcher] = []

    def install(*names: str) -> Patcher:
        patch = Subclasses(
            module.__name__,
            "Base",
            {"predict": observer("predict", lambda model: ModelInfo("f", type(model).__name__))},
            only=lambda cls: cls.__name__ in names,
        )
        patchers.append(Patcher([patch]))
        patchers[-1].install()
        return patchers[-1]

    yield install
    for patcher in patchers:
        patcher.remove()


def test_a_wanted_class_gets_what_it_inherits(install: Callable[..., Patcher]) -> None:
    """The class that holds the method stays as it is, and so does every other class."""
    patcher = install("Early", "Late")

    class Late(Early):
        pass

    class Other(Base):
        pass

    method = vars(Base)["predict"]
    assert not is_wrapper(method)
    live = [is_live(vars(cls).get("predict")) for cls in (Early, Late, Other)]
    assert [True, True, False] == live
    assert "Answer." == Early.predict.__doc__
    assert inspect.signature(method) == inspect.signature(Early.predict)
    with Recording() as recording:
        assert [[1.0]] == Late().predict([[1.0]])
        Other().predict([[1.0]])
        assert {("Late", "predict")} == recording.counts().keys()
        assert 1 == recording.calls()
    bound = pickle.loads(pickle.dumps(Early().predict))
    patcher.remove()
    assert "predict" not in vars(Early)
    assert "predict" not in vars(Late)
    assert [[2.0]] == bound([[2.0]])


def test_what_is_inherited_may_change(
    install: Callable[..., Patcher], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tracer that replaces the library's own method is in force, also in a wanted class."""
    install("Early")
    monkeypatch.setattr(Base, "predict", lambda _, rows: ["traced", rows])
    assert ["traced", 1] == Early().predict(1)


def test_a_method_of_its_own_is_wrapped_in_place(install: Callable[..., Patcher]) -> None:
    """And restored, the identical function."""

    class Own(Base):
        def predict(self, rows: Any) -> Any:
            return [rows]

    own: Any = vars(Own)["predict"]
    patcher = install("Own")
    assert own is vars(Own)["predict"].__wrapped__
    patcher.remove()
    assert own is vars(Own)["predict"]

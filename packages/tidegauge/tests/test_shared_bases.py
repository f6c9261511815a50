"""Two declarations for one base class are both in force, and both are taken back."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import pytest
from tidegauge.info import ModelInfo
from tidegauge.observe import is_live, observer
from tidegauge.patcher import Patcher, Subclasses
from tidegauge_testkit.recording import Recording


@pytest.fixture
def base(monkeypatch: pytest.MonkeyPatch) -> type:
    """Provide a base class in a module of its own."""

    class Base:
        """Predicts and scores."""

        def predict(self, data: Any) -> Any:
            """Return the data."""
            return data

        def score_samples(self, data: Any) -> Any:
            """Return the data."""
            return data

    module = ModuleType("shared_base_library")
    module.Base = Base  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return Base


def test_two_declarations_of_one_base(base: Any) -> None:
    """Classes that are there and classes made later have the methods of both."""
    before = (base.predict, base.score_samples, "__init_subclass__" in vars(base))
    patcher = Patcher(
        Subclasses(
            "shared_base_library", "Base", {name: observer(name, lambda _: ModelInfo("f", "C"))}
        )
        for name in ("predict", "score_samples")
    )
    patcher.install()
    patcher.install()
    later = type(
        "Later",
        (base,),
        {"predict": lambda self, data: data, "score_samples": lambda self, data: data},
    )
    for cls in (base, later):
        assert is_live(vars(cls)["predict"])
        assert is_live(vars(cls)["score_samples"])
    patcher.remove()
    assert before == (base.predict, base.score_samples, "__init_subclass__" in vars(base))
    assert not is_live(vars(later)["predict"])
    patcher.install()
    assert is_live(vars(later)["score_samples"])
    patcher.remove()


def test_what_two_integrations_share_goes_on_while_one_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whichever goes first, also if the other's library is imported only then."""
    libraries = [ModuleType("shared_calls_one"), ModuleType("shared_calls_two")]
    predict = observer("predict", lambda _: ModelInfo("f", "C"))
    for module in libraries:
        module.Base = type("Base", (), {"predict": lambda self, data: data})  # type: ignore[attr-defined]
    patchers = [
        Patcher([Subclasses(module.__name__, "Base", {"predict": predict})]) for module in libraries
    ]
    one, two = (module.Base() for module in libraries)

    def recorded() -> list[str]:
        with Recording() as recording:
            one.predict([[1.0]])
            found = ["one"] * recording.calls()
            two.predict([[1.0]])
            return [*found, *["two"] * (recording.calls() - len(found))]

    for gone, left in ((0, "two"), (1, "one")):
        for module in libraries:
            monkeypatch.setitem(sys.modules, module.__name__, module)
        for patcher in patchers:
            patcher.install()
        assert ["one", "two"] == recorded()
        patchers[gone].remove()
        assert [left] == recorded()
        patchers[1 - gone].remove()
        assert [] == recorded()

"""Two declarations for one base class are both in force, and both are taken back."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import pytest
from tidegauge.info import ModelInfo
from tidegauge.observe import is_live, observer
from tidegauge.patcher import Patcher, Subclasses


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

"""What the tests of one integration share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CellType, FunctionType
from typing import Any, ClassVar

import pytest

from tidegauge_testkit.contracts.scenario import HooksScenario, Scenario
from tidegauge_testkit.instrumentation import switched_on
from tidegauge_testkit.recording import Recording

#: Rows of a call that is not about its size.
ROWS = 7


class Boom(Exception):  # noqa: N818 - it is not an error that anybody handles
    """A fault of ours, injected."""


def boom(*_: object, **__: object) -> Any:
    """Fail as our own code might."""
    raise Boom


class HooksCase:
    """An instrumented library for each test."""

    scenario: ClassVar[HooksScenario]

    @pytest.fixture(autouse=True)
    def _instrumented(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        for name, value in self.scenario.environ.items():
            monkeypatch.setenv(name, value)
        with switched_on(self.scenario.instrumentor()):
            yield

    def patched(self) -> Any:
        """Return what stands where the library's function was."""
        owner, name = self.scenario.owner()
        return vars(owner)[name]

    def wrapper(self) -> Any:
        """Return our function that stands where the library's was."""
        value = self.patched()
        return getattr(value, "fn", value)


class Case(HooksCase):
    """An instrumented library and a pipeline of its own for each test."""

    scenario: ClassVar[Scenario]

    @pytest.fixture
    def recording(self) -> Iterator[Recording]:
        """Return a pipeline of this test alone."""
        with Recording() as recording:
            yield recording

    @pytest.fixture
    def model(self) -> Any:
        """Return a model that can predict."""
        return self.scenario.fit()

    def ask(self, model: Any, rows: int = ROWS) -> Any:
        """Predict once."""
        return self.scenario.predict(model, self.scenario.data(rows))


@contextmanager
def stand_in(wrapper: Any, function: Callable[..., Any]) -> Iterator[None]:
    """Let a wrapper of ours call another function than the library's in a block.

    So what is ours alone can be measured, and tried with any answer.
    """
    original = wrapper.__wrapped__
    cells = list(_cells(wrapper, original))
    assert cells
    for cell in cells:
        cell.cell_contents = function
    try:
        yield
    finally:
        for cell in cells:
            cell.cell_contents = original


def _cells(wrapper: Any, original: object) -> Iterator[CellType]:
    """Yield where a wrapper holds the original, and where a wrapper that it holds does."""
    for cell in wrapper.__closure__:
        value = cell.cell_contents
        if value is original:
            yield cell
        elif isinstance(value, FunctionType) and hasattr(value, "__tidegauge__"):
            yield from _cells(value, original)


@contextmanager
def arguments(wrapper: Any) -> Iterator[list[tuple[tuple[Any, ...], dict[str, Any]]]]:
    """Collect what a wrapper is called with in a block, the model first."""
    found: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
    original = wrapper.__wrapped__

    def look(*args: Any, **kwargs: Any) -> Any:
        found.append((args, kwargs))
        return original(*args, **kwargs)

    with stand_in(wrapper, look):
        yield found

"""The worker's side of drift: this process's rows in panes, closed by the clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from tidegauge import guard
from tidegauge.operations import rank

from tidegauge_drift.counter import MAXIMUM_MODELS, PaneCounter, first_open, went_back

if TYPE_CHECKING:
    from tidegauge.batch import Batch, ModelKey

    from tidegauge_drift.layout import Layout
    from tidegauge_drift.pane import Pane

FindLayout: TypeAlias = "Callable[[ModelKey], Layout | None]"


@dataclass(slots=True)
class _Model:
    operation: str
    counter: PaneCounter | None


class Worker:
    """All models of one process: which operation of each is counted, and on which reference.

    Parameters
    ----------
    find : callable
        Returns the layout for a model, or None.
    pane_s : int
        Length of a pane.
    operation : str
        The only one that is counted; empty: the highest that was seen so far.
    """

    def __init__(self, find: FindLayout, pane_s: int, operation: str = "") -> None:
        self._find = find
        self._pane_s = pane_s
        self._fixed = operation
        self._models: dict[ModelKey, _Model] = {}
        #: The first pane that is not closed yet; None before the first tick.
        self.closed: int | None = None

    def take(self, batch: Batch) -> int:
        """Count a batch; return how many panes of its model are open or wait."""
        model = self._models.get(batch.model) or self._adopt(batch)
        if model is None or model.counter is None or not self._is_compared(model, batch.operation):
            return 0
        model.counter.take(batch)
        return len(model.counter)

    def _adopt(self, batch: Batch) -> _Model | None:
        if self._fixed and batch.operation != self._fixed:
            return None
        if len(self._models) >= MAXIMUM_MODELS:
            guard.once(
                "drift.models", "more than %s models: no drift of further ones", MAXIMUM_MODELS
            )
            return None
        model = _Model(batch.operation, self._counter(batch.model))
        self._models[batch.model] = model
        return model

    def _counter(self, key: ModelKey) -> PaneCounter | None:
        layout = self._find(key)
        if layout is None:
            return None
        counter = PaneCounter(key, layout, self._pane_s)
        if self.closed is not None:
            counter.close(self.closed)
        return counter

    def _is_compared(self, model: _Model, operation: str) -> bool:
        if operation == model.operation:
            return True
        if self._fixed or rank(operation) <= rank(model.operation):
            return False
        model.operation = operation
        return True

    def follow(self, key: ModelKey, operation: str) -> None:
        """Count the operation that the group compares, unless this process has seen a higher."""
        model = self._models.get(key)
        if model is not None and not self._fixed and rank(operation) >= rank(model.operation):
            model.operation = operation

    def close(self, now_s: float) -> int:
        """Close the panes that ended 3 s ago; return the first that is still open."""
        limit = first_open(now_s, self._pane_s)
        if (
            self.closed is None
            or limit > self.closed
            or went_back(self.closed, limit, self._pane_s)
        ):
            self.closed = limit
            for counter in self.counters():
                counter.close(limit)
        return self.closed

    def compares(self, key: ModelKey) -> bool:
        """Tell whether a model's rows are counted: it has a reference."""
        model = self._models.get(key)
        return model is not None and model.counter is not None

    def counters(self) -> Iterator[PaneCounter]:
        """Yield the counter of each model that has a reference."""
        for model in self._models.values():
            if model.counter is not None:
                yield model.counter

    def pop(self, limit: int) -> list[Pane]:
        """Give the panes below ``limit`` away."""
        return [pane for counter in self.counters() for pane in counter.pop(limit)]

    def bound(self) -> None:
        """Give up the oldest panes of models of which too many wait."""
        for counter in self.counters():
            counter.bound()

    def reload(self, index: int) -> None:
        """Count on the references as they are now from a pane on."""
        for key, model in self._models.items():
            if model.counter is None:
                model.counter = self._counter(key)
                continue
            layout = self._find(key)
            if layout is not None and layout.digest != model.counter.newest.digest:
                model.counter.replace(layout, index)

"""The leader's side of drift: closed panes of all processes into verdicts, a little at a time."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from itertools import groupby
from typing import TYPE_CHECKING, TypeAlias

from tidegauge import guard

from tidegauge_drift.counter import MAXIMUM_MODELS, went_back
from tidegauge_drift.rivals import LIVE

if TYPE_CHECKING:
    from tidegauge.batch import ModelKey

    from tidegauge_drift.evaluator import Evaluator
    from tidegauge_drift.pane import Pane
    from tidegauge_drift.worker import FindLayout

Make: TypeAlias = "Callable[[ModelKey], Evaluator | None]"
Keep: TypeAlias = "Callable[[Evaluator], None]"


class Leader:
    """All evaluators of one process, and the panes that they have not got yet.

    Parameters
    ----------
    pane_s : int
        Length of a pane.
    make : callable
        Returns the evaluator of a model that was not seen before, or None without a reference.
    keep : callable
        Gets an evaluator that has changed, when the panes given for it are folded, and at the end.
    through : int, optional
        The leader before has folded all panes below it.
    """

    def __init__(self, pane_s: int, make: Make, keep: Keep, through: int | None = None) -> None:
        self._pane_s = pane_s
        self._make = make
        self._keep = keep
        self._evaluators: dict[ModelKey, Evaluator] = {}
        self._work: deque[tuple[ModelKey, list[Pane], list[Pane]]] = deque()
        self._limit: int | None = None
        #: All panes below it are folded.
        self.through = through
        #: What collections read; replaced as a whole.
        self.shown: tuple[Evaluator, ...] = ()

    def evaluator(self, key: ModelKey) -> Evaluator | None:
        """Return the evaluator of a model, made if there is none yet and not too many."""
        found = self._evaluators.get(key)
        if found is None and len(self._evaluators) < MAXIMUM_MODELS:
            found = self._make(key)
            if found is not None:
                self._evaluators[key] = found
                self.shown = tuple(self._evaluators.values())
        return found

    def is_due(self, limit: int) -> bool:
        """Tell whether there are new panes below ``limit`` and time to fold them."""
        through = self.through
        return not self._work and (
            through is None or limit > through or went_back(through, limit, self._pane_s)
        )

    def give(self, limit: int, panes: Iterable[Pane]) -> None:
        """Take over all panes below ``limit``, of whatever process; none of them comes again."""
        ordered = sorted(panes, key=lambda pane: (pane.model, pane.index))
        waiting = {key: list(group) for key, group in groupby(ordered, lambda pane: pane.model)}
        live: dict[str, list[Pane]] = {}
        for pane in ordered:
            if pane.model.role == LIVE:
                live.setdefault(pane.model.name, []).append(pane)
        for key in {**self._evaluators, **waiting}:
            others = [pane for pane in live.get(key.name, ()) if pane.model != key]
            self._work.append((key, waiting.get(key, []), others))
        self._limit = limit
        if not self._work:
            self.through = limit

    def work(self, budget_s: float) -> None:
        """Fold and judge, one model at a time, until all is done or the time is used up."""
        started = time.perf_counter()
        while self._work and self._limit is not None:
            key, panes, others = self._work.popleft()
            with guard.guarded("drift.advance"):
                self._fold(key, panes, others, self._limit)
            if not self._work:
                self.through = self._limit
            if time.perf_counter() - started > budget_s:
                return

    def end(self, timeout_s: float) -> None:
        """Judge what is open, model by model, until all is done or the time is used up."""
        deadline = time.perf_counter() + timeout_s
        self.work(timeout_s)
        for evaluator in self.shown:
            if time.perf_counter() > deadline:
                return
            with guard.guarded("drift.end"):
                evaluator.end()
                self._keep(evaluator)

    def _fold(self, key: ModelKey, panes: list[Pane], others: list[Pane], limit: int) -> None:
        evaluator = self.evaluator(key)
        if evaluator is None:
            return
        role = min((pane.model.role for pane in panes), default=evaluator.snapshot.role)
        own, live = _by_index(panes), _by_index(() if role == LIVE else others)
        for index in sorted(own.keys() | live.keys()):
            evaluator.fold(own.get(index, ()), live.get(index, ()))
        evaluator.advance(limit)
        if evaluator.changed:
            evaluator.changed = False
            self._keep(evaluator)

    def reload(self, find: FindLayout, index: int) -> None:
        """Compare with the references as they are now from a pane on."""
        for key, evaluator in self._evaluators.items():
            layout = find(key)
            if layout is not None and layout.digest != evaluator.newest.digest:
                evaluator.replace(layout, index)


def _by_index(panes: Iterable[Pane]) -> dict[int, list[Pane]]:
    found: dict[int, list[Pane]] = {}
    for pane in panes:
        found.setdefault(pane.index, []).append(pane)
    return found

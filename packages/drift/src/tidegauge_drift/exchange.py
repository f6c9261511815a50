"""Panes between the processes of a group: what is published, who is waited for, what is kept."""

from __future__ import annotations

import json
import logging
import time
from typing import TYPE_CHECKING, Any

from tidegauge import guard
from tidegauge.batch import ModelKey

from tidegauge_drift.counter import MAXIMUM_PANES, first_open
from tidegauge_drift.pane import Pane, PaneError, model_digest, prefix
from tidegauge_drift.state import StateError, dump, layout_of, restore
from tidegauge_drift.week import WeekError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tidegauge.group import Group, Record

    from tidegauge_drift.evaluator import Evaluator
    from tidegauge_drift.worker import Worker

# A living process that has not said that it closed a pane is waited for so long.
WAIT_S = 5
# Open panes are written for so long each second: all of a hundred models.
_GROWING_S = 0.01
_INDEX = "drift"
_CLOSED = "panes"
_PANES = "pane."
# Panes of dead processes that came too late to be folded are looked for once in so many folds,
# and at gaps longer than this all records are read once instead of one index after the other.
_SWEEP = 32


class Exchange:
    """What this process says to its group and reads from it.

    A pane is published as it grows and once more when it is closed, then the index through which
    this process has closed. The leader folds the panes of all, keeps each model's state, and then
    says in one small record through which index it has folded: only then is a pane withdrawn. So
    whatever moment a leader dies at, its successor finds either the state before a pane and the
    pane, or the state after it, which knows its index.
    """

    def __init__(self, group: Group, worker: Worker, pane_s: int) -> None:
        self._group = group
        #: Where in the group this process's records are.
        self.place = group.worker
        self._worker = worker
        self._pane_s = pane_s
        # By name: index, rows, notes.
        self._published: dict[str, tuple[int, int, int]] = {}
        self._given: set[str] = set()
        self._said = ""
        self._turn = 0
        self._folds = 0
        self._dead: list[Record] = []
        self._turns: dict[ModelKey, object] = {}

    # -- a worker's part -------------------------------------------------------------------------

    def publish(self, closed: int, *, last: bool = False) -> None:
        """Write what has changed of this process's panes, then what it has closed.

        ``last``: there is no next time.
        """
        self._worker.bound()
        panes = {pane.name: pane for counter in self._worker.counters() for pane in counter}
        whole = [pane for pane in panes.values() if pane.index < closed]
        waiting = [pane.index for pane in whole if not self._write(pane)]
        growing = [pane for pane in panes.values() if pane.index >= closed]
        self._write_growing(growing, float("inf") if last else _GROWING_S)
        if panes or self._said:
            self._say_closed(closed, min([closed, *waiting]))
        for name in self._published.keys() - panes.keys() - self._given:
            self._withdraw(name)

    def _say_closed(self, closed: int, through: int) -> None:
        said = json.dumps({"closed": through, "waiting": through < closed, "pane_s": self._pane_s})
        if said != self._said and self._group.publish(_CLOSED, said.encode()):
            self._said = said

    def _write_growing(self, panes: list[Pane], budget_s: float) -> None:
        """Write open panes in turn until the time is used up: the next ones come next second."""
        started = time.perf_counter()
        for _ in panes:
            self._turn = (self._turn + 1) % len(panes)
            self._write(panes[self._turn])
            if time.perf_counter() - started > budget_s:
                return

    def _write(self, pane: Pane) -> bool:
        name = pane.name
        known = self._published.get(name)
        if known is not None and known[1:] == (pane.rows, len(pane.notes)):
            return True
        written = self._group.publish(name, pane.to_bytes())
        if written:
            self._published[name] = (pane.index, pane.rows, len(pane.notes))
        return written

    def _withdraw(self, name: str) -> None:
        self._group.withdraw(name)
        self._given.discard(name)
        del self._published[name]

    def follow(self, closed: int) -> None:
        """Forget the panes that the leader has folded; count the operations that it compares."""
        index = self._index()
        if index is None:
            return
        for key, operation in index["models"].items():
            self._worker.follow(key, operation)
        # After a clock was set back the leader may still speak of the time before.
        through = min(index["through"], closed)
        for pane in self._worker.pop(through):
            _, published, _ = self._published.get(pane.name, (0, 0, 0))
            if published < pane.rows:
                guard.once(
                    "drift.unseen",
                    "The leader has judged a pane before this process could publish all of its "
                    "rows: they are not in drift. Was the process stopped, or is the disk full?",
                )
        self.settle(through)

    def settle(self, through: int) -> None:
        """Remove the records of panes that are folded: this process's, and dead ones'."""
        for name in [name for name, (index, *_) in self._published.items() if index < through]:
            self._withdraw(name)
        for record in self._dead:
            self._group.drop(record)
        self._dead.clear()

    def _index(self) -> dict[str, Any] | None:
        """Return what the leader has said: through which pane it has folded, and its models."""
        content = self._group.kept(_INDEX)
        if content is None:
            return None
        try:
            found = json.loads(content)
            models = {ModelKey(n, v): str(operation) for n, v, operation in found["models"]}
            return {"through": int(found["through"]), "models": models}
        except (ValueError, TypeError, KeyError):
            _refuse("drift's index")
            return None

    # -- the leader's part -----------------------------------------------------------------------

    def models(self) -> tuple[int | None, list[ModelKey]]:
        """Return through which pane the leader before has folded, and the models it has judged."""
        index = self._index()
        return (None, []) if index is None else (index["through"], list(index["models"]))

    def due(self, now_s: float, closed: int) -> int:
        """Return the first pane that somebody has not closed and may still be waited for."""
        limit = closed
        waited = first_open(now_s - WAIT_S, self._pane_s)
        for record in self._group.named(_CLOSED):
            if not record.living:
                self._group.drop(record)
            elif record.worker != self._group.worker:
                limit = min(limit, self._closed(record, waited, limit))
        return limit

    def _closed(self, record: Record, waited: int, limit: int) -> int:
        """Return through which pane a living process need not be waited for."""
        try:
            said = json.loads(record.payload)
            if said["pane_s"] != self._pane_s:
                return limit
            # One that cannot write its panes has them in memory, as many as it may.
            return max(int(said["closed"]), limit - MAXIMUM_PANES if said["waiting"] else waited)
        except (ValueError, TypeError, KeyError):
            _refuse("a worker's index")
            return limit

    def collect(self, through: int | None, limit: int) -> list[Pane]:
        """Take all panes below ``limit`` that are not folded, this process's and the others'."""
        own = self._worker.pop(limit)
        self._given |= {pane.name for pane in own} & self._published.keys()
        if through is None or not 0 <= limit - through < _SWEEP or self._folds % _SWEEP == 0:
            records = self._group.records(_PANES)
        else:
            records = [r for i in range(through, limit) for r in self._group.records(prefix(i))]
        self._folds += 1
        panes = own
        for record in records:
            pane = None if record.worker == self._group.worker else _read(record)
            if pane is not None and pane.index < limit:
                panes.append(pane)
                if not record.living:
                    self._dead.append(record)
        return panes

    def keep(self, evaluator: Evaluator) -> bool:
        """Write what a successor needs to go on with a model; tell whether it is written."""
        model, week = evaluator.snapshot.model, evaluator.week
        if week is not None and self._turns.get(model) != week.turn:
            # First the hours that are over, then the state that builds on them.
            if not self._group.keep(_week_name(model), week.to_bytes()):
                return False
            self._turns[model] = week.turn
        return self._group.keep(_name(model), dump(evaluator))

    def keep_index(self, through: int, evaluators: Iterable[Evaluator]) -> None:
        """Say that all panes below ``through`` are in the states that are kept."""
        models = [
            [e.snapshot.model.name, e.snapshot.model.version, e.operation] for e in evaluators
        ]
        self._group.keep(_INDEX, json.dumps({"through": through, "models": models}).encode())

    def layout(self, key: ModelKey) -> str:
        """Return the digest of the layout that a model was judged on; empty if it was not."""
        content = self._group.kept(_name(key))
        return "" if content is None else layout_of(content)

    def restore(self, evaluator: Evaluator) -> None:
        """Let an evaluator go on where the leader before this one stood."""
        model, week = evaluator.snapshot.model, evaluator.week
        content = self._group.kept(_name(model))
        if content is None:
            return
        try:
            hours = None if week is None else self._group.kept(_week_name(model))
            if week is not None and hours is not None:
                layout = evaluator.snapshot.layout
                week.restore(hours, layout.digest, layout.size)
            restore(evaluator, content)
        except (StateError, WeekError) as error:
            guard.once("drift.state", "%s Windows start anew.", error, level=logging.ERROR)


def _name(key: ModelKey) -> str:
    return f"{_INDEX}.{model_digest(key)}"


def _week_name(key: ModelKey) -> str:
    return f"{_name(key)}.week"


def _read(record: Record) -> Pane | None:
    try:
        return Pane.from_bytes(record.payload)
    except PaneError as error:
        guard.once("drift.pane", "%s", error, level=logging.ERROR)
        return None


def _refuse(what: str) -> None:
    guard.once(
        "drift.exchange",
        "%s: got another format from the group; expected this version's. It is left out; run one "
        "version of Tidegauge in all processes.",
        what,
        level=logging.ERROR,
    )

"""Drift of one model: rows into panes, panes into windows, windows into verdicts."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from tidegauge import guard
from tidegauge.batch import Batch, ModelKey, Table

from tidegauge_drift.budget import choose
from tidegauge_drift.layout import INPUTS, OUTPUTS
from tidegauge_drift.pane import Pane, model_digest
from tidegauge_drift.verdict import WindowVerdict, judge
from tidegauge_drift.window import ClosedWindow, Tumbler, WindowSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tidegauge_drift.layout import Layout
    from tidegauge_drift.matching import Match

_logger = logging.getLogger("tidegauge.drift")

# A pane stays open so long after its end for calls that are still in the buffer.
GRACE_S = 3
# A clock that went back further than this was set: windows start anew at the new time.
_BACKWARDS_S = 60
# More open panes than this mean that time moved on without a tick: a replay.
_MAXIMUM_PANES = 16

Listener: TypeAlias = Callable[[ModelKey, WindowVerdict], None]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What collections read: replaced as a whole when a window closes, never changed."""

    model: ModelKey
    layout: Layout
    verdicts: dict[WindowSpec, WindowVerdict] = field(default_factory=dict)
    members: dict[str, int] = field(default_factory=dict)


class Monitor:
    """State of one model's drift against one reference; all methods but ``snapshot`` on one thread.

    Parameters
    ----------
    model : ModelKey
        Whose rows these are.
    layout : Layout
        The reference, made ready.
    windows : sequence of WindowSpec
        Kinds of windows; the first one's features are exported.
    pane_s : int
        Length of a pane.
    budget : int
        Features that may be exported.
    listener : callable, optional
        Gets each verdict when it is made.
    """

    def __init__(
        self,
        model: ModelKey,
        layout: Layout,
        windows: Sequence[WindowSpec],
        pane_s: int,
        *,
        budget: int = 1_000_000,
        listener: Listener | None = None,
    ) -> None:
        self._windows = tuple(windows)
        self._pane_s = pane_s
        self._budget = budget
        self._listener = listener
        self._digest = model_digest(model.name, model.version)
        self._next: tuple[Layout, int] | None = None
        self._first: int | None = None  # the first pane that is not closed yet
        self._said: set[str] = set()
        self._tumblers: tuple[Tumbler, ...] = ()
        self._panes: dict[int, Pane] = {}
        self._matches: dict[str, tuple[object, Match]] = {}
        self.late_rows = 0
        self.snapshot = Snapshot(model, layout)

    @property
    def fits(self) -> bool:
        """Whether the reference is of this model's features, as far as rows have told."""
        kept = self._matches.get(INPUTS)
        return kept is None or not kept[1].reason

    def take(self, batch: Batch) -> None:
        """Count a batch's rows in the panes of their end times."""
        if batch.features is None and batch.outputs is None:
            return
        times = np.asarray(batch.end_times, np.float64)
        if times.size == 0 or not np.isfinite(times).all():
            return
        index = np.floor(times / self._pane_s).astype(np.int64)
        if self._first is None:
            self._start(int(index.min()))
        for pane in np.unique(index).tolist():
            chosen = (
                None if index[0] == pane == index[-1] and (index == pane).all() else index == pane
            )
            rows = times.size if chosen is None else int(chosen.sum())
            if self._first is not None and pane < self._first:
                self.late_rows += rows
                guard.once(
                    "drift.late",
                    "rows arrived more than %s s after their pane's end: they are not in drift",
                    GRACE_S,
                )
                continue
            self._count(batch, pane, rows, chosen)
        if len(self._panes) > _MAXIMUM_PANES:
            self.advance(float(times.max()))

    def _count(self, batch: Batch, index: int, rows: int, chosen: NDArray[np.bool_] | None) -> None:
        layout = self._layout(index)
        found = []
        for side, table in ((INPUTS, batch.features), (OUTPUTS, batch.outputs)):
            block = layout.inputs if side == INPUTS else layout.outputs
            if table is None or not block.slots:
                continue
            matched = self._match(layout, side, table)
            if matched.reason and side == INPUTS:
                return  # another model's rows: its outputs are not comparable either
            if not matched.reason:
                part = table if chosen is None else _rows(table, chosen, rows)
                found.append((block, block.count(part, matched.columns)))
        if not found:
            return
        pane = self._panes.get(index)
        if pane is None or pane.layout != layout.digest:
            counts = np.zeros(layout.size, np.uint32)
            pane = Pane(self._digest, layout.digest, index, self._pane_s, counts)
            self._panes[index] = pane
        for block, counted in found:
            place = pane.counts[block.start : block.start + block.size]
            np.add(place, counted, out=place, casting="unsafe")
        pane.rows += rows
        pane.saw_stride(batch.stride, batch.stride)

    def _layout(self, index: int) -> Layout:
        if self._next is not None and index >= self._next[1]:
            return self._next[0]
        return self.snapshot.layout

    def _match(self, layout: Layout, side: str, table: Table) -> Match:
        width = table.matrix.shape[1] if table.matrix is not None else len(table.columns or ())
        key = (layout, table.names, width)
        kept = self._matches.get(side)
        if kept is not None and kept[0] == key:
            return kept[1]
        found = layout.match_inputs(table) if side == INPUTS else layout.match_outputs(table)
        self._matches[side] = (key, found)
        self._say(side, found)
        return found

    def _say(self, side: str, found: Match) -> None:
        if found.reason:
            self._once(
                f"{side}.reason", logging.WARNING,
                f"no drift of its {side}: {found.reason}. Build the reference from rows as the "
                "model gets them.",
            )  # fmt: skip
            return
        if found.missing:
            names = ", ".join(found.missing[:5])
            self._once(
                f"{side}.missing", logging.WARNING,
                f"{len(found.missing)} features of the reference are missing ({names}); the others "
                "are compared.",
            )  # fmt: skip
        if found.extra:
            names = ", ".join(found.extra[:5])
            self._once(
                f"{side}.extra", logging.WARNING,
                f"{len(found.extra)} columns are not in the reference ({names}) and not compared.",
            )  # fmt: skip

    def _once(self, cause: str, level: int, message: str) -> None:
        key = f"{self.snapshot.layout.reference}.{cause}"
        if key not in self._said:
            self._said.add(key)
            model = self.snapshot.model
            _logger.log(level, "%s %s: %s", model.name, model.version, message)

    @property
    def newest(self) -> Layout:
        """The reference in use, or the one that the next pane begins with."""
        return self._next[0] if self._next is not None else self.snapshot.layout

    def replace(self, layout: Layout, now_s: float) -> None:
        """Compare with another reference from the next pane on."""
        self._next = (layout, int(now_s // self._pane_s) + 1)

    def restart(self) -> None:
        """Forget all windows: what follows is not comparable with what came before."""
        self._panes.clear()
        self._matches.clear()
        self.snapshot = Snapshot(self.snapshot.model, self.snapshot.layout)
        if self._first is not None:
            self._start(self._first)

    def _start(self, first: int) -> None:
        self._first = first
        self._tumblers = tuple(Tumbler(spec, self._pane_s, first) for spec in self._windows)

    def advance(self, now_s: float) -> None:
        """Close the panes that ended 3 s ago and the windows that end with them."""
        limit = int((now_s - GRACE_S) // self._pane_s)
        if self._first is None:
            self._swap(limit)
            return
        if (self._first - limit) * self._pane_s > _BACKWARDS_S + self._pane_s:
            self._once("clock", logging.WARNING, "the clock went back; drift's windows start anew.")
            self._panes.clear()
            self._start(limit)
            return
        if limit <= self._first:
            return
        for index in sorted(i for i in self._panes if i < limit):
            self._swap(index)
            pane = self._panes.pop(index)
            if pane.layout != self.snapshot.layout.digest:
                continue  # of a reference that was replaced again before its first pane ended
            for tumbler in self._tumblers:
                self._judge(tumbler.fold(pane))
        for tumbler in self._tumblers:
            self._judge(tumbler.advance(limit))
        self._first = limit
        self._swap(limit)

    def _swap(self, index: int) -> None:
        if self._next is not None and index >= self._next[1]:
            layout, _ = self._next
            self._next = None
            self._said.clear()
            self._matches.clear()
            self.snapshot = Snapshot(self.snapshot.model, layout)
            if self._first is not None:
                self._start(index)

    def _judge(self, closed: Iterable[ClosedWindow]) -> None:
        for window in closed:
            before = self.snapshot
            last = before.verdicts.get(window.spec)
            verdict = judge(window, before.layout, len(self._windows), last)
            if verdict.mismatch and not (last is not None and last.mismatch):
                self._once(
                    "mismatch", logging.ERROR,
                    "half of its features or more differ from the reference in the first window: "
                    "the reference seems to be of other data. Input alarms are off; build the "
                    "reference from rows as the model gets them now.",
                )  # fmt: skip
            verdicts = {**before.verdicts, window.spec: verdict}
            members = before.members
            if window.spec == self._windows[0]:
                members = choose(_ranked(verdict), self._budget, members)
            self.snapshot = Snapshot(before.model, before.layout, verdicts, members)
            if self._listener is not None:
                with guard.guarded("drift.listener"):
                    self._listener(before.model, verdict)


def _ranked(verdict: WindowVerdict) -> list[str]:
    order = sorted(verdict.features, key=lambda feature: -feature.finding.effect)
    return [feature.name for feature in order]


def _rows(table: Table, chosen: NDArray[np.bool_], rows: int) -> Table:
    if table.matrix is not None:
        return Table(rows, table.names, matrix=table.matrix[chosen])
    columns = tuple(np.asarray(column)[chosen] for column in table.columns or ())
    return Table(rows, table.names, columns=columns)

"""The leader's side of one model: panes into windows, windows into verdicts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import reduce
from typing import TYPE_CHECKING, TypeAlias

from tidegauge import guard
from tidegauge.batch import ModelKey
from tidegauge.operations import rank
from tidegauge.top import choose

from tidegauge_drift import notices
from tidegauge_drift.calls import CALLS, Likeness, head
from tidegauge_drift.changes import changes, ended
from tidegauge_drift.counter import went_back
from tidegauge_drift.export import room_beside
from tidegauge_drift.pane import Pane
from tidegauge_drift.rivals import LIVE, Rivals
from tidegauge_drift.schema import Schema
from tidegauge_drift.segment_counts import without
from tidegauge_drift.snapshot import Closed, Snapshot
from tidegauge_drift.verdict import WindowVerdict, alarmed_since
from tidegauge_drift.versus import against_live, no_longer
from tidegauge_drift.window import ClosedWindow, Tumbler, WindowSpec
from tidegauge_drift.window_judge import judge

if TYPE_CHECKING:
    from tidegauge.events import Event

    from tidegauge_drift.layout import Layout
    from tidegauge_drift.totals import Totals
    from tidegauge_drift.week import Week

Listener: TypeAlias = Callable[[ModelKey, WindowVerdict], None]

# Of each kind of window: the one that is shown and the one before it.
KEPT = 2


class Evaluator:
    """Windows and verdicts of one model; all methods but ``snapshot`` on one thread.

    What it says depends on the panes and their indices alone: not on when they come, how rows were
    spread over processes, or who reads.

    Parameters
    ----------
    model : ModelKey
        Whose windows these are.
    layout : Layout
        The reference, made ready.
    windows : sequence of WindowSpec
        Kinds of windows; the first one's features are exported.
    pane_s : int
        Length of a pane.
    budget : int
        Features that may be exported.
    listener : callable, optional
        Gets each verdict when it is made. After a leader's death one verdict can be made again.
    totals : Totals, optional
        Gets each pane that is folded.
    week : Week, optional
        What windows are compared with in place of the reference.
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
        totals: Totals | None = None,
        week: Week | None = None,
    ) -> None:
        self.windows = tuple(windows)
        self.pane_s = pane_s
        self.totals = totals
        self.week = week
        self._budget = budget
        self._listener = listener
        self._next: tuple[Layout, int] | None = None
        self.operation = ""
        self.first: int | None = None  # the first pane that is not folded yet
        self.tumblers: tuple[Tumbler, ...] = ()
        self.snapshot = Snapshot(model, layout)
        #: How columns differ from those of the reference in use.
        self.schema = Schema(pane_s)
        #: How alike rows of one call are, of the reference in use.
        self.likeness = Likeness(layout.slots)
        #: Of a canary or shadow: the live rows in its open windows.
        self.rivals: Rivals | None = None
        #: Whether there is something to keep; its reader sets it back.
        self.changed = False
        #: Alarms that went on or off; whoever keeps the state takes them, after that.
        self.news: list[Event] = []

    def resume(
        self, operation: str, first: int | None, tumblers: tuple[Tumbler, ...], snapshot: Snapshot
    ) -> None:
        """Go on where another evaluator of this model stood."""
        self.operation = operation
        self.first = first
        self.tumblers = tumblers
        self.snapshot = snapshot

    def fold(self, panes: Sequence[Pane], live: Sequence[Pane] = ()) -> None:
        """Add all closed panes of one index, of whatever process, operation or reference.

        ``live`` are those of the live versions of the same name, for a canary or shadow; then there
        may be none of its own.
        """
        index = (panes or live)[0].index
        if self.first is not None and index < self.first:
            return  # folded before, by this process or the leader before it
        self._swap(index)
        if panes:
            self._choose(panes)
        now = self.snapshot
        equal = self._equal(panes)
        if any(pane.layout != now.layout.digest for pane in panes):
            notices.unequal(now.model)
        pane = reduce(Pane.merge, equal) if equal else None
        if pane is not None:
            self._assume(pane.model.role)
            self._read(pane)
            if pane.notes and not pane.rows:
                pane = None  # of rows that cannot be compared
        if pane is not None and not self.tumblers:
            self.tumblers = tuple(Tumbler(spec, self.pane_s, index) for spec in self.windows)
        if self.rivals is not None and self.tumblers and live:
            for tumbler in self.tumblers:
                self._judge(tumbler.advance(index))
            self.rivals.fold(self._equal(live))
        if pane is not None:
            self._add(pane)
        self.first = index + 1
        self.changed = True

    def _equal(self, panes: Sequence[Pane]) -> list[Pane]:
        now = self.snapshot
        wanted = (self.operation, now.layout.digest, self.pane_s, now.layout.size)
        return [
            pane
            for pane in panes
            if (pane.operation, pane.layout, pane.length_s, pane.counts.size) == wanted
        ]

    def _assume(self, role: str) -> None:
        """Be what the version is now: what was compared with live rows before is over."""
        if role != self.snapshot.role:
            now = self.snapshot
            self.news += no_longer(now, now.versus.values(), self._at_s)
            self.snapshot = replace(now, role=role, versus={})
            self.rivals = None if role == LIVE else Rivals(self.windows)

    def _read(self, pane: Pane) -> None:
        """Take what a pane says of columns."""
        now = self.snapshot
        self.news += self.schema.fold(now.model, now.layout.reference, pane)
        differences, compared = self.schema.differences(), now.compared or pane.rows > 0
        if (differences, compared) != (now.schema, now.compared):
            self.snapshot = replace(now, schema=differences, compared=compared)

    def _choose(self, panes: Sequence[Pane]) -> None:
        """Go over to the highest operation that any process has seen: windows start anew."""
        highest = max((rank(pane.operation), pane.operation) for pane in panes)[1]
        if not self.operation:
            self.operation = highest
        elif rank(highest) > rank(self.operation):
            self.operation = highest
            self._restart(self.snapshot.layout)
            self.likeness = Likeness(self.snapshot.layout.slots)

    def _add(self, pane: Pane) -> None:
        if self.totals is not None:
            with guard.guarded("drift.totals"):
                self.totals.fold(self.snapshot.layout, pane)
        if self.week is not None:
            self.week.fold(pane)
        if CALLS in pane.extra:
            # First what was over before this pane: it is judged by the calls before it.
            for tumbler in self.tumblers:
                self._judge(tumbler.advance(pane.index))
            counted = pane.extra[CALLS]
            self.likeness.fold(counted)
            pane = replace(pane, extra={**pane.extra, CALLS: head(counted)})
        for tumbler in self.tumblers:
            self._judge(tumbler.fold(pane))
        if self.week is not None:
            self.week.forget(min(tumbler.opened_s for tumbler in self.tumblers))

    def advance(self, limit: int) -> None:
        """Close the windows whose time is over now that all panes below ``limit`` are folded."""
        if self.first is not None and went_back(self.first, limit, self.pane_s):
            notices.clock_went_back(self.snapshot.model)
            self.tumblers = ()
            self.first = limit
            self.changed = True
            self.schema.went_back(limit)
            if self.week is not None:
                self.week.went_back(limit * self.pane_s)
            if self.rivals is not None:
                self.rivals.clear()
        for tumbler in self.tumblers:
            self._judge(tumbler.advance(limit))
        if self.first is not None:
            self.first = max(limit, self.first)
        self._swap(limit)

    def end(self) -> None:
        """Judge what no window has closed for: nothing comes after.

        Of a kind of which a window has closed the rest is left out. It would replace a verdict on
        a whole window by one on fewer rows.
        """
        for spec, tumbler in zip(self.windows, self.tumblers, strict=False):
            if self.first is not None and self.snapshot.verdict(spec) is None:
                self._judge(tumbler.end(self.first))

    @property
    def _at_s(self) -> float:
        """The end of what is folded."""
        return float((self.first or 0) * self.pane_s)

    @property
    def newest(self) -> Layout:
        """The reference in use, or the one that comes next."""
        return self._next[0] if self._next is not None else self.snapshot.layout

    def replace(self, layout: Layout, index: int) -> None:
        """Compare with another reference from a pane on."""
        self._next = (layout, index)

    def _swap(self, index: int) -> None:
        if self._next is not None and index >= self._next[1]:
            layout, _ = self._next
            self._next = None
            self._restart(layout)

    def _restart(self, layout: Layout) -> None:
        """Forget all windows: what follows is not comparable with what came before."""
        now, at_s = self.snapshot, self._at_s
        with guard.guarded("drift.changes"):
            last = [kept[0].verdict for kept in now.closed.values()]
            self.news += ended(now.model, now.layout.reference, last, at_s)
        self.news += no_longer(now, now.versus.values(), at_s)
        self.tumblers = ()
        if self.rivals is not None:
            self.rivals.clear()
        if layout.digest != now.layout.digest:
            self.news += self.schema.end(now.model, now.layout.reference, at_s)
        self.snapshot = Snapshot(now.model, layout, role=now.role, schema=self.schema.differences())
        if layout.events_digest != now.layout.events_digest:
            self.likeness = Likeness(layout.slots)
        self.changed = True

    def _judge(self, closed: Iterable[ClosedWindow]) -> None:
        for each in closed:
            before, window = self.snapshot, each
            if self.week is not None:
                window = replace(each, baseline=self.week.baseline(each, before.layout.slots))
            last = before.verdict(window.spec)
            alike = self.likeness.correlations()
            verdict = judge(window, before.layout, len(self.windows), last, alike)
            if self.week is not None and (since_s := alarmed_since(verdict)) is not None:
                self.week.mark(since_s, window.closed_s)
            known = any(kept[0].verdict.mismatch for kept in before.closed.values())
            if verdict.mismatch and not known:
                notices.mismatch(before.model)
            kept = (Closed(without(window), verdict), *before.closed.get(window.spec, ()))[:KEPT]
            members = before.members
            if window.spec == self.windows[0]:
                room = room_beside(before, self._budget, len(self.windows))
                members = choose(verdict.ranked(), room, members)
            closed_windows = {**before.closed, window.spec: kept}
            self.snapshot = replace(before, closed=closed_windows, members=members)
            self.changed = True
            if self.rivals is not None:
                with guard.guarded("drift.versus"):
                    self.snapshot, news = against_live(
                        self.snapshot, self.rivals, each,
                        kinds=len(self.windows), alike=alike, at_s=self._at_s,
                    )  # fmt: skip
                    self.news += news
            with guard.guarded("drift.changes"):
                self.news += changes(
                    before.model, before.layout, window, last, verdict,
                    reference=before.layout.reference,
                )  # fmt: skip
            if self._listener is not None:
                with guard.guarded("drift.listener"):
                    self._listener(before.model, verdict)

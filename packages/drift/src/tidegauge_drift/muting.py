"""What of a model's drift is muted now: as series, as words of a status, on events."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tidegauge import guard, state_folder
from tidegauge.batch import GaugePoint
from tidegauge.events import StateChange
from tidegauge_semconv import attributes as a
from tidegauge_semconv import metrics as m

from tidegauge_drift.block import INPUTS, OUTPUTS
from tidegauge_drift.marks import BACKFILL, DEPLOY, FILE, Mark, MarksError, parse
from tidegauge_drift.rivals import label
from tidegauge_drift.verdict import QUALITY, WindowVerdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tidegauge.events import Event

    from tidegauge_drift.snapshot import Snapshot
    from tidegauge_drift.window import WindowSpec


class Muting:
    """The marks of the state folder, read again when their file has changed.

    ``look`` touches the disk: it is called where nothing waits for it. All else reads what it left.

    Parameters
    ----------
    everything : bool, optional
        Features are alarmed about that have no series of ``drift.detected``: by replicas' counts,
        or by streaming detectors. Then a muted model has a series for each of its features.
    """

    def __init__(self, *, everything: bool = False) -> None:
        self._everything = everything
        self._marks: tuple[Mark, ...] = ()
        self._seen: tuple[int, ...] | None = None
        #: The time that marks end by; whoever has a clock sets it.
        self.now_s = float("-inf")

    def look(self) -> None:
        """Read the file if it is another one; a broken one leaves what there was."""
        place = state_folder.folder()
        if place is None:
            return
        try:
            found = (place / FILE).stat()
        except (FileNotFoundError, NotADirectoryError):  # nobody has muted anything, or it is over
            self._marks, self._seen = (), None
            return
        except OSError as error:
            guard.once(
                "drift.mutes",
                "%s: got %r from the file system; expected a file that can be read. What was muted "
                "before stays so; repair it, or remove it to unmute all.",
                place / FILE, error.strerror, level=logging.WARNING,
            )  # fmt: skip
            return
        seen = (found.st_mtime_ns, found.st_ino, found.st_size)
        if seen == self._seen:
            return
        self._seen = seen
        try:
            content = state_folder.read(FILE)
            self._marks = () if content is None else parse(content)
        except MarksError as error:
            guard.once(
                "drift.mutes",
                "%s: %s; expected what `tidegauge mute` has written. What was muted before stays "
                "so; repair the file, or remove it to unmute all.",
                place / FILE, error, level=logging.WARNING,
            )  # fmt: skip
        except state_folder.StateFolderError as error:
            guard.once("drift.mutes", "%s Nothing new is muted.", error, level=logging.WARNING)

    def marks(self, snapshot: Snapshot) -> tuple[Mark, ...]:
        """Return the marks of a model that are not over."""
        return tuple(
            mark
            for mark in self._marks
            if mark.concerns(snapshot.model)
            and (not mark.is_over(self.now_s) or _holds_rows(mark, snapshot, snapshot.closed))
        )

    def points(
        self, snapshots: Sequence[Snapshot], windows: Sequence[WindowSpec]
    ) -> Iterator[GaugePoint]:
        """Yield what is muted of some models, and the marks that dashboards show."""
        if not self._marks:
            return
        for snapshot in snapshots:
            shown = {slot.name for slot in snapshot.layout.slots}
            if not self._everything:
                shown &= snapshot.members.keys()
            yield from _muted(snapshot, windows, self.marks(snapshot), self.now_s, shown=shown)
        names = {snapshot.model.name for snapshot in snapshots}
        newest: dict[tuple[str, str, str], float] = {}
        for mark in self._marks:
            if mark.kind in (DEPLOY, BACKFILL) and mark.model in names:
                at = (mark.model, mark.version, mark.kind)
                if not mark.is_over(self.now_s):
                    newest[at] = max(mark.since_s, newest.get(at, 0.0))
        for at, since_s in newest.items():
            yield GaugePoint(m.MODEL_MARKER_START_TIME, at, since_s)

    def on_event(self, event: Event, snapshots: Iterable[Snapshot]) -> Event:
        """Return an event with what mutes it."""
        if not self._marks or not isinstance(event, StateChange):
            return event
        for snapshot in snapshots:
            if snapshot.model == event.model:
                mark = self._of(event, snapshot)
                if mark is not None:
                    return replace(event, muted_until_s=mark.until_s, muted_because=mark.reason)
        return event

    def _of(self, event: StateChange, snapshot: Snapshot) -> Mark | None:
        spec = next((each for each in snapshot.closed if each.label == event.window), None)
        verdict = None if spec is None else snapshot.verdict(spec)
        if spec is None or verdict is None:
            return None
        mine = _in_force(snapshot, spec, self.marks(snapshot), self.now_s)
        found = [mark for mark in mine if mark.feature in ("", event.feature)]
        if not event.feature and _all_muted(verdict, event.family, {one.feature for one in mine}):
            found = mine
        return max(found, key=lambda mark: mark.until_s, default=None)


def describe(marks: Iterable[Mark]) -> list[dict[str, Any]]:
    """Return the marks of a model as its status has them."""
    names = ("kind", "version", "feature", "window", "since_s", "until_s", "reason", "by")
    return [{name: getattr(mark, name) for name in names} for mark in marks]


def _holds_rows(mark: Mark, snapshot: Snapshot, specs: Iterable[WindowSpec]) -> bool:
    """Tell whether windows that speak now have rows of a backfill: it takes two to end an alarm."""
    return mark.kind == BACKFILL and any(
        closed.window.opened_s < mark.until_s and closed.window.closed_s > mark.since_s
        for spec in specs
        for closed in snapshot.closed.get(spec, ())
    )


def _is_whole(mark: Mark) -> bool:
    return mark.kind != DEPLOY and not mark.feature + mark.window


def _in_force(
    snapshot: Snapshot, spec: WindowSpec, marks: Iterable[Mark], now_s: float
) -> list[Mark]:
    """Return the marks that mute something in one kind of window."""
    return [
        mark
        for mark in marks
        if mark.kind != DEPLOY
        and mark.window in ("", spec.label)
        and (not mark.is_over(now_s) or _holds_rows(mark, snapshot, (spec,)))
    ]


def _muted(
    snapshot: Snapshot,
    windows: Sequence[WindowSpec],
    marks: tuple[Mark, ...],
    now_s: float,
    *,
    shown: set[str],
) -> Iterator[GaugePoint]:
    if not marks or (snapshot.schema and not snapshot.compared):
        return
    head = (snapshot.model.name, snapshot.model.version)
    if any(_is_whole(mark) and not mark.is_over(now_s) for mark in marks):
        own = (*head, snapshot.layout.reference)
        yield GaugePoint(m.DRIFT_MUTED, (*own, "", "", a.OF_REFERENCE), 1.0)
    for spec in windows:
        verdict, mine = snapshot.verdict(spec), _in_force(snapshot, spec, marks, now_s)
        if verdict is None or not mine:
            continue
        names = {mark.feature for mark in mine}
        named = shown if spec == windows[0] else set[str]()
        yield from _series(verdict, (*head, snapshot.layout.reference), names, named)
        versus = snapshot.versus.get(spec)
        if versus is not None and versus.window.baseline is not None:
            at = (*head, label(versus.window.baseline))
            yield from _series(versus.verdict, at, names, named, (OUTPUTS,))


def _series(
    verdict: WindowVerdict,
    head: tuple[str, str, str],
    names: set[str],
    shown: set[str],
    only: Sequence[str] = (),
) -> Iterator[GaugePoint]:
    """Yield 1 for each series of a verdict that is muted: by name or, by ``""``, as a whole."""
    window = verdict.spec.label
    if "" in names:
        yield GaugePoint(m.DRIFT_MUTED, (*head, "", window, a.OF_REFERENCE), 1.0)
    for family in only or verdict.detected:
        if "" in names or _all_muted(verdict, family, names):
            yield GaugePoint(m.DRIFT_MUTED, (*head, "", window, family), 1.0)
    for slot in verdict.slots:
        if slot.name not in names and not ("" in names and slot.name in shown):
            continue
        for family in (slot.family, QUALITY):
            if not only or family in only:
                yield GaugePoint(m.DRIFT_MUTED, (*head, slot.name, window, family), 1.0)


def _all_muted(verdict: WindowVerdict, family: str, names: set[str]) -> bool:
    """Tell whether a family alarms, and for muted features alone."""
    if family not in (INPUTS, OUTPUTS, QUALITY):
        return False  # pairs and segments: with the whole model only
    column = "quality_detected" if family == QUALITY else "detected"
    alarms = {
        slot.name
        for slot, on in zip(verdict.slots, verdict.table[column].tolist(), strict=True)
        if on == 1 and family in (QUALITY, slot.family)
    }
    return bool(alarms) and alarms <= names

"""What a model itself had in each hour of the last week, for windows to be compared with."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from tidegauge_drift.calls import pairs
from tidegauge_drift.judge import MINIMUM_ROWS
from tidegauge_drift.packing import PackingError, narrow, pack, unpack
from tidegauge_drift.season import MOST_UNKNOWN
from tidegauge_drift.times import HOUR_OF_WEEK, SEASONS, SLOT_S, slot
from tidegauge_drift.window import Baseline

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from tidegauge_drift.block import Slot
    from tidegauge_drift.grid import Floats
    from tidegauge_drift.packing import Cells
    from tidegauge_drift.pane import Pane
    from tidegauge_drift.window import ClosedWindow

#: No window may be longer: it would be part of its own baseline.
WEEK_S = 604_800
_WEEK_H = SEASONS[HOUR_OF_WEEK]
_MAGIC = b"tgweek01"
# Of which cells these are, and of which operation's rows.
_Whose: TypeAlias = tuple[str, str]


@dataclass(frozen=True, slots=True, eq=False)
class Hour:
    """Counts of the rows of an hour, never added to in place."""

    counts: Cells = field(repr=False)
    rows: int
    pairs: int = 0
    #: Whether an alarm was on: what had changed then is part of the baseline.
    alarmed: bool = False


class WeekError(ValueError):
    """Bytes that are no week."""


class Week:
    """The hours since a week before the oldest open window began, by hours since 1970.

    They are of one operation and one reference's cells: with others it begins anew.
    """

    def __init__(self) -> None:
        self._whose: _Whose = ("", "")
        self._hours: dict[int, Hour] = {}

    def __len__(self) -> int:
        """Return the number of hours that have rows."""
        return len(self._hours)

    def copy(self) -> Week:
        """Return one that stays as this one is now; it shares the counts."""
        found = Week()
        found._whose, found._hours = self._whose, dict(self._hours)
        return found

    @property
    def turn(self) -> tuple[_Whose, int]:
        """What changes when an hour is over: the others are complete."""
        return self._whose, max(self._hours, default=0)

    def fold(self, pane: Pane) -> None:
        """Add a closed pane, merged over all processes."""
        whose = pane.layout, pane.operation
        if whose != self._whose:
            self._whose, self._hours = whose, {}
        hour = pane.start_s // SLOT_S
        known = self._hours.get(hour)
        if known is None:
            self._hours[hour] = Hour(pane.counts, pane.rows, pairs(pane.extra))
            return
        rows = known.rows + pane.rows
        counts = narrow(known.counts, rows) + pane.counts
        together = known.pairs + pairs(pane.extra)
        self._hours[hour] = replace(known, counts=counts, rows=rows, pairs=together)

    def forget(self, opened_s: int) -> None:
        """Leave out what no window needs that opens at this time or later."""
        oldest = opened_s // SLOT_S - _WEEK_H
        for hour in [hour for hour in self._hours if hour < oldest]:
            del self._hours[hour]

    def went_back(self, to_s: int) -> None:
        """Leave out what lies in the future of a clock that was set back."""
        for hour in [hour for hour in self._hours if hour * SLOT_S >= to_s]:
            del self._hours[hour]

    def mark(self, since_s: int, until_s: int) -> None:
        """Remember that an alarm was on."""
        for hour in range(since_s // SLOT_S, -(-until_s // SLOT_S)):
            known = self._hours.get(hour)
            if known is not None and not known.alarmed:
                self._hours[hour] = replace(known, alarmed=True)

    def baseline(self, window: ClosedWindow, slots: Sequence[Slot]) -> Baseline:
        """Return what a window is compared with: the same hours of the week before.

        Weighted as the window's own rows are; see ``season.expected``, whose slots are hours here.
        """
        found = list(self._before(window))
        asked = sum(window.hours.values())
        if not found or not asked:
            return Baseline()
        starts = [each.start for each in slots]
        sums = np.array([np.add.reduceat(h.counts, starts, dtype=np.float64) for _, h in found])
        weights = np.array([[float(rows)] for rows, _ in found])
        factors = _factors(weights, sums, asked)
        lengths = [each.stop - each.start for each in slots]
        counts = np.zeros(slots[-1].stop)
        for factor, (_, hour) in zip(factors, found, strict=True):
            counts += np.repeat(factor, lengths) * hour.counts
        alarmed = sum(rows for rows, hour in found if hour.alarmed)
        together = sum(rows * hour.pairs / hour.rows for rows, hour in found)
        return Baseline(counts, alarmed / asked, pairs=together / asked)

    def _before(self, window: ClosedWindow) -> Any:
        """Yield the window's rows in an hour, and the hour a week before, where there is one."""
        left = dict(window.hours)
        for hour in range(window.opened_s // SLOT_S, -(-window.closed_s // SLOT_S)):
            rows = left.pop(str(slot(hour * SLOT_S, HOUR_OF_WEEK)), 0)
            before = self._hours.get(hour - _WEEK_H)
            if rows and before is not None:
                yield rows, before

    # -- what is left to others ------------------------------------------------------------------

    def open_state(self) -> tuple[dict[str, Any], Cells | None]:
        """Return the newest hour, which still grows, and in which hours an alarm was on."""
        newest = max(self._hours, default=None)
        state: dict[str, Any] = {
            "whose": list(self._whose),
            "alarmed": [hour for hour, each in self._hours.items() if each.alarmed],
            "hours": sorted(self._hours),
        }
        if newest is None:
            return state, None
        found = self._hours[newest]
        return {**state, "rows": found.rows, "pairs": found.pairs}, found.counts

    def go_on(self, state: Mapping[str, Any], counts: Cells | None) -> None:
        """Take over the open hour; the complete ones are those of ``restore``.

        Raises
        ------
        KeyError, TypeError, ValueError
            The state is of another format.
        """
        whose = str(state["whose"][0]), str(state["whose"][1])
        alarmed = set(map(int, state["alarmed"]))
        wanted = [int(hour) for hour in state["hours"]]
        kept = self._hours if self._whose == whose else {}
        hours = {
            hour: replace(kept[hour], alarmed=hour in alarmed) for hour in wanted if hour in kept
        }
        if counts is not None:
            newest = max(wanted)
            numbers = int(state["rows"]), int(state["pairs"])
            hours[newest] = Hour(counts, *numbers, newest in alarmed)
        self._whose, self._hours = whose, hours

    def to_bytes(self) -> bytes:
        """Return all hours."""
        hours = sorted(self._hours.items())
        header = {
            "whose": list(self._whose),
            "hours": [[hour, each.rows, each.pairs, each.alarmed] for hour, each in hours],
        }
        return pack(_MAGIC, header, [each.counts for _, each in hours])

    def restore(self, content: bytes, layout: str, size: int) -> None:
        """Go on with the hours that the bytes hold, if they are of this layout.

        Raises
        ------
        WeekError
            The bytes are torn or of another format; nothing has changed.
        """
        try:
            header, arrays = unpack(_MAGIC, content)
            whose = str(header["whose"][0]), str(header["whose"][1])
            hours = {
                int(hour): Hour(counts.copy(), int(rows), int(together), bool(alarmed))
                for (hour, rows, together, alarmed), counts in zip(
                    header["hours"], arrays, strict=True
                )
            }
        except (PackingError, LookupError, TypeError, ValueError) as error:
            raise WeekError(
                "the week before: got bytes of another format; expected this version's. It is "
                "counted anew."
            ) from error
        if whose[0] == layout and all(each.counts.size == size for each in hours.values()):
            self._whose, self._hours = whose, hours


def _factors(weights: Floats, sums: NDArray[np.float64], asked: float) -> Floats:
    """Return by what each hour's counts of each feature are multiplied; 0 for no baseline.

    The sum over hours is worth ``1 / sum(w**2 / m)`` rows: too few of them tell nothing.
    """
    known = weights * (sums > 0)
    covered = known.sum(axis=0)
    w = known / np.where(covered > 0, covered, 1.0)
    m = np.where(sums > 0, sums, 1.0)
    worth = (w * w / m).sum(axis=0)
    size = np.where(worth > 0, 1 / np.where(worth > 0, worth, 1.0), 0.0)
    enough = (covered >= (1 - MOST_UNKNOWN) * asked) & (size >= MINIMUM_ROWS)
    found: Floats = np.where(enough, size, 0.0) * w / m
    return found

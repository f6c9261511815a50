"""What the first rounds over a table find out: what each column holds, and all its values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from tidegauge_drift.columns import BOOLEAN, EMPTY, ODD, TEXT, TIME, UNITS, Part, joined, read
from tidegauge_drift.profile import ProfileError
from tidegauge_drift.sketch import Sketch
from tidegauge_drift.tally import Tally
from tidegauge_drift.times import Clock

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from tidegauge_drift.grid import Floats
    from tidegauge_drift.tables import Rows

# A column of text in which more than this share of the values is distinct names rows.
ROW_ID_SHARE = 0.9
# Fewer rows can be all distinct, or in order, by chance.
ROW_ID_MINIMUM = 20


class Track(Protocol):
    """Wraps the iteration over a table's parts, for a progress bar."""

    def __call__(
        self, items: Iterable[Any], description: str, total: float | None = None
    ) -> Iterable[Any]:
        """Yield the items."""
        ...


class Scan:
    """One column: its kind, and the sketch of its values."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.kind = EMPTY
        self.rows = 0
        self.sketch = Sketch()
        self.tally = Tally()
        self._whole = True
        self._rising = True
        self._last = -np.inf

    @property
    def categorical(self) -> bool:
        """Whether its values are categories."""
        return self.kind in (TEXT, BOOLEAN)

    def first(self, part: Part) -> bool:
        """Take rows in the first round; False if the column must be read anew as text."""
        before, self.kind = self.kind, joined(self.kind, part.kind)
        self.rows += part.values.size
        if self.kind == TEXT and {before, part.kind} - {TEXT, EMPTY}:
            return False
        if self.kind == ODD:
            return True
        if part.kind in UNITS:
            self._ordered(part.values)
        self.again(part)
        return True

    def again(self, part: Part) -> None:
        """Take rows in a further round."""
        if self.kind == ODD:
            return
        if part.kind in UNITS:
            self.sketch.add(part.values[np.isfinite(part.values)])
        else:
            try:
                self.tally.add(part.values.tolist())
            except TypeError:
                self.kind = ODD

    def _ordered(self, values: Floats) -> None:
        if values.size:
            self._whole = self._whole and bool((values == np.rint(values)).all())
            rising = values[0] > self._last and bool((values[1:] > values[:-1]).all())
            self._rising = self._rising and rising
            self._last = float(values[-1])

    def done(self) -> bool:
        """End a round; tell whether all is known."""
        if self.kind == ODD:
            return True
        return self.tally.done() if self.categorical else self.sketch.done()

    @property
    def known(self) -> bool:
        """Whether there is a value that can be counted."""
        if self.kind == TIME and self.tally.present:  # times and texts in one column
            return False
        present = self.tally.present if self.categorical else self.sketch.size
        return self.kind != ODD and present > 0

    def note(self) -> str:
        """Return why the column takes no part in drift, empty if it does."""
        if self.kind in (ODD, TIME):
            return "holds times" if self.kind == TIME else "holds values that are no categories"
        if not self.known:
            return "holds no finite value" if self.kind in UNITS else "holds no value"
        if self.categorical:
            present = self.tally.present
            many = present >= ROW_ID_MINIMUM and self.tally.distinct > ROW_ID_SHARE * present
            return "names rows: more than 90 % of its values are distinct" if many else ""
        rises = self.sketch.size == self.rows and self._whole and self._rising
        if rises and self.rows >= ROW_ID_MINIMUM:
            return "counts the rows: integers that only rise"
        return ""


class Table:
    """The rows of a table, the columns that are wanted of it, and what is known of them.

    ``time`` names the column with the rows' times, which may not go back; empty without one.
    """

    def __init__(self, rows: Rows, wanted: Sequence[str], time: str, track: Track) -> None:
        self.rows = rows
        self.scans = {name: Scan(name) for name in wanted}
        self.clock: Clock | None = None
        self._time = time
        self._track = track
        self._as_text: frozenset[str] = frozenset()
        self._round = 0

    def parts(
        self, columns: Collection[str], *, timed: bool = False
    ) -> Iterator[tuple[dict[str, Part], Floats | None]]:
        """Go through the rows once more; yield columns, and the rows' times if they are wanted."""
        self._round += 1
        if timed:
            self.clock = Clock(self._time, self.rows.source)
        also = (self._time,) if timed else ()
        wanted = [name for name in self.rows.names if name in columns or name in also]
        found = self.rows.parts(wanted, self._as_text)
        task = f"reading {self.rows.source}, round {self._round}"
        for part in self._track(found, task, self.rows.total()):
            columns_read = {
                name: read(part[name], as_text=name in self._as_text) for name in columns
            }
            times = self.clock.read(part[self._time]) if timed and self.clock else None
            yield columns_read, times

    def scan(self) -> None:
        """Go through the rows until all columns are known.

        Raises
        ------
        ProfileError
            The table changes while it is read, or a time is missing or goes back.
        """
        while not self._first():
            pass
        waiting = {name for name, scan in self.scans.items() if not scan.done()}
        while waiting:
            for parts, _ in self.parts(waiting):
                for name, part in parts.items():
                    self.scans[name].again(part)
            try:
                waiting = {name for name in waiting if not self.scans[name].done()}
            except ValueError as error:
                raise self.changed() from error

    def changed(self) -> ProfileError:
        """Return the error for rows that differ from those of the first round."""
        return ProfileError(
            f"{self.rows.source}: got other rows in each round from the table; expected one that "
            "nobody writes to. Build from a copy."
        )

    def _first(self) -> bool:
        self.scans = {name: Scan(name) for name in self.scans}
        mixed: set[str] = set()
        for parts, _ in self.parts(self.scans, timed=bool(self._time)):
            for name, part in parts.items():
                if name not in mixed and not self.scans[name].first(part):
                    mixed.add(name)
        self._as_text |= mixed
        return not mixed

"""The segments of a reference: the most frequent values of one column that somebody has named."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from tidegauge_drift.category import hash64, is_missing, text
from tidegauge_drift.category_cells import CategoryCounter
from tidegauge_drift.columns import ODD
from tidegauge_drift.profile import KNOWN, ProfileError, Segments

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tidegauge_drift.scan import Table
    from tidegauge_drift.tables import Rows

# Segments of a reference at most: each is compared by itself, and more are more tests.
MAXIMUM = 10
# Of fewer rows not even a change of half a standard deviation would be seen.
FEWEST_ROWS = 300


class Sorter:
    """Tells which segment rows are of: its place, or the number of segments for none."""

    def __init__(self, hashes: NDArray[np.uint64]) -> None:
        self._number = hashes.size
        self._counter = CategoryCounter(hashes, np.empty(0, np.uint64))

    def places(self, column: NDArray[Any]) -> NDArray[np.intp]:
        """Return the segments of rows with these values, of whatever type they are."""
        return np.minimum(self._counter.places(column), self._number)


def check(rows: Rows, name: str, *, drop: Sequence[str], time_column: str, season: str) -> None:
    """Raise ProfileError where a column cannot be that of segments, by its name alone."""
    if name in drop or name == time_column:
        got, advice = "which the model does not get", "Name another one."
        if name == time_column:
            got, advice = "the column of the rows' times", "Use --season for hours that differ."
        raise _wrong(name, got, "a column of the model's inputs", advice)
    if season:
        raise _wrong(
            name, "together with a season", "one of the two, as slices are not counted by the hour",
            "Leave out --segment or --season.",
        )  # fmt: skip
    if name not in rows.names:
        known = f"one of the columns: {', '.join(rows.names[:20])}"
        raise _wrong(name, "which the table does not have", known, "Correct the name.")


def declared(table: Table, name: str, position: int, *, hashed: bool) -> Segments:
    """Return the segments of a table whose columns are scanned.

    Those are the ten most frequent values that have 300 rows each, whatever the order of the rows.

    Raises
    ------
    ProfileError
        The column names rows, measures something, or has one value only.
    """
    counts: Counter[int] = Counter()
    texts: dict[int, str] = {}
    expected = f"values that have {FEWEST_ROWS} rows or more each, as of a country or a plan"
    if table.scans[name].kind == ODD:
        raise _wrong(name, "which holds values that are no categories", expected, "Name another.")
    for parts, _ in table.parts([name]):
        for value, times in Counter(parts[name].values.tolist()).items():
            if not is_missing(value):
                shown = text(value)
                code = hash64(shown)
                counts[code] += times
                texts.setdefault(code, shown)
        if len(counts) > KNOWN:
            got = f"which has more than {KNOWN} values and so names rows or measures something"
            raise _wrong(name, got, expected, "Name another column.")
    if len(counts) == 1 and counts.total() == table.scans[name].rows:
        raise _wrong(name, "which has one value in all rows", "two or more", "Name another column.")
    order = sorted(counts, key=lambda code: (-counts[code], code))
    kept = [code for code in order[:MAXIMUM] if counts[code] >= FEWEST_ROWS]
    if not kept:
        most = counts[order[0]] if order else 0
        got = f"of which {most} rows have the most frequent value"
        raise _wrong(name, got, expected, "Name another column, or build from more rows.")
    values = [f"#{code:016x}" if hashed else texts[code] for code in kept]
    return Segments(name, position, tuple(values), np.array(kept, np.uint64))


def _wrong(name: str, got: str, expected: str, advice: str) -> ProfileError:
    return ProfileError(
        f"segment: got {name!r}, {got}, from the argument; expected {expected}. {advice}"
    )

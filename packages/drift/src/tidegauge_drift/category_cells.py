"""The counting engine of categories: a column in, counts on a reference's cells out."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from tidegauge_drift.category import hash64, is_missing, text
from tidegauge_drift.single import other_precision

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

# Short plain values whose cell is remembered a feature: most rows then cost one look-up.
_REMEMBERED = 256
_SHORT = 256
# Kinds of arrays whose values can be sorted.
_PLAIN = "fiubc"

_INF = float("inf")


class CategoryCounter:
    """Counts the categories of one feature, in the order that CategoricalFeature documents."""

    def __init__(self, top: NDArray[np.uint64], known: NDArray[np.uint64]) -> None:
        self._top = {int(code): cell for cell, code in enumerate(top)}
        self._known = known
        self._rest = len(self._top)
        self._cells: dict[Any, int] = {}

    def count(self, column: NDArray[Any]) -> NDArray[np.intp]:
        """Return the counts of a column of anything."""
        counts = np.zeros(self._rest + 4, np.intp)
        for value, times in _distinct(column):
            counts[self._cell(value)] += times
        return counts

    def places(self, column: NDArray[Any]) -> NDArray[np.intp]:
        """Return which of the counts each value of a column is counted in."""
        if column.dtype.kind in _PLAIN:
            values, inverse = np.unique(column, return_inverse=True)
            return np.array(list(map(self._cell, values.tolist())), np.intp)[inverse]
        return np.fromiter(map(self._cell, _listed(column)), np.intp, column.size)

    def _cell(self, value: Any) -> int:
        try:
            found = self._cells.get(value)
        except Exception:  # unhashable, as a list is; or of a class that raises something else
            return self._rest + 3
        if found is None:
            found = self._find(value)
            if isinstance(value, int | float) or (isinstance(value, str) and len(value) <= _SHORT):
                if len(self._cells) >= _REMEMBERED:
                    self._cells.clear()
                self._cells[value] = found
        return found

    def _find(self, value: Any) -> int:
        if is_missing(value):
            return self._rest + 2
        try:
            cell = self._named(text(value))
            if cell >= self._rest and isinstance(value, float) and abs(value) < _INF:
                cell = min(cell, self._named(text(other_precision(value))))
        except Exception:  # a value whose text cannot be had
            return self._rest + 3
        return cell

    def _named(self, category: str) -> int:
        code = hash64(category)
        if code in self._top:
            return self._top[code]
        if self._known.size == 0:
            return self._rest
        place = int(np.searchsorted(self._known, np.uint64(code)))
        seen = place < self._known.size and int(self._known[place]) == code
        return self._rest if seen else self._rest + 1


def _distinct(column: NDArray[Any]) -> Iterable[tuple[Any, int]]:
    if column.dtype.kind in _PLAIN:
        values, times = np.unique(column, return_counts=True)
        return zip(values.tolist(), times.tolist(), strict=True)
    listed = _listed(column)
    try:
        return Counter(listed).items()
    except Exception:  # as in a cell
        return ((value, 1) for value in listed)


def _listed(column: NDArray[Any]) -> list[Any]:
    return column.tolist() if column.dtype.kind != "M" else [str(value) for value in column]

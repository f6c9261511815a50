"""The counting engine of numbers: rows in, counts on a reference's cells out."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Self

import numpy as np

from tidegauge_drift.cell_sums import Misplaced, SumCounter
from tidegauge_drift.grid import GRID, Edges, Floats

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

# Values a step: 256 rows of 100 features go in one, and the temporaries (200 KiB each) stay in
# a second-level cache of 512 KiB.
_STEP = 32_768
# So many values at least are computed in one go: numpy spends 10 ns on going to the next row.
_WIDTH = 512

# What a counter has of each feature, or of each of some.
_BY_FEATURE = (
    "_minimum", "_maximum", "_shift", "_scale", "_low", "_per", "_row", "_first", "_last",
    "_edge_shift",
)  # fmt: skip

_INF = float("inf")


class NumericCounter:
    """Counts all numeric features of a matrix at once.

    Feature ``j`` fills ``counts[offsets[j]:]`` in the order that NumericFeature documents. No loop
    runs over features: the grid cell of every value is computed, a table gives the feature's cell,
    one bincount counts them; columns with values out of range or not finite are corrected after.
    ``sums`` adds up the values beside.
    """

    def __init__(
        self,
        edges: Sequence[Edges],
        minima: Sequence[float],
        maxima: Sequence[float],
        offsets: Sequence[int],
        size: int,
        *,
        sums: SumCounter | None = None,
    ) -> None:
        self._sums = sums
        given = [*zip(edges, minima, maxima, strict=True)]
        ends = [each.ends(low, high) for each, low, high in given]
        edges = [each.told(low, high) for each, low, high in given]
        grids = [e.grid for e in edges]
        self._size = size
        self._minimum, self._maximum = np.array(ends, np.float64).reshape(-1, 2).T.copy()
        self._shift = np.array([g.shift for g in grids])
        self._scale = np.array([g.scale for g in grids])
        self._asinh = np.flatnonzero([g.per > 0 for g in grids])
        self._low = np.array([grids[j].low for j in self._asinh])
        self._per = np.array([grids[j].per for j in self._asinh])
        self._table = np.concatenate([e.table() for e in edges])
        self._row = np.arange(len(grids)) * GRID
        self._first = np.array(offsets, np.intp) + 2
        self._last = self._first + [e.values.size for e in edges]
        self._exact = np.flatnonzero([e.ticks is None for e in edges])
        self._steps = max((e.steps() for e in edges), default=0)
        self._fill_exact([edges[int(j)].values for j in self._exact])

    def _fill_exact(self, edges: list[Floats]) -> None:
        # NaN ends each feature's edges: nothing compares as above it, +inf neither.
        room = np.full(1 << self._steps, np.nan)
        starts = np.cumsum([0, *(e.size + room.size for e in edges)])[:-1]
        self._edges = np.concatenate([np.concatenate((e, room)) for e in edges] or [room])
        self._edge_shift = starts.astype(np.intp) - self._first[self._exact]

    def count(self, matrix: Floats) -> NDArray[np.intp]:
        """Return the counts of rows (rows, features)."""
        return self.count_and_sum(matrix)[0]

    def count_and_sum(self, matrix: Floats) -> tuple[NDArray[np.intp], NDArray[np.int64] | None]:
        """Return the counts of rows (rows, features), and the sums of values if there are any."""
        rows, features = matrix.shape
        times = _WIDTH // max(1, features)
        if times > 1 and matrix.size >= _STEP and matrix.flags.c_contiguous:
            whole = rows - rows % times
            wide = copy(self).repeat(times)
            counts, sums = wide.in_steps(matrix[:whole].reshape(-1, times * features))
            more, further = self.in_steps(matrix[whole:])
            both = None if sums is None or further is None else sums + further
            return counts + more, both
        return self.in_steps(matrix)

    def repeat(self, times: int) -> Self:
        """Take rows that are so many of those before, one after the other, from now on."""
        starts = np.arange(times)[:, None] * self._row.size
        for name in _BY_FEATURE:
            setattr(self, name, np.tile(getattr(self, name), times))
        self._asinh, self._exact = ((starts + a).ravel() for a in (self._asinh, self._exact))
        if self._sums is not None:
            self._sums = copy(self._sums).repeat(times)
        return self

    def in_steps(self, matrix: Floats) -> tuple[NDArray[np.intp], NDArray[np.int64] | None]:
        """Count rows as wide as they are, a cacheful at a time."""
        sums = np.zeros(0 if self._sums is None else self._sums.size, np.int64)
        counts = np.zeros(self._size, np.intp)
        rows, features = matrix.shape
        step = max(1, max(_STEP, self._size) // features)
        shape = (min(step, rows), features)
        scratch, tick = np.empty(shape), np.empty(shape, np.int32)
        index = np.empty(shape, np.intp)
        with np.errstate(all="ignore"):
            for start in range(0, rows, step):
                x = matrix[start : start + step]
                n = len(x)
                cell = self._cells(x, scratch[:n], tick[:n], index[:n])
                counts += np.bincount(cell.ravel(), minlength=self._size)
                misplaced = self._correct(x, counts)
                if self._sums is not None:
                    sums += self._sums.add(x, cell, misplaced, scratch[:n])
        return counts, None if self._sums is None else sums

    def _cells(
        self, x: Floats, t: Floats, tick: NDArray[np.int32], index: NDArray[np.intp]
    ) -> NDArray[np.intp]:
        np.subtract(x, self._shift, out=t)
        np.multiply(t, self._scale, out=t)
        if self._asinh.size == len(self._row):
            np.arcsinh(t, out=t)
            np.subtract(t, self._low, out=t)
            np.multiply(t, self._per, out=t)
        elif self._asinh.size:
            t[:, self._asinh] = (np.arcsinh(t[:, self._asinh]) - self._low) * self._per
        np.clip(t, 0, GRID - 1, out=t)
        np.copyto(tick, t, casting="unsafe")
        # NaN, which is the least integer or 0, becomes 0: it is moved out of the first cell later.
        np.maximum(tick, 0, out=tick)
        np.add(tick, self._row, out=index)
        np.add(self._table.take(index), self._first, out=index, dtype=np.intp)
        if self._exact.size:
            index[:, self._exact] = self._compare(x[:, self._exact], index[:, self._exact])
        return index

    def _compare(self, x: Floats, cell: NDArray[np.intp]) -> NDArray[np.intp]:
        """Move values past the edges that share their grid cell, by halving."""
        place = cell + self._edge_shift
        probe, edge = np.empty_like(place), np.empty(place.shape)
        passed = np.empty(place.shape, np.bool_)
        for step in range(self._steps - 1, -1, -1):
            np.add(place, (1 << step) - 1, out=probe)
            np.take(self._edges, probe, out=edge, mode="clip")  # never out of range: unbuffered
            np.less_equal(edge, x, out=passed)
            np.multiply(passed, 1 << step, out=probe)
            place += probe
        place -= self._edge_shift
        return place

    def places(self, matrix: Floats) -> NDArray[np.intp]:
        """Return which of the counts each value of rows (rows, features) is counted in."""
        shape = matrix.shape
        with np.errstate(all="ignore"):
            cell = self._cells(
                matrix, np.empty(shape), np.empty(shape, np.int32), np.empty(shape, np.intp)
            )
            found = self._misplaced(matrix)
        if found is not None:
            row, column, own = found[0]
            cell[row, column] = own
        return cell

    def _correct(self, x: Floats, counts: NDArray[np.intp]) -> Misplaced | None:
        """Move values out of range, infinite or missing from the outermost cells to their own."""
        found = self._misplaced(x)
        if found is None:
            return None
        misplaced, taken = found
        np.subtract.at(counts, taken, 1)
        np.add.at(counts, misplaced.own, 1)
        return misplaced

    def _misplaced(self, x: Floats) -> tuple[Misplaced, NDArray[np.intp]] | None:
        """Return such values if there are any, and the cells that they were taken for."""
        inside = np.greater_equal(x, self._minimum)
        inside &= np.less_equal(x, self._maximum)
        if inside.all():
            return None
        row, column = np.divmod(np.flatnonzero(~inside), x.shape[1])  # half of what nonzero takes
        values = x[row, column]
        first, last = self._first[column], self._last[column]
        above = values > self._maximum[column]
        own = np.where(above, last + 1 + (values == _INF), first - 1 - (values == -_INF))
        own = np.where(np.isnan(values), last + 3, own)
        return Misplaced(row, column, own), np.where(above, last, first)

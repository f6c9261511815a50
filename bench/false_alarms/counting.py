"""Counts of windows on a reference's cells, without a value for each row.

The product's own counter is asked once where each place of a column falls. After that independent
rows are multinomial counts, and dependent ones a look-up and a bincount.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from population import MASS, PLACES, Column, Series, missing
from tidegauge.batch import Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from tidegauge_drift.layout import Block, Layout

# Rows of dependent series that are drawn at once.
_CHUNK_ROWS = 1_000_000


class Counting:
    """Draws the counts of consecutive windows of one model.

    Parameters
    ----------
    layout : Layout
        Of the model's reference, which was built from ``inputs`` and ``outputs``.
    """

    def __init__(self, layout: Layout, inputs: Sequence[Column], outputs: Sequence[Column]) -> None:
        self._layout = layout
        self._columns = [*inputs, *outputs]
        #: The cell of each place of each column; the last place is a missing value.
        self.cells = [*_cells(layout.inputs, inputs), *_cells(layout.outputs, outputs)]

    def windows(
        self, rng: np.random.Generator, rho: float, rows: int, number: int
    ) -> NDArray[np.int64]:
        """Return the counts of so many windows, one after the other, shape (number, size)."""
        if rho == 0:
            return self._independent(rng, rows, number)
        step = max(1, _CHUNK_ROWS // rows)
        series = Series(rng, len(self._columns), rho)
        parts = [
            self.count(rng, series.next(rows * some), rows)
            for some in (min(step, number - i) for i in range(0, number, step))
        ]
        return np.concatenate(parts)

    def _independent(self, rng: np.random.Generator, rows: int, number: int) -> NDArray[np.int64]:
        found = []
        for column, cells in zip(self._columns, self.cells, strict=True):
            chance = np.bincount(cells[:-1], MASS, self._size(len(found))) * (1 - column.missing)
            chance[-2] += column.missing
            found.append(rng.multinomial(rows, chance / chance.sum(), number))
        return np.concatenate(found, axis=1)

    def count(
        self, rng: np.random.Generator, places: NDArray[np.int32], rows: int
    ) -> NDArray[np.int64]:
        """Return the counts of each ``rows`` rows."""
        number = places.shape[1] // rows
        found = []
        for column, cells, place in zip(self._columns, self.cells, places, strict=True):
            place[missing(rng, column, place.size)] = PLACES
            cell = cells.take(place, mode="clip").reshape(number, rows)
            size = self._size(len(found))
            cell += np.arange(number, dtype=cell.dtype)[:, None] * size
            counts = np.bincount(cell.ravel(), minlength=number * size)
            found.append(counts.reshape(number, size))
        return np.concatenate(found, axis=1)

    def _size(self, i: int) -> int:
        slot = self._layout.slots[i]
        return slot.stop - slot.start


def _cells(block: Block, columns: Sequence[Column]) -> Iterator[NDArray[np.int32]]:
    order = tuple(range(len(columns)))
    values = np.stack([column.numbers for column in columns], axis=1)
    counted = block.count(Table(PLACES, None, matrix=values), order)
    codes = int(max((c.numbers.max() for c in columns if c.categorical), default=-1)) + 1
    alike = [
        block.count(Table(1, None, matrix=np.full((1, len(columns)), float(code))), order)
        for code in range(codes)
    ]
    for column, slot in zip(columns, block.slots, strict=True):
        part = slice(slot.start - block.start, slot.stop - block.start)
        size = slot.stop - slot.start
        if column.categorical:
            cell = np.array([int(np.flatnonzero(counts[part])[0]) for counts in alike])
            found = cell[column.numbers.astype(np.int64)]
        else:  # cells are in the order of values, and so are places
            found = np.repeat(np.arange(size), counted[part])
        yield np.append(found, size - 2).astype(np.int32)

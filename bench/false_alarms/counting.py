"""Counts of windows on a reference's cells, without a value for each row.

The product's own counter is asked once where each place of a column falls. After that independent
rows are multinomial counts, and dependent ones a look-up and a bincount. Rows are counted in short
blocks: windows of every length are sums of those.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from population import MASS, PLACES, STEPS, Column, Series
from tidegauge.batch import Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from tidegauge_drift.block import Block
    from tidegauge_drift.layout import Layout

    Counts = NDArray[np.uint16]

# Rows of one dependent series that are drawn at once: they stay in the processor's cache.
_CHUNK_ROWS = 50_000


class Counting:
    """Where the rows of one population fall among the cells of one reference.

    Parameters
    ----------
    layout : Layout
        Of the model's reference, which was built from ``inputs`` and ``outputs``.
    """

    def __init__(self, layout: Layout, inputs: Sequence[Column], outputs: Sequence[Column]) -> None:
        self.columns = (*inputs, *outputs)
        self.starts = [slot.start for slot in layout.slots]
        self.sizes = [slot.stop - slot.start for slot in layout.slots]
        #: The cell of each place of each column; the last place is a missing value.
        self.cells = [*_cells(layout.inputs, inputs), *_cells(layout.outputs, outputs)]

    def independent(
        self, rng: np.random.Generator, rows: int, number: int, shift: float = 0.0
    ) -> Counts:
        """Return the counts of so many blocks of independent rows, shape (number, size).

        The first column's values are those of places ``shift`` standard deviations further.
        """
        found = []
        for i, (column, cells) in enumerate(zip(self.columns, self.cells, strict=True)):
            at = np.arange(PLACES) + round(shift * STEPS * (i == 0))
            chance = np.bincount(cells[at.clip(0, PLACES - 1)], MASS, self.sizes[i])
            chance *= 1 - column.missing
            chance[-2] += column.missing
            found.append(rng.multinomial(rows, chance / chance.sum(), number).astype(np.uint16))
        return np.concatenate(found, axis=1)


class Dependent:
    """Rows that go on where the last ones ended: each column is an AR(1) series of its own."""

    def __init__(self, rng: np.random.Generator, rho: float, columns: Sequence[Column]) -> None:
        self._rng = rng
        self._columns = columns
        self._series = [Series(rng, rho) for _ in columns]

    def next(
        self, on: Sequence[Counting], rows: int, number: int, shift: float = 0.0
    ) -> list[Counts]:
        """Return the counts of the next blocks, on the cells of each reference.

        The first column's values are those of places ``shift`` standard deviations further.
        """
        found = [np.empty((number, sum(each.sizes)), np.uint16) for each in on]
        step = max(1, _CHUNK_ROWS // max(1, rows))
        for i, (column, series) in enumerate(zip(self._columns, self._series, strict=True)):
            for start in range(0, number, step):
                stop = min(start + step, number)
                places = series.next(rows * (stop - start))
                if shift and i == 0:
                    places += round(shift * STEPS)
                    np.clip(places, 0, PLACES - 1, out=places)
                places[column.gaps(self._rng, places.size)] = PLACES
                for each, counts in zip(on, found, strict=True):
                    part = slice(each.starts[i], each.starts[i] + each.sizes[i])
                    counts[start:stop, part] = _counted(
                        each.cells[i], places, stop - start, each.sizes[i]
                    )
        return found


def _counted(
    cells: NDArray[np.intp], places: NDArray[np.int32], blocks: int, size: int
) -> NDArray[np.intp]:
    cell = cells.take(places).reshape(blocks, -1)
    cell += np.arange(0, blocks * size, size)[:, None]
    return np.bincount(cell.ravel(), minlength=blocks * size).reshape(blocks, size)


def summed(blocks: Counts, many: int, start: int, stop: int) -> NDArray[np.int64]:
    """Return the counts of the windows from ``start`` to ``stop``, each of so many blocks."""
    part = blocks[start * many : stop * many]
    return part.reshape(-1, many, blocks.shape[1]).sum(axis=1, dtype=np.int64)


def _cells(block: Block, columns: Sequence[Column]) -> Iterator[NDArray[np.intp]]:
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
        yield np.append(found, size - 2).astype(np.intp)

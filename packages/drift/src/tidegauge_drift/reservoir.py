"""A model's live rows for a reference, in bounded memory: blocks of rows, spread over all of them.

Blocks and not single rows: how much rows depend on each other can only be measured on rows that
follow each other. Thinned one by one, rows of one minute would pass for independent ones.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from tidegauge_drift.dependence import FEWEST_BLOCKS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from numpy.typing import NDArray
    from tidegauge.batch import Batch, Table

    from tidegauge_drift.grid import Floats

#: Rows of a block where memory is not short. Dependence over more rows than this is not seen.
BLOCK_ROWS = 500
# Blocks are not made shorter than this.
_SHORTEST = 25
#: With a longer gap than this a new interval of service begins.
GAP_S = 3600.0
# A clock that went back further was set; less is calls that ended out of order.
_BACKWARDS_S = 60.0
_MAXIMUM_INTERVALS = 100
# The name of the column of times: none that a model has.
TIME = "\0time"
# Rows of which the size of objects is looked at.
_LOOKED_AT = 8
# Rows that came one by one are put together when there are so many.
_MANY = 32
# Rows that are handed to the builder at once.
_PART_ROWS = 4096


@dataclass(frozen=True, slots=True)
class Shape:
    """What rows must have in common to stand in one table."""

    operation: str
    names: tuple[str, ...] | None
    width: int
    outputs: tuple[str, ...]

    @classmethod
    def of(cls, batch: Batch, features: Table) -> Shape:
        """Return the shape of a batch."""
        out = batch.outputs
        width = 0 if out is None else _width(out)
        unnamed = ("output",) if width == 1 else tuple(f"output{j}" for j in range(width))
        outputs = unnamed if out is None or out.names is None else tuple(out.names)
        return cls(batch.operation, features.names, _width(features), outputs)


@dataclass(frozen=True, slots=True, eq=False)
class _Columns:
    """Rows of a table: a matrix where all are numbers, else an array a column."""

    matrix: Floats | None
    arrays: tuple[NDArray[Any], ...] = ()

    @classmethod
    def of(cls, table: Table | None, which: slice) -> _Columns:
        """Copy some rows: the table may be large, and used again."""
        if table is None:
            return cls(None)
        if table.matrix is not None:
            return cls(table.matrix[which].copy())
        return cls(None, tuple(np.array(np.asarray(each)[which]) for each in table.columns or ()))

    def head(self, rows: int) -> _Columns:
        """Copy the first rows."""
        if self.matrix is not None:
            return _Columns(self.matrix[:rows].copy())
        return _Columns(None, tuple(array[:rows].copy() for array in self.arrays))

    def column(self, place: int) -> NDArray[Any]:
        """Return one column."""
        return self.arrays[place] if self.matrix is None else self.matrix[:, place]

    @staticmethod
    def joined(parts: Sequence[_Columns]) -> _Columns:
        """Return rows one after the other; all of one kind."""
        if parts[0].matrix is not None:
            return _Columns(
                np.concatenate([part.matrix for part in parts if part.matrix is not None])
            )
        arrays = zip(*(part.arrays for part in parts), strict=True)
        return _Columns(None, tuple(np.concatenate(each) for each in arrays))


@dataclass(frozen=True, slots=True, eq=False)
class _Chunk:
    times: Floats
    features: _Columns
    outputs: _Columns

    def head(self, rows: int) -> _Chunk:
        return _Chunk(self.times[:rows].copy(), self.features.head(rows), self.outputs.head(rows))

    @property
    def kind(self) -> tuple[bool, bool]:
        return self.features.matrix is None, self.outputs.matrix is None


@dataclass(slots=True, eq=False)
class _Block:
    start: int
    rows: int = 0
    chunks: list[_Chunk] = field(default_factory=list)

    def cut(self, rows: int) -> None:
        """Keep only the first rows."""
        kept: list[_Chunk] = []
        self.rows = 0
        for chunk in self.chunks:
            some = min(rows - self.rows, chunk.times.size)
            if some > 0:
                kept.append(chunk if some == chunk.times.size else chunk.head(some))
                self.rows += some
        self.chunks = kept

    def join(self) -> None:
        """Put what came row by row together: small arrays take more memory than their rows."""
        self.chunks = [
            _Chunk(
                np.concatenate([chunk.times for chunk in group]),
                _Columns.joined([chunk.features for chunk in group]),
                _Columns.joined([chunk.outputs for chunk in group]),
            )
            for group in (list(found) for _, found in groupby(self.chunks, lambda c: c.kind))
        ]


class Reservoir:
    """The first rows of every so many, of all rows that come; all methods under one lock.

    A block begins at each multiple of ``period`` rows and has ``length`` of them. Where they get
    too many every second block is given up, or, with few blocks, the second half of each.
    """

    def __init__(self, shape: Shape, row_bytes: int) -> None:
        self.shape = shape
        #: What a kept row takes, on the mean of those that came.
        self.row_bytes = row_bytes
        self._weighed = (0, 0)
        self.period = self.length = BLOCK_ROWS
        self.seen = 0
        #: Rows before those of a call were thinned.
        self.served = 0
        self.kept = 0
        self.skipped = 0
        self.intervals: list[list[float]] = []
        self._blocks: list[_Block] = []
        self._last_s = -np.inf

    def add(self, batch: Batch, features: Table, capacity: int) -> None:
        """Take the rows that fall into a block."""
        times = np.asarray(batch.end_times, np.float64)
        if not times.size or not np.isfinite(times).all():
            return
        self._note(times)
        # Of a clock that was set back only the order counts.
        times = np.maximum.accumulate(np.maximum(times, self._last_s))
        self._last_s = float(times[-1])
        at = 0
        while at < times.size:
            offset = self.seen % self.period
            inside = offset < self.length
            rows = min((self.length if inside else self.period) - offset, times.size - at)
            if inside:
                self._take(self.seen - offset, times, features, batch.outputs, slice(at, at + rows))
            self.seen += rows
            at += rows
        self.served += times.size * batch.stride
        self.fit(capacity)

    def weigh(self, features: Table, outputs: Table | None) -> None:
        """Learn what rows take now: texts may be longer than those at the beginning."""
        rows, size = self._weighed
        rows, size = rows + features.rows, size + row_bytes(features, outputs) * features.rows
        self._weighed, self.row_bytes = (rows, size), max(1, size // rows)

    def _note(self, times: Floats) -> None:
        first, last = float(times[0]), float(times[-1])
        now = self.intervals[-1] if self.intervals else None
        if now is None or not -_BACKWARDS_S <= first - now[1] <= GAP_S:
            self.intervals.append([first, last])
            del self.intervals[:-_MAXIMUM_INTERVALS]
        else:
            now[1] = max(now[1], last)

    def _take(
        self, start: int, times: Floats, features: Table, outputs: Table | None, which: slice
    ) -> None:
        if not self._blocks or self._blocks[-1].start != start:
            if self._blocks:
                self._blocks[-1].join()
            self._blocks.append(_Block(start))
        block = self._blocks[-1]
        chunk = _Chunk(
            times[which].copy(), _Columns.of(features, which), _Columns.of(outputs, which)
        )
        block.chunks.append(chunk)
        if len(block.chunks) > _MANY:
            block.join()
        block.rows += times[which].size
        self.kept += times[which].size

    def fit(self, capacity: int) -> None:
        """Give up rows until there are no more than these."""
        while self.kept > capacity and len(self._blocks) > 1:
            if len(self._blocks) < 2 * FEWEST_BLOCKS and self.length > _SHORTEST:
                self.length //= 2
                for block in self._blocks:
                    block.cut(self.length)
            else:
                self._thin()
            self._count()

    def thin_to(self, share: float) -> None:
        """Keep no more than twice this share of the rows: that is how others are kept."""
        while self.kept > 2 * share * self.seen and len(self._blocks) > 1:
            self._thin()
            self._count()

    def _thin(self) -> None:
        self.period *= 2
        self._blocks = [block for block in self._blocks if block.start % self.period == 0]

    def _count(self) -> None:
        self.kept = sum(block.rows for block in self._blocks)

    def rows(self) -> LiveRows:
        """Return the rows as they are now; what comes later is not among them."""
        return LiveRows(self.shape, [chunk for block in self._blocks for chunk in block.chunks])


class LiveRows:
    """A table of kept rows; ``outputs`` is the table of what the model gave for them."""

    source = "live rows"

    def __init__(self, shape: Shape, chunks: list[_Chunk], *, given: bool = False) -> None:
        self._shape = shape
        self._chunks = chunks
        self._given = given
        self.named = given or shape.names is not None
        inputs = shape.names or tuple(f"x{j}" for j in range(shape.width))
        self.names = (*(shape.outputs if given else inputs), TIME)
        self.kept = sum(chunk.times.size for chunk in chunks)

    @property
    def outputs(self) -> LiveRows | None:
        """The same rows' outputs, None where they are not known."""
        return LiveRows(self._shape, self._chunks, given=True) if self._shape.outputs else None

    def parts(
        self,
        wanted: Sequence[str],
        as_text: Collection[str],  # noqa: ARG002 - values in memory are what they are
    ) -> Iterator[dict[str, Any]]:
        """Yield the wanted columns of some rows after others, in the order of time."""
        places = {name: j for j, name in enumerate(self.names)}
        for chunks in self._grouped():
            yield {name: np.concatenate([self._column(c, places[name]) for c in chunks])
                   for name in wanted}  # fmt: skip

    def _grouped(self) -> Iterator[list[_Chunk]]:
        group: list[_Chunk] = []
        rows = 0
        for chunk in self._chunks:
            group.append(chunk)
            rows += chunk.times.size
            if rows >= _PART_ROWS:
                yield group
                group, rows = [], 0
        if group:
            yield group

    def _column(self, chunk: _Chunk, place: int) -> NDArray[Any]:
        if place == len(self.names) - 1:
            return chunk.times
        return (chunk.outputs if self._given else chunk.features).column(place)

    def total(self) -> int | None:
        """Return about how many parts there are."""
        return None


def row_bytes(features: Table, outputs: Table | None) -> int:
    """Estimate the memory that one kept row takes, on the mean, from a few rows of a batch."""
    found = 8
    for table in (features, outputs):
        if table is not None and table.matrix is not None:
            found += 8 * table.matrix.shape[1]
        for column in () if table is None else table.columns or ():
            found += _value_bytes(np.asarray(column))
    return found


def _value_bytes(column: NDArray[Any]) -> int:
    if column.dtype != object:
        return int(column.itemsize)
    looked = column[:: -(-column.size // _LOOKED_AT) or 1].tolist()
    return 8 + sum(map(sys.getsizeof, looked)) // max(1, len(looked))


def _width(table: Table) -> int:
    return table.matrix.shape[1] if table.matrix is not None else len(table.columns or ())

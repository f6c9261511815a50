"""Rows that wait to be profiled: bounded in memory, and sampled where there are too many."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import randrange
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from tidegauge.batch import Batch, Table

Chosen: TypeAlias = slice | NDArray[np.intp]

# The clock was set back.
_BACK_S = 60
# Of a text or another object, beside its place in an array.
_OBJECT_BYTES = 64


@dataclass(frozen=True, slots=True)
class Taken:
    """Rows that were chosen, and of how many."""

    batch: Batch
    rows_offered: int
    size_bytes: int


class Backlog:
    """Takes batches from one thread and gives them to another.

    Parameters
    ----------
    max_bytes : int
        Of waiting rows; beyond it the oldest go.
    max_rows_per_s : int
        Of more a sample is kept. How many came in one second decides on the next one.
    lost : callable
        Gets how many rows had to go.
    """

    def __init__(self, max_bytes: int, max_rows_per_s: int, lost: Callable[[int], None]) -> None:
        self._max_bytes = max_bytes
        self._max_rows_per_s = max_rows_per_s
        self._lost = lost
        self._lock = threading.Lock()
        self._waiting: deque[Taken] = deque()
        self._second = 0
        self._rows = 0
        self._stride = 1
        self.size_bytes = 0

    def append(self, batch: Batch) -> None:
        """Take rows, or a sample of them."""
        rows = batch.end_times.size
        if not rows:
            return
        stride = self._thinning(int(batch.end_times[-1]), rows)
        kept = batch if stride == 1 else select(batch, slice(randrange(stride), None, stride))
        taken = Taken(kept, rows, _size(kept))
        gone = 0
        with self._lock:
            self._waiting.append(taken)
            self.size_bytes += taken.size_bytes
            while self.size_bytes > self._max_bytes:
                oldest = self._waiting.popleft()
                self.size_bytes -= oldest.size_bytes
                gone += oldest.batch.end_times.size
        if gone:
            self._lost(gone)

    def _thinning(self, second: int, rows: int) -> int:
        # Batches of several models may be of the second before.
        if second > self._second or second < self._second - _BACK_S:
            # The rate of the last second; after a pause there is none.
            last = self._rows if second == self._second + 1 else 0
            self._stride = max(1, -(-last // self._max_rows_per_s))
            self._second, self._rows = second, 0
        self._rows += rows
        return self._stride

    def pop_all(self) -> list[Taken]:
        """Give away all that waits, in its order."""
        with self._lock:
            found = list(self._waiting)
            self._waiting.clear()
            self.size_bytes = 0
        return found

    def __len__(self) -> int:
        return len(self._waiting)


def _size(batch: Batch) -> int:
    return batch.end_times.nbytes + sum(map(_table_size, (batch.features, batch.outputs)))


def _table_size(table: Table | None) -> int:
    if table is None:
        return 0
    if table.matrix is not None:
        return table.matrix.nbytes
    return sum(map(_column_size, table.columns or ()))


def _column_size(column: NDArray[Any]) -> int:
    if column.dtype != object:
        return column.nbytes
    texts = sum(len(value) for value in column.tolist() if isinstance(value, str | bytes))
    return column.nbytes + _OBJECT_BYTES * column.size + texts


def select(batch: Batch, rows: Chosen) -> Batch:
    """Return some rows of a batch."""
    return replace(
        batch,
        end_times=batch.end_times[rows],
        features=_rows(batch.features, rows),
        outputs=_rows(batch.outputs, rows),
        calls=None,
    )


def _rows(table: Table | None, rows: Chosen) -> Table | None:
    if table is None:
        return None
    if table.matrix is not None:
        matrix = table.matrix[rows].copy()  # lets go of the rest
        return replace(table, rows=len(matrix), matrix=matrix)
    columns = tuple(column[rows] for column in table.columns or ())
    return replace(table, rows=len(columns[0]) if columns else 0, columns=columns)

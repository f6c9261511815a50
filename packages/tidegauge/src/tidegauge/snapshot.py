"""The caller's side of a row: select rows, then copy them, and nothing else.

A snapshot is a tuple whose first element says what follows. Two forms are so common that they go
without it: ``bytes`` are one row of float64, a ``list`` is one row of outputs. ``columns.py`` turns
snapshots into a table on the background thread. Rows are selected before they are copied, so that
the cost of a call is bounded whatever its size.

A cell that is itself a mutable object (a list in a column of lists) is not copied: to look for such
cells would cost more than all the rest. It is read as it is when the row is drained.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import randrange
from typing import Any, TypeAlias

import numpy as np

#: A copy of the sampled rows; None where the input cannot be read.
Snapshot: TypeAlias = tuple[Any, ...] | bytes | list[Any] | None

#: The snapshot of a call none of whose rows was chosen.
THINNED: Snapshot = ("thinned",)

#: Rows that one call may add: a batch job of a million rows costs its caller 256 copies.
MAX_ROWS = 256

# One value, however long: its characters are neither rows nor features.
_TEXTS = (str, bytes, bytearray)
_SEQUENCES = frozenset({list, tuple, np.ndarray})
_NO_VALUES = frozenset({*_TEXTS, *_SEQUENCES, dict})

#: Wider inputs (images, bags of words) are counted, not read.
MAX_COLUMNS = 4096


@dataclass(frozen=True, slots=True)
class Lazy:
    """Rows that a library keeps in a form of its own, read only where some of them are chosen.

    ``read(start, step)`` returns the rows ``start, start + step, ...`` as an array, a frame or a
    list of rows that nobody else will change. It runs on the caller's thread and is asked for 256
    rows at most, so it must choose before it copies.
    """

    rows: int
    read: Callable[[int, int], Any]

    def __len__(self) -> int:
        return self.rows


@dataclass(frozen=True, slots=True)
class Taken:
    """Rows ``start, start + step, ...`` that were chosen and copied before the call.

    For a library whose own form of a table does not hold what it was made of.
    """

    rows: int
    start: int
    step: int
    snapshot: Snapshot

    @classmethod
    def of(cls, data: Any) -> Taken:
        """Choose and copy rows of an input that a later call will be about."""
        rows = row_count(data)
        start, step = choose(rows, 1)
        return cls(rows, start, step, take(data, start, step) if rows else None)

    def __len__(self) -> int:
        return self.rows


def row_count(data: Any) -> int:
    """Return how many rows an input or output has; 1 where it has no length."""
    kind = type(data)
    if kind is dict or kind in _TEXTS:
        return 1
    try:
        return len(data)
    except TypeError:  # a scalar, or a sparse matrix
        shape = getattr(data, "shape", ())
        return int(shape[0]) if shape else 1


def choose(rows: int, stride: int) -> tuple[int, int]:
    """Choose ``(start, step)`` so that about one row in ``stride`` and at most 256 are taken.

    The start is random over the whole step, so every row has the same chance, whatever the size of
    its call. A start beyond the last row takes none: that is how single rows are thinned. Stride 0
    takes none at all.
    """
    if not stride:
        return rows, 1
    step = stride if rows <= MAX_ROWS else max(stride, -(-rows // MAX_ROWS))
    return (randrange(step) if step > 1 else 0), step


def take(data: Any, start: int, step: int) -> Snapshot:
    """Copy the rows ``start, start + step, ...`` of any input that is known."""
    kind = type(data)
    reader = _READERS.get(kind)
    if reader is None:
        # Types are few and live as long as their library; the dict is looked up by identity.
        reader = _READERS[kind] = _reader(data, kind)
    return reader(data, start, step)


def _reader(data: object, kind: type) -> Callable[[Any, int, int], Snapshot]:
    library = _LIBRARIES.get(kind.__module__.partition(".")[0])
    if library is not None:
        return library
    if hasattr(data, "__dask_graph__"):  # to look at it would run its graph
        return _unknown
    if isinstance(data, np.ndarray) or (hasattr(data, "__array__") and hasattr(data, "shape")):
        return _array_like
    return _unknown


def _unknown(*_: object) -> Snapshot:
    return None


def _array_like(data: Any, start: int, step: int) -> Snapshot:
    rows = np.asarray(data) if isinstance(data, np.ndarray) else data
    # Chosen first: of an array in a file or on a device only what is asked for is read.
    return _array(np.asarray(rows[start::step] if step > 1 else rows))


def _ndarray(data: Any, start: int, step: int) -> Snapshot:
    return _array(data[start::step] if step > 1 else data)


def _array(rows: Any) -> Snapshot:
    if rows.dtype.names is not None:  # a structured array: its fields are the columns
        return ("rows", rows.tolist(), rows.dtype.names) if rows.ndim == 1 else None
    if rows.ndim == 1:
        rows = rows[:, None]
    if rows.ndim != 2 or rows.shape[1] > MAX_COLUMNS:  # noqa: PLR2004 - two dimensions: a table
        return None
    if rows.dtype.hasobject:
        return ("rows", rows.tolist(), None)
    return ("array", rows.tobytes(), rows.dtype, rows.shape, None)


def _rows(  # noqa: PLR0911 - one return a kind of row
    rows: Any, start: int, step: int
) -> Snapshot:
    if step > 1:
        rows = rows[start::step]
    if not rows:
        return ("rows", [], None)
    first = rows[0]
    kind = type(first)
    if len(rows) == 1 and (kind is list or kind is tuple) and len(first) <= MAX_COLUMNS:
        return ("rows", [tuple(first)], None)  # the common case
    kinds = set(map(type, rows))
    if kinds <= _SEQUENCES:
        if np.ndim(first) != 1 if kind is np.ndarray else len(first) > MAX_COLUMNS:
            return None
        return ("rows", list(map(tuple, rows)), None)
    if kinds == {dict}:
        return ("dicts", list(map(dict, rows)))
    if kinds.intersection(_NO_VALUES):
        return None  # text: its characters are no features, and it does not leave the app
    return ("rows", [(value,) for value in rows], None)


def _pandas(data: Any, start: int, step: int) -> Snapshot:
    if step > 1:
        data = getattr(data, "iloc", data)[start::step]  # an Index, a Categorical: by position
    names = getattr(data, "columns", None)
    if names is None:
        return _array(data.to_numpy() if hasattr(data, "to_numpy") else np.asarray(data))
    if len(names) > MAX_COLUMNS:
        return None
    # A frame keeps the columns of one type side by side, in a block: to copy the blocks costs a
    # seventh of copying the frame. They are not public; without them the copy serves as well.
    blocks = getattr(getattr(data, "_mgr", None), "blocks", None)
    if not blocks:
        return ("frame", data.copy(), names)
    if len(blocks) == 1:
        values = blocks[0].values
        if type(values) is np.ndarray and values.dtype.kind in "fiub":
            # A block's rows are the frame's columns.
            return ("array", values.tobytes("F"), values.dtype, values.shape[::-1], names)
    return ("blocks", [(block.mgr_locs, block.values.copy()) for block in blocks], names)


def _polars(data: Any, start: int, step: int) -> Snapshot:
    if not hasattr(data, "to_numpy"):  # a LazyFrame: to look at it would run its query
        return None
    if not hasattr(data, "columns"):
        return _array(data.to_numpy()[start::step])
    if data.width > MAX_COLUMNS:
        return None
    # Values never change in place, only the frame that holds them: this copies none.
    return ("polars", data.gather_every(step, start) if step > 1 else data.clone())


def _pyarrow(data: Any, start: int, step: int) -> Snapshot:
    if not hasattr(data, "column_names") or data.num_columns > MAX_COLUMNS:
        return None
    # A copy in any case: an array of numpy may be beneath, and that may change.
    return ("arrow", data.take(np.arange(start, data.num_rows, step)))


def _scipy(data: Any, start: int, step: int) -> Snapshot:
    readable = hasattr(data, "tocsr") and data.ndim == 2 and data.dtype.kind in "fiub"  # noqa: PLR2004 - a table
    if not readable or data.shape[1] > MAX_COLUMNS:
        return None
    return ("sparse", data.tocsr()[start::step].copy())


def _lazy(data: Lazy, start: int, step: int) -> Snapshot:
    return take(data.read(start, step), 0, 1)


def _dict(data: Any, start: int, _: int) -> Snapshot:
    if start or len(data) > MAX_COLUMNS:
        return None
    return ("dict", data.copy())


_LIBRARIES: dict[str, Callable[[Any, int, int], Snapshot]] = {
    "pandas": _pandas,
    "polars": _polars,
    "pyarrow": _pyarrow,
    "scipy": _scipy,
}
_READERS: dict[type, Callable[[Any, int, int], Snapshot]] = {
    np.ndarray: _ndarray,
    list: _rows,
    tuple: _rows,
    dict: _dict,
    Lazy: _lazy,
}

"""The background side of a row: snapshots become tables.

``tables`` joins the snapshots of many calls, so that the work behind it (binning above all) runs
on some hundred rows at once: one row at a time costs 25 times as much.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, groupby
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidegauge.batch import Table

Names = tuple[str, ...] | None

# pandas makes a new Index for each frame; the last ones are kept with their names.
_NAMES_KEPT = 64
_names: dict[int, tuple[object, Names]] = {}


def tables(
    snapshots: Sequence[Any], names: Names
) -> Iterator[tuple[int, int, list[int], Table | None]]:
    """Join runs of snapshots that have one layout.

    Yields ``(start, stop, rows, table)``: the run is ``snapshots[start:stop]``, ``rows`` is how
    many rows each of them has, and ``table`` is None where the run could not be read. ``names`` are
    used for inputs that carry none, if their number fits.
    """
    if set(map(type, snapshots)) == {bytes} and len(set(map(len, snapshots))) == 1:
        # Single rows of float64: one run, and no look at each.
        yield 0, len(snapshots), *_bytes(list(snapshots), names)
        return
    start = 0
    for key, group in groupby(snapshots, key=_layout):
        run = list(group)
        stop = start + len(run)
        if key is None:
            yield start, stop, [0] * len(run), None
        else:
            rows, table = _JOIN[key[0]](run, names)
            yield start, stop, rows, table
        start = stop


def _layout(snapshot: Any) -> tuple[object, ...] | None:
    """Return the kind and what must be equal for two snapshots to be joined; None: unreadable."""
    if snapshot is None:
        return None
    kind = snapshot[0] if type(snapshot) is tuple else type(snapshot).__name__
    layout = _LAYOUT[kind](snapshot)
    return None if layout is None else (kind, layout)


def _rows_layout(snapshot: Any) -> object:
    widths = {len(row) for row in snapshot[1]}
    return None if len(widths) > 1 else (next(iter(widths), 0), _index_names(snapshot[2]))


_LAYOUT: dict[str, Callable[[Any], object]] = {
    "bytes": len,
    "list": np.shape,
    "array": lambda snapshot: (snapshot[2], snapshot[3][1], _index_names(snapshot[4])),
    "rows": _rows_layout,
    "dict": lambda snapshot: tuple(snapshot[1]),
    "dicts": lambda snapshot: tuple(snapshot[1][0]),
    "frame": lambda snapshot: tuple(snapshot[2]),
    "polars": lambda snapshot: tuple(snapshot[1].columns),
    "sparse": lambda snapshot: snapshot[1].shape[1],
}


def _index_names(index: Any) -> Names:
    if index is None:
        return None
    known = _names.get(id(index))
    if known is not None and known[0] is index:
        return known[1]
    names = _texts(index)
    if len(_names) >= _NAMES_KEPT:
        _names.clear()
    _names[id(index)] = (index, names)
    return names


def _fitting(names: Names, width: int) -> Names:
    return names if names is not None and len(names) == width else None


def _arrays(run: list[Any], names: Names) -> tuple[list[int], Table]:
    _, _, dtype, (_, width), index = run[0]
    shapes = list(map(itemgetter(3), run))
    counts = [shape[0] for shape in shapes]
    data = np.frombuffer(b"".join(map(itemgetter(1), run)), dtype)
    rows = sum(counts)
    matrix = data.reshape(rows, width)
    own = _index_names(index) or _fitting(names, width)
    if dtype.kind in "fiub":
        if dtype != np.float64:
            matrix = matrix.astype(np.float64)
        return counts, Table(rows, own, matrix=matrix)
    columns = tuple(matrix[:, j].astype(object) for j in range(width))
    return counts, Table(rows, own, columns=columns)


def _bytes(run: list[bytes], names: Names) -> tuple[list[int], Table]:
    matrix = np.frombuffer(b"".join(run)).reshape(len(run), -1)
    return [1] * len(run), Table(len(run), _fitting(names, matrix.shape[1]), matrix=matrix)


def _lists(run: list[list[Any]], names: Names) -> tuple[list[int], Table | None]:
    rows = [row[0] if isinstance(row[0], list) else row for row in run]
    return [1] * len(run), _from_rows(rows, None, names)


def _tuples(run: list[Any], names: Names) -> tuple[list[int], Table | None]:
    counts = [len(snapshot[1]) for snapshot in run]
    own = _index_names(run[0][2])
    rows = list(chain.from_iterable(map(itemgetter(1), run)))
    return counts, _from_rows(rows, own, names)


def _dict(run: list[Any], names: Names) -> tuple[list[int], Table | None]:
    # The layout is the keys in their order: the values line up.
    rows = [tuple(snapshot[1].values()) for snapshot in run]
    return [1] * len(run), _from_rows(rows, _texts(run[0][1]), names)


def _dicts(run: list[Any], names: Names) -> tuple[list[int], Table | None]:
    counts = [len(snapshot[1]) for snapshot in run]
    keys = tuple(run[0][1][0])
    rows = [tuple(map(row.get, keys)) for row in chain.from_iterable(map(itemgetter(1), run))]
    return counts, _from_rows(rows, _texts(keys), names)


def _frames(run: list[Any], names: Names) -> tuple[list[int], Table | None]:
    rows = list(chain.from_iterable(snapshot[1].to_numpy().tolist() for snapshot in run))
    return [len(snapshot[1]) for snapshot in run], _from_rows(rows, _texts(run[0][2]), names)


def _texts(values: Any) -> Names:
    """Return column names, or None where they are not all text (as scikit-learn does)."""
    names = tuple(values)
    return names if all(isinstance(name, str) for name in names) else None


def _from_rows(rows: list[Any], own: Names, names: Names) -> Table | None:
    if not rows:
        return Table(0, own, matrix=np.empty((0, len(own or ()))))
    width = len(rows[0])
    own = own or _fitting(names, width)
    try:
        matrix = np.array(rows)
    except ValueError:  # a value is itself a sequence
        matrix = np.empty(0)
    if matrix.ndim == 2 and matrix.dtype.kind in "fiub":  # noqa: PLR2004 - rows and columns
        return Table(len(rows), own, matrix=matrix.astype(np.float64, copy=False))
    return Table(len(rows), own, columns=tuple(map(_column, zip(*rows, strict=True))))


def _column(values: Sequence[object]) -> NDArray[Any]:
    """Return float64 where every value is a number, else the values as they are."""
    try:
        column = np.array(values)
    except ValueError:
        column = np.empty(0)
    if column.ndim == 1 and column.dtype.kind in "fiub":
        return column.astype(np.float64, copy=False)
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


def _polars(run: list[Any], _: Names) -> tuple[list[int], Table]:
    import polars as pl  # noqa: PLC0415 - loaded by the app already, or there would be no frame

    frames = [snapshot[1] for snapshot in run]
    frame = pl.concat(frames) if len(frames) > 1 else frames[0]
    columns = tuple(_column(frame.get_column(name).to_list()) for name in frame.columns)
    return [len(f) for f in frames], Table(len(frame), tuple(frame.columns), columns=columns)


def _sparse(run: list[Any], names: Names) -> tuple[list[int], Table]:
    counts = [snapshot[1].shape[0] for snapshot in run]
    matrix = np.concatenate([snapshot[1].toarray() for snapshot in run]).astype(np.float64)
    return counts, Table(len(matrix), _fitting(names, matrix.shape[1]), matrix=matrix)


_JOIN: dict[object, Any] = {
    "array": _arrays,
    "bytes": _bytes,
    "list": _lists,
    "rows": _tuples,
    "dict": _dict,
    "dicts": _dicts,
    "frame": _frames,
    "polars": _polars,
    "sparse": _sparse,
}

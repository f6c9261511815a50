"""The background side of a row: snapshots become tables.

``tables`` joins the snapshots of many calls, so that the work behind it (binning above all) runs
on some hundred rows at once: one row at a time costs 25 times as much.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain, groupby
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidegauge.batch import Table
from tidegauge.guard import fault

Names = tuple[str, ...] | None

# pandas makes a new Index for each frame; the last ones are kept with their names.
_NAMES_KEPT = 64
_names: dict[int, tuple[object, Names]] = {}


def tables(
    snapshots: Sequence[Any], names: Names, absent: float = 0.0
) -> Iterator[tuple[int, int, list[int], Table | None]]:
    """Join runs of snapshots that have one layout.

    Yields ``(start, stop, rows, table)``: the run is ``snapshots[start:stop]``, ``rows`` is how
    many rows each of them has, and ``table`` is None where the run could not be read. ``names`` are
    used for inputs that carry none, if their number fits; ``absent`` is what a sparse matrix means
    by what it leaves out.
    """
    if set(map(type, snapshots)) == {bytes} and len(set(map(len, snapshots))) == 1:
        # Single rows of float64: one run, and no look at each.
        yield 0, len(snapshots), *_bytes(snapshots, names)
        return
    start = 0
    for key, group in groupby(snapshots, key=_layout):
        run = list(group)
        stop = start + len(run)
        if key is None:
            yield start, stop, [0] * len(run), None
        else:
            try:
                if key[0] == "sparse":
                    rows, table = _sparse(run, names, absent)
                else:
                    rows, table = _JOIN[key[0]](run, names)
            except Exception as error:
                fault(f"columns.{key[0]}", error)
                rows, table = [0] * len(run), None
            yield start, stop, rows, table
        start = stop


def _layout(snapshot: Any) -> tuple[object, ...] | None:
    """Return the kind and what must be equal for two snapshots to be joined; None: unreadable."""
    if snapshot is None:
        return None
    kind = snapshot[0] if type(snapshot) is tuple else type(snapshot).__name__
    try:
        layout = _LAYOUT[kind](snapshot)
    except Exception as error:  # the rows beside it are read
        fault(f"columns.{kind}", error)
        return None
    return None if layout is None else (kind, layout)


def _rows_layout(snapshot: Any) -> object:
    widths = {len(row) for row in snapshot[1]}
    return None if len(widths) > 1 else (next(iter(widths), 0), _index_names(snapshot[2]))


_LAYOUT: dict[str, Callable[[Any], object]] = {
    "bytes": len,
    "list": lambda snapshot: len(_one_row(snapshot)),
    "array": lambda snapshot: (snapshot[2], snapshot[3][1], _index_names(snapshot[4])),
    "rows": _rows_layout,
    "dict": lambda snapshot: tuple(snapshot[1]),
    "dicts": lambda snapshot: _keys(snapshot[1]),
    "blocks": lambda snapshot: (
        _index_names(snapshot[2]),
        tuple((str(values.dtype), place.as_array.tobytes()) for place, values in snapshot[1]),
    ),
    "frame": lambda snapshot: tuple(snapshot[2]),
    "polars": lambda snapshot: tuple(snapshot[1].schema.items()),
    "arrow": lambda snapshot: tuple((f.name, str(f.type)) for f in snapshot[1].schema),
    "sparse": lambda snapshot: snapshot[1].shape[1],
}


def _keys(rows: list[dict[Any, Any]]) -> tuple[Any, ...]:
    # A row may lack a key that another has: its value is missing.
    return tuple(dict.fromkeys(chain.from_iterable(rows)))


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
    if dtype.kind in "mM":
        # Nanoseconds would become bare integers: nobody could tell a time from a number.
        matrix = matrix.astype(f"{dtype.kind}8[us]")
    columns = tuple(matrix[:, j].astype(object) for j in range(width))
    return counts, Table(rows, own, columns=columns)


def _bytes(run: Sequence[bytes], names: Names) -> tuple[list[int], Table]:
    matrix = np.frombuffer(b"".join(run)).reshape(len(run), -1)
    return [1] * len(run), Table(len(run), _fitting(names, matrix.shape[1]), matrix=matrix)


def _lists(run: list[list[Any]], names: Names) -> tuple[list[int], Table | None]:
    return [1] * len(run), _from_rows(list(map(_one_row, run)), None, names)


def _one_row(values: list[Any]) -> list[Any]:
    """Return the row of an array that had one, with or without a dimension for it."""
    return values[0] if len(values) == 1 and isinstance(values[0], list) else values


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
    keys = _keys(run[0][1])
    rows = [tuple(map(row.get, keys)) for row in chain.from_iterable(map(itemgetter(1), run))]
    return counts, _from_rows(rows, _texts(keys), names)


def _blocks(run: list[Any], _: Names) -> tuple[list[int], Table]:
    _, parts, index = run[0]
    counts = [snapshot[1][0][1].shape[-1] for snapshot in run]
    columns: dict[int, NDArray[Any]] = {}
    for part, (place, _) in enumerate(parts):
        joined = np.concatenate([_block(snapshot[1][part][1]) for snapshot in run], axis=1)
        number = joined.dtype.kind in "fiub"
        for position, values in zip(place.as_array.tolist(), joined, strict=True):
            columns[position] = values.astype(np.float64) if number else _column(values.tolist())
    ordered = tuple(columns[position] for position in range(len(columns)))
    rows, own = sum(counts), _index_names(index)
    if all(column.dtype == np.float64 for column in ordered):
        return counts, Table(rows, own, matrix=np.column_stack(ordered))
    return counts, Table(rows, own, columns=ordered)


def _block(values: Any) -> NDArray[Any]:
    """Return a block's columns as the rows of an array."""
    # Besides arrays there are columns of times, text, categories, and of what may be missing.
    array = values if type(values) is np.ndarray else np.asarray(values, dtype=object)
    return array if array.ndim > 1 else array[None, :]


def _frames(run: list[Any], names: Names) -> tuple[list[int], Table | None]:
    rows = list(chain.from_iterable(_values(snapshot[1]).tolist() for snapshot in run))
    return [len(snapshot[1]) for snapshot in run], _from_rows(rows, _texts(run[0][2]), names)


def _values(frame: Any) -> NDArray[Any]:
    values: NDArray[Any] = frame.to_numpy()
    return frame.to_numpy(dtype=object) if values.dtype.kind in "mM" else values


def _texts(values: Any) -> Names:
    """Return column names, or None where they are not all text (as scikit-learn does)."""
    names = tuple(values)
    return names if all(isinstance(name, str) for name in names) else None


def _from_rows(rows: list[Any], own: Names, names: Names) -> Table | None:
    if not rows:
        return Table(0, own, matrix=np.empty((0, len(own or ()))))
    width = len(rows[0])
    own = own or _fitting(names, width)
    matrix = np.empty(0)
    if not _holds_text(chain.from_iterable(rows)):
        with suppress(ValueError):  # a value is itself a sequence
            matrix = np.array(rows)
    if matrix.ndim == 2 and matrix.dtype.kind in "fiub":  # noqa: PLR2004 - rows and columns
        return Table(len(rows), own, matrix=matrix.astype(np.float64, copy=False))
    return Table(len(rows), own, columns=tuple(map(_column, zip(*rows, strict=True))))


def _column(values: Sequence[object]) -> NDArray[Any]:
    """Return float64 where every value is a number, else the values as they are."""
    column = np.empty(0, dtype=object)
    if not _holds_text(values):
        with suppress(ValueError):  # a value is itself a sequence
            column = np.array(values)
    if column.ndim == 1 and column.dtype.kind in "fiub":
        return column.astype(np.float64, copy=False)
    column = np.empty(len(values), dtype=object)
    for i, value in enumerate(
        values
    ):  # not at once: numpy would look into values that have a length
        column[i] = value
    return column


def _holds_text(values: Iterable[object]) -> bool:
    """Say whether there is text: numpy would make room for the longest in each of the cells."""
    return any(issubclass(kind, str | bytes) for kind in set(map(type, values)))


def _polars(run: list[Any], _: Names) -> tuple[list[int], Table]:
    import polars as pl  # noqa: PLC0415 - loaded by the app already, or there would be no frame

    frames = [snapshot[1] for snapshot in run]
    frame = pl.concat(frames) if len(frames) > 1 else frames[0]
    columns = tuple(_column(frame.get_column(name).to_list()) for name in frame.columns)
    counts, names = [len(f) for f in frames], tuple(frame.columns)
    if columns and all(column.dtype == np.float64 for column in columns):
        return counts, Table(len(frame), names, matrix=np.column_stack(columns))
    return counts, Table(len(frame), names, columns=columns)


def _arrow(run: list[Any], _: Names) -> tuple[list[int], Table]:
    tables = [snapshot[1] for snapshot in run]
    counts, names = [table.num_rows for table in tables], tuple(tables[0].column_names)
    columns = tuple(
        _column(list(chain.from_iterable(table.column(place).to_pylist() for table in tables)))
        for place in range(len(names))
    )
    if columns and all(column.dtype == np.float64 for column in columns):
        return counts, Table(sum(counts), names, matrix=np.column_stack(columns))
    return counts, Table(sum(counts), names, columns=columns)


def _sparse(run: list[Any], names: Names, absent: float) -> tuple[list[int], Table]:
    counts = [snapshot[1].shape[0] for snapshot in run]
    matrix = np.concatenate([_dense(snapshot[1], absent) for snapshot in run])
    return counts, Table(len(matrix), _fitting(names, matrix.shape[1]), matrix=matrix)


def _dense(rows: Any, absent: float) -> NDArray[Any]:
    if not absent:
        found: NDArray[Any] = rows.toarray()
        return found.astype(np.float64)
    found = np.full(rows.shape, absent)
    found[np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr)), rows.indices] = rows.data
    return found


_JOIN: dict[object, Any] = {
    "array": _arrays,
    "arrow": _arrow,
    "blocks": _blocks,
    "bytes": _bytes,
    "list": _lists,
    "rows": _tuples,
    "dict": _dict,
    "dicts": _dicts,
    "frame": _frames,
    "polars": _polars,
}

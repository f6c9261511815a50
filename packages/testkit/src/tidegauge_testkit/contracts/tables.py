"""The kinds of tables that apps pass to models, made from one matrix.

Imported where it is used only: fresh processes of the contract have no need of pandas.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
from numpy.typing import NDArray
from scipy import sparse
from tidegauge.batch import Table

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Kind:
    """One kind of table.

    ``make`` makes it from a matrix. ``expect`` says what is recorded of it, a list a column; by
    default the matrix itself. ``named`` says that the columns go by the names of ``names_of``.
    ``spoil`` overwrites it in place; None where that cannot be done.
    """

    make: Callable[[Matrix], Any]
    expect: Callable[[Matrix], list[list[Any]]] = lambda matrix: matrix.T.tolist()
    named: bool = False
    spoil: Callable[[Any], object] | None = None


def names_of(matrix: Matrix) -> list[str]:
    """Return names for the columns."""
    return [f"f{index}" for index in range(matrix.shape[1])]


def _overwrite(array: Any) -> None:
    if array.flags.writeable:  # CatBoost takes that away from an array that it shares
        array[...] = 9


def _overwrite_lists(rows: list[list[Any]]) -> None:
    for row in rows:
        row[:] = [9] * len(row)
    rows.clear()


def _overwrite_dicts(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        row.update(dict.fromkeys(row, 9))
    rows.clear()


def _overwrite_frame(frame: Any) -> None:
    for name in frame.columns.unique():
        frame[name] = 9


def _frame(matrix: Matrix) -> Any:
    return pd.DataFrame(matrix.copy(), columns=names_of(matrix))


def _mixed_frame(matrix: Matrix) -> Any:
    frame = _frame(matrix)
    frame["f0"] = (matrix[:, 0] > 0).astype(np.int64)
    return frame


def _mixed_columns(matrix: Matrix) -> list[list[Any]]:
    return [(matrix[:, 0] > 0).astype(float).tolist(), *matrix[:, 1:].T.tolist()]


def _words(matrix: Matrix) -> list[str]:
    return ["low" if value < 0 else "high" for value in matrix[:, 0]]


def _word_columns(matrix: Matrix) -> list[list[Any]]:
    return [_words(matrix), *matrix[:, 1:].T.tolist()]


def _with_words(matrix: Matrix, kind: Any) -> Any:
    frame = _frame(matrix).astype({"f0": object})
    frame["f0"] = pd.Series(_words(matrix), dtype=kind)
    return frame


def _missing(matrix: Matrix) -> Matrix:
    copied = matrix.copy()
    copied[0, 0] = np.nan
    return copied


def _missing_columns(matrix: Matrix) -> list[list[Any]]:
    return [list(column) for column in _missing(matrix).T.tolist()]


def _dicts(matrix: Matrix) -> list[dict[str, float]]:
    return [dict(zip(names_of(matrix), row, strict=True)) for row in matrix.tolist()]


def _twice(matrix: Matrix) -> Any:
    return pd.DataFrame(matrix.copy(), columns=["f"] * matrix.shape[1])


#: By name, as a scenario's ``inputs`` lists them.
KINDS: dict[str, Kind] = {
    "float64": Kind(np.copy, spoil=_overwrite),
    "float32": Kind(
        lambda matrix: matrix.astype(np.float32),
        lambda matrix: matrix.astype(np.float32).astype(float).T.tolist(),
        spoil=_overwrite,
    ),
    "integers": Kind(
        lambda matrix: (matrix * 8).astype(np.int64),
        lambda matrix: (matrix * 8).astype(np.int64).astype(float).T.tolist(),
        spoil=_overwrite,
    ),
    "by column": Kind(np.asfortranarray, spoil=_overwrite),
    "missing values": Kind(_missing, _missing_columns, spoil=_overwrite),
    "frame": Kind(_frame, named=True, spoil=_overwrite_frame),
    "mixed frame": Kind(_mixed_frame, _mixed_columns, named=True, spoil=_overwrite_frame),
    "frame with missing values": Kind(
        lambda matrix: _frame(_missing(matrix)),
        _missing_columns,
        named=True,
        spoil=_overwrite_frame,
    ),
    "frame with categories": Kind(
        lambda matrix: _with_words(matrix, "category"), _word_columns, named=True
    ),
    "frame with text": Kind(
        lambda matrix: _with_words(matrix, object),
        _word_columns,
        named=True,
        spoil=_overwrite_frame,
    ),
    "columns of one name": Kind(_twice),
    "polars": Kind(lambda matrix: pl.DataFrame(matrix, schema=names_of(matrix)), named=True),
    "lists": Kind(lambda matrix: matrix.tolist(), spoil=_overwrite_lists),
    "dicts": Kind(_dicts, named=True, spoil=_overwrite_dicts),
    "sparse": Kind(sparse.csr_matrix, spoil=lambda table: _overwrite(table.data)),
    "no rows": Kind(lambda matrix: matrix[:0].copy(), lambda matrix: [[] for _ in matrix.T]),
    "one dimension": Kind(lambda matrix: matrix[0].copy(), lambda matrix: [matrix[0].tolist()]),
    "none": Kind(lambda _: None, lambda _: []),
}


def cells(tables: Sequence[Table]) -> list[list[Any]]:
    """Return the columns of tables, one below the other, as plain values."""
    columns: list[list[Any]] = []
    for table in tables:
        parts = table.matrix.T if table.matrix is not None else table.columns or ()
        columns = columns or [[] for _ in parts]
        for column, part in zip(columns, parts, strict=True):
            column.extend(part.tolist())
    return columns


def alike(expected: Sequence[Sequence[Any]], actual: Sequence[Sequence[Any]]) -> bool:
    """Say whether columns hold the same values; a missing one is like any other missing one."""
    if [len(column) for column in expected] != [len(column) for column in actual]:
        return False
    pairs = (
        pair
        for columns in zip(expected, actual, strict=True)
        for pair in zip(*columns, strict=True)
    )
    return all(one == other or (pd.isna(one) and pd.isna(other)) for one, other in pairs)

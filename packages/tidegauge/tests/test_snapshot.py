"""Rows on their way: what a call was given is what the table says, whatever happens to it after."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tidegauge import guard
from tidegauge.batch import Table
from tidegauge.columns import tables
from tidegauge.snapshot import MAX_COLUMNS, take

SMALL = st.integers(0, 6)
SHAPES = st.tuples(SMALL, SMALL)
NUMERIC = (
    hnp.floating_dtypes(endianness="?")
    | hnp.integer_dtypes(endianness="?")
    | hnp.unsigned_integer_dtypes()
    | hnp.boolean_dtypes()
)


def table_of(data: Any, start: int = 0, step: int = 1, names: Any = None) -> Table | None:
    """Return what the background makes of one call."""
    ((_, _, _, table),) = tables([take(data, start, step)], names)
    return table


def cells(table: Table | None) -> list[list[Any]]:
    """Return a table as rows."""
    assert table is not None
    if table.matrix is not None:
        assert table.columns is None
        assert table.matrix.dtype == np.float64
        assert table.rows == len(table.matrix)
        rows: list[list[Any]] = table.matrix.tolist()
        return rows
    columns = table.columns or ()
    assert {table.rows} >= {len(column) for column in columns}
    return [list(row) for row in zip(*columns, strict=True)] if columns else [[]] * table.rows


def same(one: Any, other: Any) -> bool:
    """Compare, with what is missing equal to itself."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    # pandas turns its own NA into NaN or keeps it, by version: both are missing.
    absent = [value is pd.NA or value != value for value in (one, other)]  # noqa: PLR0124 - NaN
    return all(absent) if any(absent) else bool(one == other)


# -- arrays ----------------------------------------------------------------------------------------


@given(st.data(), NUMERIC, SHAPES)
def test_numeric_arrays(data: Any, dtype: np.dtype[Any], shape: tuple[int, int]) -> None:
    """Of any number type, order and stride the values arrive as float64."""
    array = data.draw(hnp.arrays(dtype, shape))
    with np.errstate(all="ignore"):
        expected = array.astype(np.float64)
        for form in (array, np.asfortranarray(array), np.repeat(array, 2, axis=1)[:, ::2]):
            table = table_of(form)
            assert table is not None
            assert table.matrix is not None
            np.testing.assert_array_equal(expected, table.matrix)


@given(hnp.arrays(np.float64, SHAPES), st.booleans())
def test_arrays_are_copied(array: np.ndarray[Any, Any], column: bool) -> None:
    """What the caller does to an array after the call is not seen."""
    given_data = array[:, 0] if column and array.shape[1] else array
    expected = given_data.reshape(len(given_data), -1).copy() if given_data.size else None
    snapshot = take(given_data, 0, 1)
    array[...] = 99.0
    ((_, _, _, table),) = tables([snapshot], None)
    assert table is not None
    if expected is not None:
        np.testing.assert_array_equal(expected, table.matrix)


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.array([["a", "b"], ["c", ""]]), [["a", "b"], ["c", ""]]),
        (np.array([b"a", b"b"]), [[b"a"], [b"b"]]),
        (np.array([[1 + 2j]]), [[1 + 2j]]),
        (np.array([[1, "a"], [None, 2.5]], dtype=object), [[1, "a"], [None, 2.5]]),
        (np.array([[1, 2], [3, 4]], dtype=object), [[1.0, 2.0], [3.0, 4.0]]),
        (np.array(["2024-01-02"], "M8[ns]"), [[dt.datetime(2024, 1, 2)]]),  # noqa: DTZ001
        (np.array(["2024-01-02", "NaT"], "M8[D]"), [[dt.datetime(2024, 1, 2)], [None]]),  # noqa: DTZ001
        (np.array([90], "m8[s]"), [[dt.timedelta(seconds=90)]]),
        (np.array([(1, "a")], dtype=[("x", int), ("y", "U1")]), [[1.0, "a"]]),
        (np.ma.array([[1.0, 2.0]]), [[1.0, 2.0]]),
    ],
)
def test_arrays_of_other_types(array: Any, expected: list[list[Any]]) -> None:
    """Texts, times, complex numbers and objects stay what they are; numbers are numbers."""
    assert same(expected, cells(table_of(array)))


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
def test_a_matrix_is_read_as_an_array() -> None:
    """Though each row of it is a matrix again."""
    assert [[1.0, 2.0], [3.0, 4.0]] == cells(table_of(np.matrix([[1.0, 2.0], [3.0, 4.0]])))


def test_fields_of_a_structured_array_are_columns() -> None:
    """They have names."""
    table = table_of(np.array([(1.0, 2.0)], dtype=[("x", float), ("y", float)]))
    assert table is not None
    assert ("x", "y") == table.names


@pytest.mark.parametrize(
    "data",
    [
        np.array(1.0),
        np.zeros((2, 2, 2)),
        np.zeros((2, MAX_COLUMNS + 1)),
        [[0.0] * (MAX_COLUMNS + 1)],
        pd.DataFrame(np.zeros((1, MAX_COLUMNS + 1))),
        pl.DataFrame(np.zeros((1, MAX_COLUMNS + 1))),
        scipy.sparse.csr_matrix((1, MAX_COLUMNS + 1)),
        scipy.sparse.csr_matrix(np.array([[1j]])),
        *(each for each in [scipy.sparse.coo_array(np.array([1.0, 2.0]))] if each.ndim == 1),
        pl.LazyFrame({"a": [1]}),
        dict.fromkeys(range(MAX_COLUMNS + 1)),
        None,
        7,
        "a text",
        b"an image",
        {1, 2},
        iter([1]),
        object(),
        ["two", "texts"],
        [["a", "b"], "cd"],
        [[1.0], 2.0],
        [{"a": 1}, [1]],
        [np.zeros((2, 2))],
        [np.array(1.0), np.array(2.0)],
        np.zeros(1, dtype=[("x", float)])[None, :],
    ],
)
def test_what_is_no_table_is_not_read(data: Any) -> None:
    """It is counted, not read, and no fault."""
    assert (None, {}) == (table_of(data), guard.counts())


@pytest.fixture(autouse=True)
def no_faults() -> None:
    """Begin without faults."""
    guard.reset()


@given(st.integers(1, 9), st.integers(0, 8), st.integers(1, 9))
def test_rows_are_taken_by_steps(rows: int, start: int, step: int) -> None:
    """Of any form the same ones; a step begins within itself, as it is chosen."""
    start = min(start, rows - 1, step - 1)
    numbers = np.arange(rows * 2.0).reshape(rows, 2)
    expected = numbers[start::step].tolist()
    for form in (
        numbers, numbers.tolist(), list(map(tuple, numbers)), list(numbers),
        [{"a": a, "b": b} for a, b in numbers.tolist()], pd.DataFrame(numbers),
        pl.DataFrame(numbers), scipy.sparse.csr_array(numbers), numbers.astype(object),
    ):  # fmt: skip
        assert expected == cells(table_of(form, start, step))


# -- frames ----------------------------------------------------------------------------------------

VALUES = {
    "float64": st.floats(width=32),
    "int64": st.integers(-1000, 1000),
    "bool": st.booleans(),
    "object": st.none() | st.integers(0, 9) | st.text("ab", max_size=2),
    "Int64": st.none() | st.integers(-1000, 1000),
    "category": st.sampled_from(["x", "y"]),
    "datetime64[ns]": st.datetimes(dt.datetime(2000, 1, 1), dt.datetime(2100, 1, 1)),  # noqa: DTZ001
}


@given(st.data(), st.lists(st.sampled_from(sorted(VALUES)), min_size=1, max_size=5), SMALL)
def test_pandas_frames(data: Any, kinds: list[str], rows: int) -> None:
    """Every value arrives, of one block or of several, also of nullable and categorical columns."""
    columns = [
        data.draw(st.lists(VALUES[kind], min_size=rows, max_size=rows), label=kind)
        for kind in kinds
    ]
    series = [pd.Series(v, dtype=k) for v, k in zip(columns, kinds, strict=True)]
    frame = pd.concat(series, axis=1, keys=[f"c{i}" for i in range(len(kinds))])
    expected = [list(row) for row in zip(*(s.tolist() for s in series), strict=True)]
    snapshot = take(frame, 0, 1)
    for name in frame.columns:
        frame[name] = "overwritten"
    ((_, _, counts, table),) = tables([snapshot], None)
    assert [rows] == counts
    assert table is not None
    assert rows == table.rows
    assert tuple(f"c{i}" for i in range(len(kinds))) == table.names
    assert same(expected, cells(table))


def test_a_frame_whose_blocks_are_out_of_sight_is_copied_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What pandas may hide in a later version costs time, not values."""
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", None], "c": [0.5, np.nan]})
    expected = cells(table_of(frame))
    copy = frame.copy()
    with monkeypatch.context() as hidden:
        hidden.setattr(type(frame._mgr), "blocks", None)
        hidden.setattr(pd.DataFrame, "copy", lambda _: copy)  # pandas itself needs its blocks
        snapshot = take(frame, 0, 1)
    assert isinstance(snapshot, tuple)
    assert snapshot[1] is copy
    ((_, _, counts, table),) = tables([snapshot], None)
    assert ([2], ("a", "b", "c")) == (counts, table and table.names)
    assert same(expected, cells(table))


def test_a_frame_without_columns_has_rows() -> None:
    """And nothing else."""
    assert [[], [], []] == cells(table_of(pd.DataFrame(index=[1, 2, 3])))


@pytest.mark.parametrize(
    ("columns", "expected"),
    [(["a", "a"], ("a", "a")), ([0, 1], None), (["a", 1], None), ([("a", "b"), ("c", "d")], None)],
)
def test_column_names(columns: list[Any], expected: tuple[str, ...] | None) -> None:
    """Duplicate names stay; names that are not all text are none, as in scikit-learn."""
    for frame in (pd.DataFrame([[1.0, 2.0]]), pd.DataFrame([[1.0, "x"]])):
        frame.columns = pd.Index(columns)
        table = table_of(frame)
        assert table is not None
        assert (expected, 1) == (table.names, table.rows)


def test_names_of_the_model_stand_in_for_none() -> None:
    """An array has the names that the model was fitted with, if their number fits."""
    found = [
        table.names if (table := table_of(data, names=("a", "b"))) else "unread"
        for data in (
            np.ones((1, 2)),
            [[1, 2]],
            scipy.sparse.csr_array(np.ones((1, 2))),
            np.ones((1, 3)),
            pd.DataFrame({"c": [1], "d": [2]}),
            {"c": 1, "d": 2},
        )
    ]
    assert [("a", "b"), ("a", "b"), ("a", "b"), None, ("c", "d"), ("c", "d")] == found


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (pd.Series([1.5, 2.5]), [[1.5], [2.5]]),
        (pd.Series(["a", None], dtype=object), [["a"], [None]]),
        (pd.Series([1, None], dtype="Int64"), [[1], [pd.NA]]),
        (pd.Index([1, 2]), [[1.0], [2.0]]),
        (pd.Categorical(["a", "b"]), [["a"], ["b"]]),
        (pl.Series([1.5, 2.5]), [[1.5], [2.5]]),
        (pl.Series(["a", "b"]), [["a"], ["b"]]),
    ],
)
def test_single_columns(data: Any, expected: list[list[Any]]) -> None:
    """A series is a table of one column, whole and by every second row."""
    assert same(expected, cells(table_of(data)))
    assert same(expected[1::2], cells(table_of(data, 1, 2)))


@given(st.data(), SMALL)
def test_polars_frames(data: Any, rows: int) -> None:
    """Every value arrives; nulls stay None; what the app does to the frame later is not seen."""
    lists = {
        "f": data.draw(st.lists(st.floats() | st.none(), min_size=rows, max_size=rows)),
        "i": data.draw(st.lists(st.integers(-9, 9), min_size=rows, max_size=rows)),
        "s": data.draw(st.lists(st.text(max_size=3), min_size=rows, max_size=rows)),
    }
    frame = pl.DataFrame(lists, schema={"f": pl.Float64, "i": pl.Int64, "s": pl.String})
    snapshot = take(frame, 0, 1)
    if rows:
        frame[0, "i"] = 77
    frame.insert_column(0, pl.Series("new", [1] * rows))
    ((_, _, _, table),) = tables([snapshot], None)
    assert table is not None
    assert ("f", "i", "s") == table.names
    assert same([list(row) for row in zip(*lists.values(), strict=True)], cells(table))


def test_polars_frames_of_unlike_types_are_two_runs() -> None:
    """A column of integers in one call and of floats in the next loses neither."""
    frames = [pl.DataFrame({"a": [1]}), pl.DataFrame({"a": [1.5]})]
    found = list(tables([take(frame, 0, 1) for frame in frames], None))
    assert [[[1.0]], [[1.5]]] == [cells(table) for *_, table in found]


def test_a_numeric_polars_frame_is_a_matrix() -> None:
    """As any table of numbers."""
    table = table_of(pl.DataFrame({"a": [1, 2], "b": [0.5, 1.5]}))
    assert table is not None
    assert table.matrix is not None


# -- plain Python ----------------------------------------------------------------------------------

SCALARS = st.none() | st.booleans() | st.integers(-9, 9) | st.floats(width=16) | st.text("ab")


@given(st.data(), st.integers(1, 5), st.integers(1, 4), st.sampled_from([list, tuple, "array"]))
def test_lists_of_rows(data: Any, rows: int, width: int, kind: Any) -> None:
    """Lists of lists, of tuples and of arrays; numbers as numbers, the rest as it is."""
    row = st.lists(SCALARS, min_size=width, max_size=width)
    values = data.draw(st.lists(row, min_size=rows, max_size=rows))
    make = (lambda row: np.array(row, dtype=object)) if kind == "array" else kind
    given_data = [make(row) for row in values]
    expected = [list(row) for row in values]
    snapshot = take(given_data, 0, 1)
    given_data.clear()
    ((_, _, counts, table),) = tables([snapshot], None)
    assert [rows] == counts
    assert same(expected, cells(table))


def test_rows_are_copied_one_by_one() -> None:
    """A row that its caller uses again does not change what was said."""
    row, record = [1.0, 2.0], {"a": 1.0}
    snapshots = [
        take([row], 0, 1),
        take([row, row], 0, 1),
        take(record, 0, 1),
        take([record], 0, 1),
    ]
    row[0] = record["a"] = 99.0
    found = [cells(table) for *_, table in tables(snapshots, None)]
    assert [[[1.0, 2.0]] * 3, [[1.0]], [[1.0]]] == found


@given(st.lists(st.integers() | st.floats() | st.none(), min_size=1, max_size=5))
def test_lists_of_scalars_are_one_column(values: list[Any]) -> None:
    """A flat list is one value a row; integers past 64 bits are numbers or what they were."""
    assert same([[value] for value in values], cells(table_of(list(values)))) or any(
        isinstance(value, int) and abs(value) > 2**53 for value in values
    )


@pytest.mark.parametrize(
    ("data", "names", "expected"),
    [
        ({"a": 1, "b": "x"}, ("a", "b"), [[1.0, "x"]]),
        ({"a": 1, 2: 3}, None, [[1.0, 3.0]]),
        ({}, None, [[]]),
        ([{"a": 1, "b": 2}, {"b": 4, "a": 3}], ("a", "b"), [[1.0, 2.0], [3.0, 4.0]]),
        ([{"a": 1}, {"a": 2, "b": 3}], ("a", "b"), [[1.0, None], [2.0, 3]]),
        ({"a": [1, 2], "b": 3}, ("a", "b"), [[[1, 2], 3.0]]),
    ],
)
def test_dicts(data: Any, names: tuple[str, ...] | None, expected: list[list[Any]]) -> None:
    """One dict is one row; a key that a row lacks is missing there."""
    table = table_of(data)
    assert table is not None
    assert names == table.names
    assert same(expected, cells(table))


@pytest.mark.parametrize("cell", [[1, 2], (1, 2), {"k": 1}, np.array([1, 2]), "long"])
def test_a_cell_that_holds_several_values_costs_no_row(cell: Any) -> None:
    """It is no number, and the columns beside it are read."""
    table = table_of([[1.0, cell], [2.0, cell]])
    assert table is not None
    assert table.columns is not None
    assert [1.0, 2.0] == table.columns[0].tolist()
    assert all(value is cell for value in table.columns[1])


@pytest.mark.parametrize("data", [[[1.0, 2.0], [3.0]], [(1,), (1, 2), ()]])
def test_ragged_rows_are_not_read(data: Any) -> None:
    """Nobody knows which value is which; no fault either."""
    assert (None, {}) == (table_of(data), guard.counts())


@pytest.mark.parametrize(
    "empty",
    [
        [],
        (),
        np.zeros((0, 3)),
        pd.DataFrame({"a": []}),
        pd.DataFrame(),
        pl.DataFrame(),
        scipy.sparse.csr_array((0, 2)),
        np.zeros((0, 2), dtype="U3"),
    ],
)
def test_empty_batches(empty: Any) -> None:
    """No rows is a table of none, and no fault."""
    table = table_of(empty)
    assert table is not None
    assert (0, {}) == (table.rows, guard.counts())


@given(
    hnp.arrays(np.float64, SHAPES),
    st.sampled_from(["csr", "csc", "coo", "lil", "dok", "bsr"]),
    st.booleans(),
)
def test_sparse_matrices(dense: np.ndarray[Any, Any], form: str, modern: bool) -> None:
    """Of any format, read as the dense rows that they stand for, and copied."""
    if form == "bsr" and not dense.size:
        form = "csr"
    made = (scipy.sparse.csr_array if modern else scipy.sparse.csr_matrix)(dense).asformat(form)
    snapshot = take(made, 0, 1)
    if form == "csr":
        made.data[...] = 99.0
    ((_, _, counts, table),) = tables([snapshot], None)
    assert table is not None
    assert [len(dense)] == counts
    np.testing.assert_array_equal(dense, table.matrix)


# -- joining ---------------------------------------------------------------------------------------

FORMS: dict[str, Callable[[np.ndarray[Any, Any]], Any]] = {
    "array": lambda rows: rows,
    "float32": lambda rows: rows.astype(np.float32),
    "lists": lambda rows: rows.tolist(),
    "dicts": lambda rows: [dict(zip("abc", row, strict=True)) for row in rows.tolist()],
    "frame": lambda rows: pd.DataFrame(rows, columns=list("abc")),
    "mixed frame": lambda rows: pd.DataFrame(rows, columns=list("abc")).assign(d=1, e="x"),
    "polars": lambda rows: pl.DataFrame(rows, schema=["a", "b", "c"]),
    "sparse": scipy.sparse.csr_array,
    "texts": lambda rows: rows.astype(str),
}


@given(
    hnp.arrays(np.float64, st.tuples(st.integers(1, 12), st.just(3)), elements=st.floats(width=16)),
    st.lists(st.integers(1, 5), min_size=1, max_size=12),
    st.sampled_from(sorted(FORMS)),
)
def test_any_chunking_joins_to_the_same_table(
    rows: np.ndarray[Any, Any], sizes: list[int], form: str
) -> None:
    """Ten calls of one row say what one call of ten rows says."""
    edges = np.cumsum(sizes)
    parts = [p for p in np.split(rows, edges[edges < len(rows)]) if len(p)]
    found = list(tables([take(FORMS[form](part), 0, 1) for part in parts], None))
    ((start, stop, counts, table),) = found
    whole = table_of(FORMS[form](rows))
    assert whole is not None
    assert table is not None
    assert (0, len(parts), [len(part) for part in parts]) == (start, stop, counts)
    assert (whole.names, whole.rows) == (table.names, table.rows)
    assert same(cells(whole), cells(table))


def test_runs_are_cut_where_the_layout_changes() -> None:
    """Each run has its own table, in the order of the calls; an unreadable call is one of them."""
    calls = [np.ones((1, 2)), np.ones((2, 2)), np.ones((1, 3)), None, object(), [[1, 2]]]
    found = [
        (a, b, n, t.rows if t else None)
        for a, b, n, t in tables([take(c, 0, 1) for c in calls], None)
    ]
    assert [(0, 2, [1, 2], 3), (2, 3, [1], 1), (3, 5, [0, 0], None), (5, 6, [1], 1)] == found


def test_a_table_that_cannot_be_made_costs_its_own_run() -> None:
    """A fault in one layout is counted; the calls beside it are read."""

    class Broken(dict[str, float]):
        def values(self) -> Any:
            raise RuntimeError

    snapshots = [take([[1.0]], 0, 1), ("dict", Broken(a=1.0)), take([[2.0]], 0, 1)]
    found = [t.rows if t else None for *_, t in tables(snapshots, None)]
    assert ([1, None, 1], {"columns.dict:RuntimeError": 1}) == (found, guard.counts())


# -- choosing rows ---------------------------------------------------------------------------------

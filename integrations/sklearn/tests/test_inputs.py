"""Whatever the app passes, the model answers, and what is recorded is what was passed."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from tidegauge.batch import Table
from tidegauge_testkit.recording import Recording

NAN = float("nan")


class Anything(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A model that answers zeros to whatever it is given, as a user's own code might."""

    def predict(self, X: Any) -> Any:  # noqa: N803 - scikit-learn's name
        """Answer one zero a row."""
        return np.zeros(X.shape[0] if hasattr(X, "shape") and X.shape else len(X))


def column(table: Table, index: int) -> list[Any]:
    """Return one column of a table as plain values."""
    if table.matrix is not None:
        return list(table.matrix[:, index].tolist())
    assert table.columns is not None
    return list(table.columns[index])


def features(recording: Recording) -> Table:
    """Return the features of the only batch."""
    (batch,) = recording.batches()
    assert batch.features is not None
    return batch.features


FRAME = pd.DataFrame({"a": [1.0, 2.0], "b": [3, 4]})
READ: dict[str, tuple[Any, tuple[str, ...] | None, list[list[Any]]]] = {
    "float64": (np.array([[1.0, 2.0], [3.0, 4.0]]), None, [[1.0, 3.0], [2.0, 4.0]]),
    "float32": (np.array([[1.5, 2.0]], np.float32), None, [[1.5], [2.0]]),
    "float16": (np.array([[1.5, 2.0]], np.float16), None, [[1.5], [2.0]]),
    "big endian": (np.array([[1.5, 2.0]], ">f8"), None, [[1.5], [2.0]]),
    "integers": (np.array([[1, 2]]), None, [[1.0], [2.0]]),
    "booleans": (np.array([[True, False]]), None, [[1.0], [0.0]]),
    "by column": (np.asfortranarray([[1.0, 2.0], [3.0, 4.0]]), None, [[1.0, 3.0], [2.0, 4.0]]),
    "a view": (np.arange(8.0).reshape(2, 4)[:, ::2], None, [[0.0, 4.0], [2.0, 6.0]]),
    "text": (np.array([["x", "y"]]), None, [["x"], ["y"]]),
    "objects": (np.array([[1.0, "x"], [None, "y"]], object), None, [[1.0, None], ["x", "y"]]),
    "infinite": (np.array([[np.inf, -np.inf]]), None, [[np.inf], [-np.inf]]),
    "one dimension": (np.array([1.0, 2.0, 3.0]), None, [[1.0, 2.0, 3.0]]),
    "list of lists": ([[1, 2], [3, 4]], None, [[1.0, 3.0], [2.0, 4.0]]),
    "list of tuples": ([(1, "x")], None, [[1.0], ["x"]]),
    "list of arrays": ([np.array([1.0, 2.0])], None, [[1.0], [2.0]]),
    "flat list": ([1.0, 2.0], None, [[1.0, 2.0]]),
    "list of dicts": ([{"a": 1, "b": "x"}, {"a": 2}], ("a", "b"), [[1.0, 2.0], ["x", None]]),
    "numeric frame": (FRAME[["a"]].assign(b=2.0), ("a", "b"), [[1.0, 2.0], [2.0, 2.0]]),
    "frame of two dtypes": (FRAME, ("a", "b"), [[1.0, 2.0], [3.0, 4.0]]),
    "mixed frame": (FRAME.assign(c=pd.Series(["x", None], dtype=object)), ("a", "b", "c"),
                    [[1.0, 2.0], [3.0, 4.0], ["x", None]]),
    "categories": (pd.DataFrame({"a": pd.Categorical(["x", "y"]), "b": [1.0, 2.0]}), ("a", "b"),
                   [["x", "y"], [1.0, 2.0]]),
    "two columns of a name": (pd.DataFrame([[1.0, 2.0]], columns=["a", "a"]), ("a", "a"),
                              [[1.0], [2.0]]),
    "numbered columns": (pd.DataFrame([[1.0, 2.0]]), None, [[1.0], [2.0]]),
    "nullable": (pd.DataFrame({"a": pd.array([1, pd.NA], "Int64"),
                               "b": pd.array([True, pd.NA], "boolean")}), ("a", "b"),
                 [[1, pd.NA], [True, pd.NA]]),
    "arrow": (pd.DataFrame({"a": pd.Series(["x", None], dtype="string[pyarrow]"), "b": [1.0, 2.0]}),
              ("a", "b"), [["x", None], [1.0, 2.0]]),
    "series": (pd.Series([1.0, 2.0]), None, [[1.0, 2.0]]),
    "text in numbers": (pd.DataFrame({"a": [1.0, "x"], "b": [2.0, 3.0]}), ("a", "b"),
                        [[1.0, "x"], [2.0, 3.0]]),
    "polars": (pl.DataFrame({"a": [1.0, None], "b": ["x", "y"]}), ("a", "b"),
               [[1.0, None], ["x", "y"]]),
    "sparse rows": (sparse.csr_matrix([[0.0, 1.0], [2.0, 0.0]]), None, [[0.0, 2.0], [1.0, 0.0]]),
    "sparse columns": (sparse.csc_array([[0, 1], [2, 0]]), None, [[0.0, 2.0], [1.0, 0.0]]),
    "sparse coordinates": (sparse.coo_matrix([[0.0, 1.0]]), None, [[0.0], [1.0]]),
}  # fmt: skip


def same(expected: object, actual: object) -> bool:
    """Compare values of which some are missing: None, NaN and pandas.NA are alike."""
    if pd.isna(expected):  # type: ignore[call-overload]
        return bool(pd.isna(actual))  # type: ignore[call-overload]
    return bool(expected == actual)


@pytest.mark.parametrize("name", READ)
def test_rows_are_read_as_they_are(name: str, recording: Recording) -> None:
    """Each kind of input becomes the same columns, names and rows."""
    data, names, expected = READ[name]
    Anything().predict(data)
    assert recording.faults() == {}
    table = features(recording)
    assert table.names == names
    found = [column(table, index) for index in range(len(expected))]
    assert [len(values) for values in found] == [len(values) for values in expected]
    for wanted, values in zip(expected, found, strict=True):
        assert all(map(same, wanted, values)), (wanted, values)
    rows = recording.rows()
    assert (rows.seen, rows.used, rows.dropped) == (table.rows, table.rows, 0)


@pytest.mark.parametrize("name", READ)
def test_single_and_many_rows_join(name: str, recording: Recording) -> None:
    """Calls with one and with several rows, interleaved, lose nothing."""
    data, names, _ = READ[name]
    for _ in range(3):
        Anything().predict(data)
        Anything().predict(data.tocsr()[:1] if name == "sparse coordinates" else data[:1])
    assert recording.faults() == {}
    rows = recording.rows()
    assert (rows.used, rows.dropped) == (rows.seen, 0)
    batches = recording.batches()
    assert sum(batch.features.rows for batch in batches if batch.features) == rows.seen
    for batch in batches:
        assert batch.features is not None
        assert batch.features.names == names
        assert batch.outputs is not None
        assert batch.outputs.rows == batch.features.rows == len(batch.end_times)


UNREAD: dict[str, Any] = {
    "ragged": [[1.0, 2.0], [3.0]],
    "three dimensions": np.zeros((2, 3, 4)),
    "texts": ["some text", "more"],
    "wide": np.zeros((2, 5000)),
    "wide row": np.zeros((1, 5000)),
    "a set": {1.0, 2.0},
    "no value": np.float64(3.0).reshape(()),
}


@pytest.mark.parametrize("name", UNREAD)
def test_what_is_no_table_is_counted(name: str, recording: Recording) -> None:
    """An input that has no rows and columns is a request, and its rows are dropped, not lost."""
    model = Anything()
    if name == "no value":
        with pytest.raises(TypeError):
            model.predict(UNREAD[name])
        assert recording.calls() == 1
    else:
        model.predict(UNREAD[name])
        rows = recording.rows()
        assert (rows.used, rows.dropped) == (0, rows.seen)
        assert rows.seen == len(UNREAD[name])
    assert recording.faults() == {}


EMPTY: dict[str, Any] = {
    "array": np.empty((0, 3)),
    "float32": np.empty((0, 3), np.float32),
    "list": [],
    "frame": pd.DataFrame({"a": [], "b": []}),
    "mixed frame": pd.DataFrame({"a": [1.0], "b": ["x"]})[:0],
    "polars": pl.DataFrame({"a": [1.0]})[:0],
    "sparse": sparse.csr_matrix((0, 3)),
}


@pytest.mark.parametrize("name", EMPTY)
def test_an_empty_input_is_a_request(name: str, recording: Recording) -> None:
    """No rows are no rows, beside calls that have some."""
    model = Anything()
    model.predict(EMPTY[name])
    model.predict(np.ones((2, 3)))
    model.predict(EMPTY[name])
    assert recording.calls() == 3
    assert recording.faults() == {}
    rows = recording.rows()
    assert (rows.seen, rows.used, rows.dropped) == (2, 2, 0)


REFUSED: dict[str, Any] = {
    "one dimension": np.zeros(3),
    "too wide": np.zeros((2, 9)),
    "ragged": [[1.0, 2.0], [3.0]],
    "empty": np.empty((0, 3)),
    "NaN": np.full((1, 3), np.nan),
    "text": [["a", "b", "c"]],
    "nothing": None,
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_model_refuses_is_an_error(
    name: str, recording: Recording, rows: Any, labels: Any
) -> None:
    """The library's own message comes out, and no fault of ours."""
    model = LogisticRegression().fit(rows[:, :3], labels)
    with pytest.raises((ValueError, TypeError)) as caught:
        model.predict(REFUSED[name])
    assert dict(recording.errors()) == {type(caught.value).__name__: 1}
    assert recording.rows().seen == 0
    assert recording.faults() == {}


def test_an_odd_input_has_one_record(recording: Recording) -> None:
    """An input of a class that nobody knows, and one whose length raises, are answered."""

    class Odd:
        shape = (2, 1)

        def __len__(self) -> int:
            raise RuntimeError("no length")

    assert Anything().predict(Odd()).tolist() == [0.0, 0.0]
    assert recording.calls() == 1


CHANGES: dict[str, tuple[Callable[[], Any], Callable[[Any], object]]] = {
    "row": (lambda: np.ones((1, 2)), lambda data: data.fill(9)),
    "rows": (lambda: np.ones((3, 2)), lambda data: data.fill(9)),
    "objects": (lambda: np.ones((3, 2), object), lambda data: data.fill(9)),
    "list": (lambda: [[1.0, 1.0]], lambda data: data[0].__setitem__(0, 9.0)),
    "dicts": (lambda: [{"a": 1.0}], lambda data: data[0].update(a=9.0)),
    "frame": (
        lambda: pd.DataFrame({"a": [1.0], "b": [1.0]}),
        lambda data: data.__setitem__("a", 9.0),
    ),
    "frame, one cell": (
        lambda: pd.DataFrame({"a": [1.0], "b": [1]}),
        lambda data: data.iloc.__setitem__((0, 0), 9.0),
    ),
    "sparse": (lambda: sparse.csr_matrix(np.ones((2, 2))), lambda data: data.data.fill(9)),
    "polars": (
        lambda: pl.DataFrame({"a": [1.0, 1.0]}),
        lambda data: data.__setitem__((0, "a"), 9.0),
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_changes_after_the_call_are_not_seen(name: str, recording: Recording) -> None:
    """A caller that uses its buffer again changes nothing of the record."""
    make, change = CHANGES[name]
    data = make()
    Anything().predict(data)
    change(data)
    table = features(recording)
    assert {float(value) for value in column(table, 0)} == {1.0}


@pytest.mark.parametrize("kind", ["array", "frame", "list of views", "sparse"])
def test_a_huge_batch_costs_a_bounded_copy(kind: str, recording: Recording) -> None:
    """Of a million rows 256 at most are used, spread over all, and nothing big is copied."""
    many = 1_000_000
    array = np.zeros((many, 100), np.float32)
    array[:, 0] = np.arange(many)
    makers: dict[str, Callable[[], Any]] = {
        "array": lambda: array,
        "frame": lambda: pd.DataFrame(array, copy=False),
        "list of views": lambda: list(array[:100_000]),
        "sparse": lambda: sparse.csr_matrix(array[:, :1]),
    }
    data = makers[kind]()
    rows = len(data) if kind != "sparse" else many

    class Tiny(Anything):
        def predict(self, X: Any) -> Any:  # noqa: N803 - scikit-learn's name
            return answer

    answer = np.zeros(rows, np.float32)
    model = Tiny()
    model.predict(data[:1])
    recording.calls()
    tracemalloc.start()
    model.predict(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # A sparse matrix cannot be strided without its row pointers.
    assert peak < (2_000_000 if kind != "sparse" else 20_000_000)
    counted = recording.rows()
    assert counted.seen == rows + 1
    assert 240 <= counted.used - 1 <= 256
    batch = recording.batches()[-1]
    assert batch.features is not None
    picked = np.array(column(batch.features, 0), dtype=float)
    assert picked.min() < rows * 0.01
    assert picked.max() > rows * 0.99
    assert recording.faults() == {}

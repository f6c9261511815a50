"""Whatever a session is fed with: tables are read, all else is counted, nothing is touched."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from onnx import TensorProto
from tidegauge_testkit import onnx_models
from tidegauge_testkit.recording import Recording

FLOAT, INT, TEXT = TensorProto.FLOAT, TensorProto.INT64, TensorProto.STRING
Open = Callable[[Any], Any]


def floats(*shape: int) -> Any:
    """Return numbers of a shape."""
    return np.random.default_rng(9).normal(size=shape).astype(np.float32)


def read(recording: Recording) -> list[tuple[tuple[str, ...] | None, list[list[Any]]]]:
    """Return the names and rows of the features of each model, in the order of its batches."""
    found: list[tuple[tuple[str, ...] | None, list[list[Any]]]] = []
    for batch in recording.batches():
        table = batch.features
        assert table is not None
        columns = table.columns or () if table.matrix is None else table.matrix.T
        rows = [list(row) for row in zip(*(column.tolist() for column in columns), strict=True)]
        if found and found[-1][0] == table.names:
            found[-1][1].extend(rows)
        else:
            found.append((table.names, rows))
    return found


@pytest.mark.parametrize("many", [1, 5])
def test_a_table_is_read_as_it_was(recording: Recording, opened: Open, many: int) -> None:
    """One input of two dimensions: its columns go by their position."""
    data = floats(many, 3)
    session = opened(onnx_models.linear())
    session.run(None, {"X": data})
    expected = data.astype(np.float64).tolist()
    data[:] = 99.0  # the caller's buffer, used again
    assert [(None, expected)] == read(recording)
    assert recording.rows().used == many


@pytest.mark.parametrize("many", [1, 5])
def test_inputs_of_one_column_are_columns(recording: Recording, opened: Open, many: int) -> None:
    """A DataFrame that was exported has an input a column, numbers beside text, with its names."""
    feed = {
        "age": floats(many, 1),
        "city": np.array([["Oslo"], ["Bergen"]] * many, dtype=object)[:many],
        "income": floats(many, 1),
    }
    opened(onnx_models.columns()).run(None, feed)
    (found,) = read(recording)
    assert found[0] == ("age", "city", "income")
    assert found[1] == [
        [float(feed["age"][i, 0]), feed["city"][i, 0], float(feed["income"][i, 0])]
        for i in range(many)
    ]


def test_flat_inputs_are_columns(recording: Recording, opened: Open) -> None:
    """The same for inputs of one dimension, and for one alone."""
    session = opened(onnx_models.same(age=(FLOAT, (None,)), size=(INT, (None,))))
    session.run(None, {"age": floats(4), "size": np.arange(4)})
    recording.calls()
    opened(onnx_models.same(age=(FLOAT, (None,)))).run(None, {"age": floats(4)})
    (several, alone) = read(recording)
    ages = floats(4).astype(np.float64).tolist()
    assert several == (("age", "size"), [[age, float(i)] for i, age in enumerate(ages)])
    assert alone == (None, [[age] for age in ages])


def test_lists_are_read_as_arrays(recording: Recording, opened: Open) -> None:
    """ONNX Runtime takes nested lists, and so do we."""
    rows = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]
    opened(onnx_models.linear()).run(None, {"X": rows})
    recording.calls()
    opened(onnx_models.same(a=(FLOAT, (None, 1)), b=(FLOAT, (None,)))).run(
        None, {"a": [[1.0], [2.0]], "b": [3.0, 4.0]}
    )
    assert [(None, rows), (("a", "b"), [[1.0, 3.0], [2.0, 4.0]])] == read(recording)


# What is fed, and how many rows that is; none of it is a table.
COUNTED: dict[str, tuple[dict[str, tuple[int, tuple[int | None, ...]]], dict[str, Any], int]] = {
    "images": ({"pixels": (FLOAT, (None, 3, 8, 8))}, {"pixels": floats(6, 3, 8, 8)}, 6),
    "a nested list": ({"pixels": (FLOAT, (None, 2, 1))}, {"pixels": [[[1.0], [2.0]]] * 3}, 3),
    "words, one by one": ({"tokens": (INT, (None,))}, {"tokens": np.ones(5, np.int64)}, 5),
    "two tables": (
        {"a": (FLOAT, (None, 2)), "b": (FLOAT, (None, 3))},
        {"a": floats(4, 2), "b": floats(4, 3)},
        4,
    ),
    "a table and a parameter": (
        {"threshold": (FLOAT, (1,)), "X": (FLOAT, (None, 3))},
        {"threshold": floats(1), "X": floats(7, 3)},
        7,
    ),
    "a table and a number": (
        {"threshold": (FLOAT, ()), "X": (FLOAT, (None, 3))},
        {"threshold": np.array(0.5, np.float32), "X": floats(7, 3)},
        7,
    ),
    "columns of other lengths": (
        {"a": (FLOAT, (None,)), "b": (FLOAT, (None,))},
        {"a": floats(4), "b": floats(5)},
        4,
    ),
    "one number": ({"a": (FLOAT, ())}, {"a": np.array(0.5, np.float32)}, 1),
    "texts": ({"a": (TEXT, (None, 1))}, {"a": np.array([["Dear Sir"]] * 3, object)}, 3),
    "flat texts": ({"a": (TEXT, (None,))}, {"a": np.array(["Dear Sir"] * 3)}, 3),
    "listed texts": ({"a": (TEXT, (None,))}, {"a": ["Dear Sir"] * 3}, 3),
    "too wide": ({"X": (FLOAT, (None, 5000))}, {"X": floats(2, 5000)}, 2),
}


@pytest.mark.parametrize("many", [1, 3])
def test_a_text_is_as_many_tokens(recording: Recording, opened: Open, many: int) -> None:
    """By its mask, or else by its width; which words they are is not recorded."""
    words = np.arange(many * 8).reshape(many, 8)
    mask = np.tril(np.ones((8, 8), np.int64))[2 : 2 + many]
    masked = opened(onnx_models.same(input_ids=(INT, (None, 8)), attention_mask=(INT, (None, 8))))
    masked.run(None, {"input_ids": words, "attention_mask": mask})
    bare = opened(onnx_models.same(input_ids=(INT, (None, 8))))
    bare.run(None, {"input_ids": words})
    bare.run(None, {"input_ids": words.tolist()})
    bare.run_with_ort_values(None, {"input_ids": ort.OrtValue.ortvalue_from_numpy(words)})
    lengths = [[float(3 + i)] for i in range(many)]
    assert [(("tokens",), lengths + [[8.0]] * 3 * many)] == read(recording)
    assert recording.faults() == {}


@pytest.mark.parametrize("name", COUNTED)
def test_what_is_no_table_is_counted(name: str, recording: Recording, opened: Open) -> None:
    """Its rows are the first dimension; of its content nothing is kept."""
    inputs, feed, many = COUNTED[name]
    opened(onnx_models.same(**inputs)).run(None, feed)
    assert [batch.features for batch in recording.batches()] in ([], [None])
    rows = recording.rows()
    assert (rows.seen, rows.used) == (many, 0)
    assert recording.calls() == 1
    assert recording.faults() == {}


def test_no_rows_are_no_rows(recording: Recording, opened: Open) -> None:
    """An empty batch is a call."""
    opened(onnx_models.linear()).run(None, {"X": floats(0, 3)})
    opened(onnx_models.same(a=(FLOAT, (None,)), b=(FLOAT, (None,)))).run(
        None, {"a": floats(0), "b": floats(0)}
    )
    assert (recording.calls(), recording.rows().seen) == (2, 0)
    assert recording.faults() == {}


def test_ort_values_are_read_where_they_are(recording: Recording, opened: Open) -> None:
    """On the CPU they are tables like others, by either of the methods that take them."""
    data = floats(4, 3)
    value = ort.OrtValue.ortvalue_from_numpy(data)
    session = opened(onnx_models.linear())
    session.run_with_ort_values(["Y"], {"X": value})
    session.run_with_ort_values(output_names=None, input_dict_ort_values={"X": value})
    recording.calls()
    columns = {name: ort.OrtValue.ortvalue_from_numpy(floats(4, 1)) for name in "ab"}
    two = opened(onnx_models.same(a=(FLOAT, (None, 1)), b=(FLOAT, (None, 1))))
    two.run_with_ort_values(None, columns)
    ones = floats(4, 1).astype(np.float64).ravel().tolist()
    assert [
        (None, data.astype(np.float64).tolist() * 2),
        (("a", "b"), [[one, one] for one in ones]),
    ] == read(recording)
    assert recording.faults() == {}


class OnDevice:
    """An ``OrtValue`` on a device, as its public methods describe one."""

    def __init__(self, *shape: int) -> None:
        self._shape = list(shape)

    def shape(self) -> list[int]:
        """Return its shape, which the host knows."""
        return self._shape

    def device_name(self) -> str:
        """Return where it is."""
        return "cuda"

    def is_tensor(self) -> bool:
        """Say what it is."""
        return True

    def numpy(self) -> Any:
        """Refuse: nobody has asked for a copy."""
        raise AssertionError("copied from the device")


def test_what_is_on_a_device_stays_there(recording: Recording, opened: Open) -> None:
    """Of its rows only their number is asked; here the session itself refuses the stand-in."""
    session = opened(onnx_models.linear())
    with pytest.raises(AttributeError, match="_get_c_value"):
        session.run_with_ort_values(None, {"X": OnDevice(9, 3)})
    assert dict(recording.errors()) == {"AttributeError": 1}
    assert recording.faults() == {}


WRONG: dict[str, tuple[Any, str, str]] = {
    "another width": ({"X": floats(2, 5)}, "InvalidArgument", "invalid dimensions"),
    "another type": ({"X": np.ones((2, 3))}, "InvalidArgument", "tensor.double"),
    "another name": ({"Z": floats(2, 3)}, "ValueError", "missing"),
    "one too many": ({"X": floats(2, 3), "Z": floats(2, 3)}, "InvalidArgument", "Z"),
    "nothing": ({}, "ValueError", "missing"),
    "no feed": (None, "AttributeError", "keys"),
    "a table alone": (floats(2, 3), "AttributeError", "keys"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_feed_is_the_callers_error(name: str, recording: Recording, opened: Open) -> None:
    """ONNX Runtime says what is wrong, as without us; it is counted by its type."""
    feed, kind, words = WRONG[name]
    with pytest.raises(Exception, match=words) as caught:
        opened(onnx_models.linear()).run(None, feed)
    assert type(caught.value).__name__ == kind
    assert dict(recording.errors()) == {kind: 1}
    assert recording.faults() == {}


def test_a_huge_batch_costs_its_caller_256_rows(recording: Recording, opened: Open) -> None:
    """A million rows, as one table or as columns: each is counted, 256 at most are copied."""
    many = 1_000_000
    table = opened(onnx_models.linear())
    columns = opened(onnx_models.same(a=(FLOAT, (None, 1)), b=(FLOAT, (None, 1))))
    feeds = [
        (table, {"X": np.zeros((many, 3), np.float32)}),
        (columns, {name: np.zeros((many, 1), np.float32) for name in "ab"}),
    ]
    for session, feed in feeds:
        few = {name: value[:1] for name, value in feed.items()}
        session.run(None, few)
        tracemalloc.start()
        results = session.run(None, feed)
        peak = tracemalloc.get_traced_memory()[1] - sum(result.nbytes for result in results)
        tracemalloc.stop()
        assert peak < 1_000_000
    rows = recording.rows()
    assert rows.seen == 2 * (many + 1)
    assert 400 < rows.used < 600

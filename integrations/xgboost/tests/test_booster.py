"""Boosters: which calls count, with which rows and which values."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse
import xgboost
from tidegauge_testkit.recording import Recording

ROWS = 60


def recorded(recording: Recording) -> tuple[tuple[str, ...] | None, list[list[Any]]]:
    """Return names and rows of the only batch, None for what is missing."""
    (batch,) = recording.batches()
    table = batch.features
    assert table is not None
    columns = list(table.matrix.T) if table.matrix is not None else list(table.columns or ())
    rows = zip(*(column.tolist() for column in columns), strict=True)
    # NaN is not itself.
    return table.names, [[value if value == value else None for value in row] for row in rows]  # noqa: PLR0124


def answers(recording: Recording) -> list[list[float]]:
    """Return the outputs of the only batch."""
    (batch,) = recording.batches()
    assert batch.outputs is not None
    assert batch.outputs.matrix is not None
    found: list[list[float]] = batch.outputs.matrix.tolist()
    return found


# -- inputs --------------------------------------------------------------------------------------

PRICES = pd.DataFrame({"price": [19.99, 5.0, np.nan], "size": [1.5, 2.0, 2.5]})
COLOURS = PRICES.assign(size=pd.Categorical(["red", "blue", "red"]))

# What is given -> the names and the first row that are recorded.
INPUTS: dict[str, tuple[Any, tuple[str, ...] | None, list[Any]]] = {
    "array": (np.array([[19.99, np.nan], [1.0, 2.0]]), None, [19.99, None]),
    "array of columns": (np.asfortranarray([[19.99, 1.0], [1.0, 2.0]]), None, [19.99, 1.0]),
    "single precision": (np.array([[0.5, 2.0]], np.float32), None, [0.5, 2.0]),
    "integers": (np.array([[1, 2]]), None, [1.0, 2.0]),
    "list": ([[19.99, 1.0], [1.0, 2.0]], None, [19.99, 1.0]),
    "frame": (PRICES, ("price", "size"), [19.99, 1.5]),
    "categories": (COLOURS, ("price", "size"), [19.99, "red"]),
    "polars": (pl.DataFrame({"a": [19.99], "b": [2.0]}), ("a", "b"), [19.99, 2.0]),
    "arrow": (pa.table({"a": [19.99], "b": [2.0]}), ("a", "b"), [19.99, 2.0]),
    # What a sparse matrix leaves out is missing to XGBoost; a 0 that it holds is one.
    "sparse": (
        scipy.sparse.csr_matrix(([19.99, 0.0], [0, 1], [0, 1, 2]), shape=(2, 2)),
        None,
        [19.99, None],
    ),
}

# Frames of polars are for XGBoost 3, but for a DMatrix that is not quantized.
TAKEN = [name for name in INPUTS if name != "polars" or int(xgboost.__version__[0]) > 2]


@pytest.mark.parametrize("name", TAKEN)
@pytest.mark.parametrize("kind", ["DMatrix", "QuantileDMatrix"])
def test_a_matrix_is_recorded_as_what_it_was_made_of(
    recording: Recording, train: Any, kind: str, name: str
) -> None:
    """In double precision, with categories and missing values, quantized or not."""
    data, names, first = INPUTS[name]
    model = train(data, [0.0] * (data.shape[0] if hasattr(data, "shape") else len(data)))
    model.predict(getattr(xgboost, kind)(data, enable_categorical=True))
    found, rows = recorded(recording)
    assert (names, first) == (found, rows[0])
    assert len(answers(recording)) == len(rows)
    assert recording.faults() == {}


@pytest.mark.parametrize("name", TAKEN)
def test_rows_in_place_are_recorded(recording: Recording, train: Any, name: str) -> None:
    """All that ``inplace_predict`` takes, as it was given."""
    data, names, first = INPUTS[name]
    model = train(data, [0.0] * (data.shape[0] if hasattr(data, "shape") else len(data)))
    model.inplace_predict(data)
    found, rows = recorded(recording)
    assert (names, first) == (found, rows[0])
    assert len(answers(recording)) == len(rows)
    assert recording.faults() == {}


def test_the_matrix_is_recorded_not_what_becomes_of_the_array(
    recording: Recording, booster: Any, rows: Any
) -> None:
    """Who writes into the array after the matrix was made changes neither."""
    buffer = rows[:2].copy()
    matrix = xgboost.DMatrix(buffer)
    buffer[:] = 0.0
    booster.predict(matrix)
    _, found = recorded(recording)
    assert rows[:2].tolist() == found


@pytest.mark.parametrize(
    "made", [lambda m: m, lambda m: m.slice(list(range(0, ROWS, 2)))], ids=["whole", "slice"]
)
def test_a_matrix_that_nobody_saw_is_read(
    train: Any, rows: Any, made: Callable[[Any], Any]
) -> None:
    """One made before Tidegauge came, or cut from another, is read itself: in single precision."""
    from tidegauge_xgboost import XGBoostInstrumentor

    holes = np.where(rows > 1, np.nan, rows).astype(np.float32)
    matrix = made(xgboost.DMatrix(holes))
    model = train(holes, np.zeros(ROWS))
    instrumentor = XGBoostInstrumentor()
    instrumentor.instrument(skip_dep_check=True)
    with Recording() as recording:
        model.predict(matrix)
        _, found = recorded(recording)
    instrumentor.uninstrument()
    expected = holes[:: ROWS // matrix.num_row()].astype(float)
    assert [[None if v != v else v for v in row] for row in expected.tolist()] == found  # noqa: PLR0124


def test_what_cannot_be_told_is_not_recorded(train: Any) -> None:
    """Cuts are no values and codes no categories: such a matrix counts, its rows are not read."""
    from tidegauge_xgboost import XGBoostInstrumentor

    model = train(COLOURS, [0.0] * 3)
    matrices = [
        xgboost.QuantileDMatrix(COLOURS, enable_categorical=True),
        xgboost.DMatrix(COLOURS, enable_categorical=True),
    ]
    instrumentor = XGBoostInstrumentor()
    instrumentor.instrument(skip_dep_check=True)
    with Recording() as recording:
        for matrix in matrices:
            model.predict(matrix)
        (batch,) = recording.batches()
        assert (batch.features, len(answers(recording))) == (None, 6)
        assert recording.rows().seen == 6
        assert recording.faults() == {}
    instrumentor.uninstrument()


@pytest.mark.parametrize("form", ["csr", "csc", "coo"])
def test_a_large_sparse_matrix_is_not_converted(form: str) -> None:
    """Of one by columns no rows can be cut without a copy of all: it is counted, not read."""
    from tidegauge_xgboost._extract import rows_in_place

    cells = np.arange(2_000_000)
    data = scipy.sparse.coo_matrix(
        (np.ones(cells.size), (cells // 2, cells % 2)), shape=(1_000_000, 3)
    ).asformat(form)
    found = rows_in_place(data)
    rows = found.read(7, 500_000)
    assert 1_000_000 == len(found)
    if form == "csr":
        assert [[1.0, 1.0, None]] * 2 == [[None if v != v else v for v in row] for row in rows]  # noqa: PLR0124
    else:
        assert rows is None


def test_what_is_on_a_device_stays_there() -> None:
    """Arrays of cupy and cuDF are counted and not read."""
    from tidegauge_xgboost._extract import rows_in_place

    array = type("ndarray", (list,), {"__module__": "cupy._core.core"})([[1.0], [2.0]])
    found = rows_in_place(array)
    assert (2, None) == (len(found), found.read(0, 1))


@pytest.mark.filterwarnings("ignore:.*Empty dataset:UserWarning")
def test_no_rows_are_no_rows(recording: Recording, booster: Any, rows: Any) -> None:
    """A call without rows is a call."""
    booster.predict(xgboost.DMatrix(rows[:0]))
    booster.inplace_predict(rows[:0])
    assert (recording.calls(), recording.rows().seen, recording.faults()) == (2, 0, {})


def test_what_is_no_matrix_is_the_callers_error(
    recording: Recording, booster: Any, rows: Any
) -> None:
    """XGBoost says what it expects; that is one error of the call and none of ours."""
    with pytest.raises(TypeError, match="DMatrix"):
        booster.predict(rows)
    assert dict(recording.errors()) == {"TypeError": 1}
    assert recording.faults() == {}


def test_a_matrix_without_data_is_the_callers_error(recording: Recording) -> None:
    """A constructor that raises does so as ever."""
    with pytest.raises(TypeError):
        xgboost.DMatrix()
    assert recording.faults() == {}


def test_a_million_rows_cost_their_caller_256(recording: Recording, booster: Any) -> None:
    """Of a large matrix 256 rows are kept, each beside the answer that belongs to it."""
    data = np.random.default_rng(0).normal(size=(1_000_000, 4))
    matrix = xgboost.DMatrix(data, nthread=1)
    expected = booster.predict(matrix)
    (batch,) = recording.batches()
    assert recording.rows().seen == 1_000_000
    assert batch.features is not None
    assert batch.features.matrix is not None
    assert batch.outputs is not None
    assert batch.outputs.matrix is not None
    assert 200 <= batch.features.rows <= 256
    places = {value: place for place, value in enumerate(data[:, 0].tolist())}
    chosen = [places[value] for value in batch.features.matrix[:, 0].tolist()]
    assert data[chosen].tolist() == batch.features.matrix.tolist()
    assert expected[chosen].astype(float).tolist() == batch.outputs.matrix[:, 0].tolist()


def test_rows_go_with_their_matrix(recording: Recording, rows: Any) -> None:
    """What is kept of a matrix goes when the matrix goes."""
    from tidegauge_xgboost import _matrices

    before = len(_matrices._taken)
    matrices = [xgboost.DMatrix(rows) for _ in range(3)]
    assert len(_matrices._taken) == before + 3
    del matrices
    gc.collect()
    assert len(_matrices._taken) == before

"""Boosters: which calls count, with which rows and which values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import scipy.sparse
from tidegauge_testkit.recording import Recording

# The objective as the app may call it, what it needs, and which outputs have values.
OBJECTIVES: dict[str, tuple[dict[str, Any], set[str]]] = {
    "binary": ({}, {""}),
    "softmax": ({"num_class": 3}, {"0", "1", "2"}),
    "ova": ({"num_class": 3}, {"0", "1", "2"}),
    "mse": ({}, {""}),
    "poisson": ({}, {""}),
    "xentropy": ({}, {""}),
    "lambdarank": ({"group": [30, 30]}, {""}),
}


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_probabilities_and_numbers_are_values(
    recording: Recording, train: Any, rows: Any, labels: Any, objective: str
) -> None:
    """One output, or one for each class; a booster never answers with labels."""
    params, outputs = OBJECTIVES[objective]
    model = train(rows, labels, objective=objective, **params)
    result = model.predict(rows)
    assert {output for _, output in recording.values()} == outputs
    (batch,) = recording.batches()
    assert batch.outputs is not None
    assert batch.outputs.matrix is not None
    assert result.reshape(60, -1).tolist() == batch.outputs.matrix.tolist()
    assert recording.faults() == {}


def test_an_objective_of_the_apps_own(recording: Recording, train: Any, rows: Any) -> None:
    """Its answers are numbers."""
    model = train(rows, rows[:, 0], objective=lambda p, d: (p - d.get_label(), np.ones(len(p))))
    model.predict(rows)
    assert {("Booster", ""): 60} == recording.values()
    assert recording.faults() == {}


@pytest.mark.parametrize(
    ("objective", "task"),
    [("binary", "classification"), ("softmax", "classification"), ("l1", "regression"),
     ("lambdarank", "unknown")],
)  # fmt: skip
def test_the_task_is_read_from_the_model(
    train: Any, rows: Any, labels: Any, objective: str, task: str
) -> None:
    """By whatever name the app has asked for it, trained or loaded."""
    import lightgbm
    from tidegauge_lightgbm._extract import describe

    params: Any = {"softmax": {"num_class": 3}, "lambdarank": {"group": [30, 30]}}
    params = params.get(objective, {})
    model = train(rows, labels, objective=objective, **params)
    loaded = lightgbm.Booster(model_str=model.model_to_string())
    assert (task, task) == (describe(model).task, describe(loaded).task)


# -- inputs --------------------------------------------------------------------------------------

PRICES = pd.DataFrame({"price": [19.99, 5.0, np.nan] * 20, "size": [1.5, 2.0, 2.5] * 20})
COLOURS = PRICES.assign(size=pd.Categorical(["red", "blue", "red"] * 20))


@pytest.mark.parametrize(
    ("data", "first"),
    [(PRICES, [19.99, 1.5]), (COLOURS, [19.99, "red"])],
    ids=["frame", "categories"],
)
def test_frames_are_recorded_as_they_are(
    recording: Recording, train: Any, data: Any, first: list[Any]
) -> None:
    """By their names, with categories as the app knows them."""
    train(data, [0.0, 1.0, 2.0] * 20).predict(data)
    (batch,) = recording.batches()
    assert batch.features is not None
    assert ("price", "size") == batch.features.names
    table = batch.features
    columns = list(table.matrix.T) if table.matrix is not None else list(table.columns or ())
    assert first == [column.tolist()[0] for column in columns]


def test_what_a_sparse_matrix_leaves_out_is_zero(
    recording: Recording, train: Any, rows: Any, labels: Any
) -> None:
    """As it is to LightGBM."""
    data = np.where(rows > 0, rows, 0)
    train(data, labels).predict(scipy.sparse.csr_matrix(data))
    (batch,) = recording.batches()
    assert batch.features is not None
    assert batch.features.matrix is not None
    assert data.tolist() == batch.features.matrix.tolist()


def test_tables_of_arrow_are_read(recording: Recording, train: Any, rows: Any, labels: Any) -> None:
    """Where LightGBM takes them."""
    pytest.importorskip("cffi", reason="LightGBM reads Arrow with it")
    table = pa.table({name: rows[:, at] for at, name in enumerate("abcd")})
    train(rows, labels).predict(table)
    (batch,) = recording.batches()
    assert batch.features is not None
    assert (("a", "b", "c", "d"), 60) == (batch.features.names, batch.features.rows)


def test_names_that_lightgbm_makes_up_are_none(
    recording: Recording, train: Any, rows: Any, labels: Any
) -> None:
    """``Column_0`` is nobody's feature; those that the app gave fit rows without names."""
    train(rows, labels).predict(rows)
    named = train(pd.DataFrame(rows, columns=list("abcd")), labels)
    named.predict(rows)
    found = [batch.features.names for batch in recording.batches() if batch.features]
    assert [None, ("a", "b", "c", "d")] == found


def test_a_file_of_rows_is_a_call(
    recording: Recording, booster: Any, rows: Any, tmp_path: Path
) -> None:
    """Neither its path nor its rows are recorded."""
    np.savetxt(tmp_path / "rows.csv", np.column_stack([rows[:, 0], rows]), delimiter=",")
    for file in (tmp_path / "rows.csv", str(tmp_path / "rows.csv")):
        assert len(booster.predict(file)) == 60
    assert (recording.calls(), recording.rows().seen, recording.faults()) == (2, 0, {})
    assert {} == recording.values()


@pytest.mark.parametrize("data", [np.zeros((2, 9)), "gone.csv", object()])
def test_what_cannot_be_predicted_is_the_callers_error(
    recording: Recording, booster: Any, data: Any
) -> None:
    """LightGBM says what it expects; that is one error of the call and none of ours."""
    import lightgbm

    with pytest.raises((lightgbm.basic.LightGBMError, TypeError)):
        booster.predict(data)
    assert sum(recording.errors().values()) == 1
    assert recording.faults() == {}

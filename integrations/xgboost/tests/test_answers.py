"""What boosters answer with: values and labels, and what is no prediction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import xgboost
from tidegauge_testkit.recording import Recording

# The objective, what it needs, and which outputs have values; none where it gives labels.
OBJECTIVES: dict[str, tuple[dict[str, Any], set[str]]] = {
    "binary:logistic": ({}, {""}),
    "binary:logitraw": ({}, {""}),
    "binary:hinge": ({}, set()),
    "multi:softprob": ({"num_class": 3}, {"0", "1", "2"}),
    "multi:softmax": ({"num_class": 3}, set()),
    "reg:squarederror": ({}, {""}),
    "reg:quantileerror": ({"quantile_alpha": [0.1, 0.9]}, {"0", "1"}),
    "count:poisson": ({}, {""}),
    "survival:cox": ({}, {""}),
    "rank:ndcg": ({}, {""}),
}


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_values_are_told_from_labels(
    recording: Recording, train: Any, rows: Any, labels: Any, objective: str
) -> None:
    """Probabilities, numbers and scores have a histogram for each output; labels have none."""
    params, outputs = OBJECTIVES[objective]
    model = train(rows, labels, objective=objective, **params)
    expected = model.predict(xgboost.DMatrix(rows))
    model.inplace_predict(rows)
    assert {output for _, output in recording.values()} == outputs
    for batch in recording.batches():
        assert batch.outputs is not None
        assert batch.outputs.matrix is not None
        shaped = expected.reshape(len(rows), -1).astype(float)
        assert shaped.tolist() == batch.outputs.matrix.tolist()
    assert recording.calls() == 2


def test_one_row_is_like_many(recording: Recording, train: Any, rows: Any, labels: Any) -> None:
    """A service that asks row by row records the same."""
    model = train(rows, labels, objective="multi:softprob", num_class=2)
    for row in rows[:3]:
        model.predict(xgboost.DMatrix(row[None]))
    (batch,) = recording.batches()
    assert batch.features is not None
    assert batch.features.matrix is not None
    assert rows[:3].tolist() == batch.features.matrix.tolist()
    assert {("Booster", "0"): 3, ("Booster", "1"): 3} == recording.values()


def test_a_strict_shape_is_the_same_answer(recording: Recording, booster: Any, rows: Any) -> None:
    """``strict_shape`` makes a column of a row."""
    result = booster.predict(xgboost.DMatrix(rows), strict_shape=True)
    assert result.shape == (60, 1)
    assert {("Booster", ""): 60} == recording.values()


# Calls that ask for something else than predictions.
EXPLAINED: dict[str, Callable[[Any, Any], Any]] = {
    "margin": lambda model, rows: model.predict(xgboost.DMatrix(rows), output_margin=True),
    "leaves": lambda model, rows: model.predict(xgboost.DMatrix(rows), pred_leaf=True),
    "contributions": lambda model, rows: model.predict(xgboost.DMatrix(rows), pred_contribs=True),
    "approximate": lambda model, rows: model.predict(
        xgboost.DMatrix(rows), pred_contribs=True, approx_contribs=True
    ),
    "interactions": lambda model, rows: model.predict(
        xgboost.DMatrix(rows), pred_interactions=True
    ),
    "training": lambda model, rows: model.predict(xgboost.DMatrix(rows), training=True),
    "by position": lambda model, rows: model.predict(xgboost.DMatrix(rows), False, True),
    "margin in place": lambda model, rows: model.inplace_predict(rows, predict_type="margin"),
    "margin in place by position": lambda model, rows: model.inplace_predict(
        rows, (0, 0), "margin"
    ),
    "importance": lambda model, rows: model.get_score(),
    "evaluation": lambda model, rows: model.eval(xgboost.DMatrix(rows, rows[:, 0] > 0)),
}


@pytest.mark.filterwarnings("ignore:Pass .* as keyword args:FutureWarning")
@pytest.mark.parametrize("name", EXPLAINED)
def test_explanations_are_no_predictions(
    recording: Recording, booster: Any, rows: Any, name: str
) -> None:
    """Margins, leaves and contributions have other shapes and meanings: they are not recorded."""
    EXPLAINED[name](booster, rows)
    assert (recording.calls(), recording.faults()) == (0, {})


@pytest.mark.filterwarnings("ignore:Pass .* as keyword args:FutureWarning")
@pytest.mark.parametrize(
    "ask",
    [
        lambda model, rows: model.predict(data=xgboost.DMatrix(rows)),
        lambda model, rows: model.predict(xgboost.DMatrix(rows), iteration_range=(0, 1)),
        lambda model, rows: model.predict(xgboost.DMatrix(rows), output_margin=False),
        lambda model, rows: model.predict(xgboost.DMatrix(rows), False, False),
        lambda model, rows: model.predict(xgboost.DMatrix(data=rows), validate_features=False),
        lambda model, rows: model.inplace_predict(data=rows),
        lambda model, rows: model.inplace_predict(rows, predict_type="value"),
        lambda model, rows: model.inplace_predict(rows, (0, 1), "value"),
        lambda model, rows: xgboost.Booster.predict(model, xgboost.DMatrix(rows)),
    ],
)
def test_all_other_calls_are(recording: Recording, booster: Any, rows: Any, ask: Any) -> None:
    """However the arguments are passed."""
    ask(booster, rows)
    (batch,) = recording.batches()
    assert batch.features is not None
    assert batch.outputs is not None
    assert (batch.features.rows, batch.outputs.rows) == (60, 60)
    assert recording.faults() == {}


def test_features_have_the_boosters_names(
    recording: Recording, train: Any, rows: Any, labels: Any
) -> None:
    """Rows without names get those of the model, if their number fits."""
    matrix = xgboost.DMatrix(rows, labels, feature_names=["a", "b", "c", "d"])
    model = xgboost.train({"max_depth": 2, "nthread": 1}, matrix, 1)
    model.inplace_predict(rows)
    model.predict(matrix)
    assert [("a", "b", "c", "d")] * 2 == [
        batch.features.names for batch in recording.batches() if batch.features
    ]


def test_predictions_in_the_booster_of_an_estimator_count(
    recording: Recording, rows: Any, labels: Any
) -> None:
    """Whoever takes the booster out of an estimator asks the booster."""
    model = xgboost.XGBClassifier(n_estimators=2, n_jobs=1).fit(rows, labels)
    model.get_booster().inplace_predict(rows)
    assert set(recording.counts()) == {("Booster", "inplace_predict")}


def test_single_precision_is_no_other_number(recording: Recording, booster: Any, rows: Any) -> None:
    """The answer is recorded as it was given, in single precision."""
    found = booster.inplace_predict(rows[:1])
    assert found.dtype == np.float32
    (batch,) = recording.batches()
    assert batch.outputs is not None
    assert batch.outputs.matrix is not None
    assert [[float(found[0])]] == batch.outputs.matrix.tolist()

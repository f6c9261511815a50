"""What boosters answer with: values and labels, and what is no prediction."""

from __future__ import annotations

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

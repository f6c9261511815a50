"""What a model answers becomes values, under the names of its classes."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.ensemble import IsolationForest, RandomForestClassifier
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from tidegauge.batch import Batch, Table
from tidegauge_testkit.recording import Recording


class Answers(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """A regressor that answers what a function makes of its rows."""

    def __init__(self, answer: Callable[[Any], Any] = len) -> None:
        self.answer = answer

    def predict(self, X: Any) -> Any:  # noqa: N803 - scikit-learn's name
        """Answer."""
        return self.answer(X)


def outputs(batch: Batch) -> Table:
    """Return the outputs of a batch."""
    assert batch.outputs is not None
    return batch.outputs


def matrix(batch: Batch) -> Any:
    """Return the outputs of a batch that are all numbers."""
    found = outputs(batch).matrix
    assert found is not None
    return found


def test_binary_probabilities_are_the_second_class(
    recording: Recording, rows: Any, labels: Any
) -> None:
    """Of two probabilities one is kept, named by its class."""
    model = LogisticRegression().fit(rows, np.array(["no", "yes"])[labels])
    expected = model.predict_proba(rows)[:, 1]
    (batch,) = recording.batches()
    assert outputs(batch).names == ("yes",)
    np.testing.assert_array_equal(matrix(batch).ravel(), expected)
    assert recording.values() == {("LogisticRegression", "yes"): 40}


def test_several_classes_have_a_value_each(recording: Recording, rows: Any) -> None:
    """Probabilities and margins of several classes are told apart by their labels."""
    model = LogisticRegression().fit(rows, np.array(["a", "b", "c"])[np.arange(40) % 3])
    model.decision_function(rows[:1])
    model.predict_proba(rows)
    assert {outputs(batch).names for batch in recording.batches()} == {("a", "b", "c")}
    assert set(recording.values().values()) == {40}  # the probabilities took over


@pytest.mark.parametrize("many", [1, 3])
def test_labels_are_no_values(recording: Recording, rows: Any, labels: Any, many: int) -> None:
    """Labels go to the processors as they are, and into no histogram."""
    words = np.array(["no", "yes"])[labels]
    model = LogisticRegression().fit(rows, words)
    expected = model.predict(rows[:many])
    (batch,) = recording.batches()
    table = outputs(batch)
    assert (table.names, table.matrix) == (("",), None)
    assert table.columns is not None
    assert table.columns[0].tolist() == expected.tolist()
    assert recording.values() == {}


def test_numeric_labels_are_no_values(recording: Recording, rows: Any, labels: Any) -> None:
    """A classifier's 0 and 1, and an outlier detector's -1 and 1, are no quantities."""
    LogisticRegression().fit(rows, labels).predict(rows)
    IsolationForest(n_estimators=3).fit(rows).predict(rows)
    assert recording.values() == {}
    assert len(recording.batches()) == 2


def test_regressions_are_values(recording: Recording, rows: Any) -> None:
    """One output has no name; several have their index; (n, 1) is one output."""
    LinearRegression().fit(rows, rows[:, 0]).predict(rows)
    LinearRegression().fit(rows, rows[:, :1]).predict(rows)
    assert recording.values() == {("LinearRegression", ""): 80}
    assert {outputs(batch).names for batch in recording.batches()} == {("",)}


def test_several_outputs_have_their_index(recording: Recording, rows: Any) -> None:
    """Two targets are two outputs."""
    LinearRegression().fit(rows, rows[:, :2]).predict(rows[:9])
    assert recording.values() == {("LinearRegression", "0"): 9, ("LinearRegression", "1"): 9}


@pytest.mark.parametrize("many", [1, 2, 5])
@pytest.mark.parametrize("model", [RandomForestClassifier(3), KNeighborsClassifier(3)])
def test_one_array_an_output_stand_side_by_side(
    recording: Recording, rows: Any, labels: Any, model: Any, many: int
) -> None:
    """A list of arrays is outputs, also where there are as many as rows."""
    model.fit(rows, np.column_stack([labels, 1 - labels]))
    answer = model.predict_proba(rows[:many])
    (batch,) = recording.batches()
    np.testing.assert_array_equal(matrix(batch), np.hstack(answer))


@pytest.mark.parametrize("many", [1, 2, 5])
def test_further_results_are_no_rows(recording: Recording, rows: Any, many: int) -> None:
    """Of a mean and its deviation the mean is the prediction."""
    model = GaussianProcessRegressor().fit(rows, rows[:, 0])
    mean, _ = model.predict(rows[:many], return_std=True)
    (batch,) = recording.batches()
    np.testing.assert_allclose(matrix(batch).ravel(), mean)
    assert recording.values() == {("GaussianProcessRegressor", ""): many}


def test_single_and_many_rows_count_together(recording: Recording, rows: Any) -> None:
    """Interleaved calls of all sizes and kinds lose no value."""
    model = LinearRegression().fit(rows, rows[:, 0])
    frame = pd.DataFrame(rows)
    expected = 0
    for many in (1, 3, 1, 1, 40, 2, 1):
        for data in (rows[:many], rows[:many].astype(np.float32), rows[:many].tolist()):
            model.predict(data)
        model.predict(frame[:many].to_numpy())
        expected += 4 * many
    assert recording.values() == {("LinearRegression", ""): expected}
    assert recording.rows().used == expected
    assert recording.faults() == {}


VALUES: dict[str, tuple[Callable[[Any], Any], int]] = {
    "a list": (lambda x: [0.5] * len(x), 1),
    "integers": (lambda x: np.arange(len(x)), 1),
    "float32": (lambda x: np.ones((len(x), 2), np.float32), 2),
    "objects": (lambda x: np.array([0.5] * len(x), object), 1),
    "series": (lambda x: pd.Series([0.5] * len(x)), 1),
    "frame": (lambda x: pd.DataFrame({"a": [0.5] * len(x), "b": [1.0] * len(x)}), 2),
    "polars": (lambda x: pl.DataFrame({"a": [0.5] * len(x)}), 1),
    "sparse": (lambda x: sparse.csr_matrix(np.ones((len(x), 3))), 3),
    "masked": (lambda x: np.ma.masked_array(np.ones(len(x))), 1),
    "matrix": (lambda x: np.asmatrix(np.ones((len(x), 1))), 1),
}


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
@pytest.mark.parametrize("many", [1, 4])
@pytest.mark.parametrize("name", VALUES)
def test_values_are_read_in_any_form(name: str, recording: Recording, many: int) -> None:
    """Whatever form the answer has, its values are counted and the caller gets that very object."""
    answer, width = VALUES[name]
    kept: list[Any] = []

    def keep(data: Any) -> Any:
        kept.append(answer(data))
        return kept[-1]

    result = Answers(keep).predict(np.zeros((many, 2)))
    assert result is kept[0]
    assert recording.faults() == {}
    assert sorted(recording.values().values()) == [many] * width


ODD: dict[str, Callable[[Any], Any]] = {
    "nothing": lambda _: None,
    "a number": lambda _: 0.5,
    "a numpy number": lambda _: np.float64(0.5),
    "a dict": lambda _: {"score": 0.5},
    "a text": lambda _: "approved",
    "too few": lambda x: np.zeros(len(x) + 1),
    "ragged": lambda x: [[1.0], [1.0, 2.0], [1.0], [1.0]][: len(x)],
    "objects of lists": lambda x: np.array([[1, 2], [1], [3], None], object)[: len(x)],
    "three dimensions": lambda x: np.zeros((len(x), 2, 2)),
    "a generator": lambda x: (0.5 for _ in range(len(x))),
    "sets": lambda x: [{"a"} for _ in range(len(x))],
    "arrays of other lengths": lambda x: [np.zeros((len(x), 2)), np.zeros((len(x) + 1, 2))],
    "a tuple of nothing": lambda _: (),
}


@pytest.mark.parametrize("many", [1, 4])
@pytest.mark.parametrize("name", ODD)
def test_what_is_no_prediction_of_rows_still_counts(
    name: str, recording: Recording, many: int
) -> None:
    """An answer that has no rows is a call, beside others whose values are not lost."""
    good = Answers(lambda x: np.ones(len(x)))
    good.predict(np.zeros((many, 2)))
    Answers(ODD[name]).predict(np.zeros((many, 2)))
    good.predict(np.zeros((many, 2)))
    assert recording.calls() == 3
    assert recording.rows().used == 3 * many
    assert recording.values()["Answers", ""] >= 2 * many
    assert not [cause for cause in recording.faults() if cause.startswith("pipeline")]


def test_infinite_answers_are_left_out(recording: Recording) -> None:
    """NaN and infinities go to the processors, not into a histogram."""
    answer = np.array([np.nan, np.inf, -np.inf, -1.5, 0.0])
    Answers(lambda _: answer).predict(np.zeros((5, 1)))
    assert recording.values() == {("Answers", ""): 2}
    (batch,) = recording.batches()
    np.testing.assert_array_equal(matrix(batch).ravel(), answer)


def test_a_huge_answer_is_not_copied(recording: Recording) -> None:
    """A single row's answer of a million values is counted, not kept."""
    answer = np.zeros((1, 1_000_000))
    model = Answers(lambda _: answer)
    row = np.zeros((1, 2))
    model.predict(row)
    recording.calls()
    tracemalloc.start()
    model.predict(row)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100_000
    assert recording.calls() == 2


def test_an_answer_that_the_caller_changes_is_kept_as_it_was(recording: Recording) -> None:
    """A caller that rounds the answer in place changes nothing of the record."""
    model = Answers(lambda x: np.full(len(x), 0.25))
    for many in (1, 3):
        model.predict(np.zeros((many, 1)))[:] = 9.0
    for batch in recording.batches():
        assert set(matrix(batch).ravel()) == {0.25}

"""The scikit-learn API: recorded once, with scikit-learn's integration and without."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import tidegauge
import xgboost
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from tidegauge_sklearn import SklearnInstrumentor
from tidegauge_testkit.recording import Recording
from tidegauge_xgboost import XGBoostInstrumentor

SMALL = {"n_estimators": 2, "max_depth": 2, "n_jobs": 1}


class Bold(xgboost.XGBClassifier):
    """A user's own classifier."""

    def predict(self, X: Any, **kwargs: Any) -> Any:  # noqa: N803 - scikit-learn's name
        """Say yes twice as often."""
        return (super().predict_proba(X, **kwargs)[:, 1] > 0.25).astype(int)


MODELS: dict[str, Callable[[], Any]] = {
    "XGBClassifier": lambda: xgboost.XGBClassifier(**SMALL),
    "XGBRegressor": lambda: xgboost.XGBRegressor(**SMALL),
    "XGBRFClassifier": lambda: xgboost.XGBRFClassifier(**SMALL),
    "XGBRFRegressor": lambda: xgboost.XGBRFRegressor(**SMALL),
    "XGBRanker": lambda: xgboost.XGBRanker(**SMALL),
    "Bold": lambda: Bold(**SMALL),
}
LINEAR = {
    "n_estimators": 2,
    "n_jobs": 1,
    "booster": "gblinear",
}  # it warns of a depth, which trees have


def fitted(name: str, rows: Any, labels: Any) -> Any:
    """Return a fitted model."""
    given = {"qid": np.repeat([0, 1], len(labels) // 2)} if name == "XGBRanker" else {}
    return MODELS[name]().fit(rows, labels, **given)


@pytest.mark.filterwarnings("ignore:.*deprecated:FutureWarning")
@pytest.mark.parametrize("name", MODELS)
def test_a_call_counts_once(together: Recording, rows: Any, labels: Any, name: str) -> None:
    """What an estimator asks of its parent and of its booster is a part of the call."""
    model = fitted(name, rows, labels)
    operations = [each for each in ("predict", "predict_proba") if hasattr(model, each)]
    for operation in operations:
        getattr(model, operation)(rows)
    assert {(name, operation) for operation in operations} == set(together.counts())
    assert {(count.success, count.rows) for count in together.counts().values()} == {(1, 60)}
    assert together.faults() == {}


@pytest.mark.filterwarnings("ignore:.*deprecated:FutureWarning")
def test_a_linear_booster_goes_by_a_matrix(together: Recording, rows: Any, labels: Any) -> None:
    """Where ``inplace_predict`` is not possible, the matrix that is made inside is none of ours."""
    model = xgboost.XGBClassifier(**LINEAR).fit(rows, labels)
    model.predict(rows)
    model.predict_proba(scipy.sparse.coo_matrix(rows))
    assert together.calls() == 2
    assert (together.rows().used, together.faults()) == (120, {})


@pytest.mark.parametrize("first", [XGBoostInstrumentor, SklearnInstrumentor])
def test_it_records_whoever_else_has_gone(first: Any, rows: Any, labels: Any) -> None:
    """Each integration may go; what the other wants goes on, until both have gone."""
    model = fitted("XGBClassifier", rows, labels)
    original = vars(xgboost.XGBClassifier)["predict"]
    both: list[Any] = [SklearnInstrumentor(), XGBoostInstrumentor()]
    for instrumentor in both:
        instrumentor.instrument(skip_dep_check=True)
    both.sort(key=lambda each: type(each) is not first)
    with Recording() as recording:
        for instrumentor in both:
            instrumentor.uninstrument()
            model.predict(rows)
            assert recording.calls() == 1
    assert vars(xgboost.XGBClassifier)["predict"] is original


# Keywords with which an estimator answers with something else.
EXPLAINED: dict[str, Callable[[Any, Any], Any]] = {
    "margin": lambda model, rows: model.predict(rows, output_margin=True),
    "leaves": lambda model, rows: model.apply(rows),
    "margin of a pipeline": lambda model, rows: make_pipeline(FunctionTransformer(), model).predict(
        rows, output_margin=True
    ),
    "importance": lambda model, rows: model.feature_importances_,
}


@pytest.mark.filterwarnings("ignore:This Pipeline instance is not fitted")
@pytest.mark.parametrize("name", EXPLAINED)
def test_explanations_are_no_predictions(
    together: Recording, rows: Any, labels: Any, name: str
) -> None:
    """Margins and leaves are not recorded, whichever integration sees them."""
    model = fitted("XGBClassifier", rows, labels)
    EXPLAINED[name](model, rows)
    assert (together.calls(), together.faults()) == (0, {})


def test_labels_and_probabilities(together: Recording, rows: Any, labels: Any) -> None:
    """Labels are counted; of two probabilities the second class's is a value."""
    model = fitted("XGBClassifier", rows, labels)
    model.predict(rows)
    assert {} == together.values()
    model.predict_proba(rows)
    assert {("XGBClassifier", "1"): 60} == together.values()


@pytest.mark.parametrize(
    "make",
    [
        lambda rows: pd.DataFrame(rows, columns=list("abcd")),
        lambda rows: pd.DataFrame(rows, columns=list("abcd")).assign(
            d=pd.Categorical(["x", "y"] * 30)
        ),
        lambda rows: scipy.sparse.csr_matrix(rows),
        lambda rows: rows.tolist(),
    ],
    ids=["frame", "categories", "sparse", "list"],
)
def test_inputs_of_every_kind(together: Recording, rows: Any, labels: Any, make: Any) -> None:
    """What the estimator takes is recorded, by the names that the frame has."""
    data = make(rows)
    model = xgboost.XGBClassifier(**SMALL, enable_categorical=True).fit(data, labels)
    model.predict(data)
    (batch,) = together.batches()
    assert batch.features is not None
    assert batch.features.rows == 60
    assert (("a", "b", "c", "d") if hasattr(data, "columns") else None) == batch.features.names
    assert together.faults() == {}


@pytest.mark.parametrize("form", ["csr", "csc", "coo"])
def test_what_a_sparse_matrix_leaves_out_is_missing(together: Recording, form: str) -> None:
    """Trees that know 0 from a missing value answer the rows that are recorded as they were."""
    known = np.array([[0.0, 1.0], [1.0, 1.0], [np.nan, 1.0]] * 20)
    model = xgboost.XGBRegressor(**SMALL).fit(known, np.array([0.0, 10.0, 100.0] * 20))
    # A 0 is left out of the first row; the second one holds it.
    sparse = scipy.sparse.csr_matrix(([1.0, 0.0, 1.0], [1, 0, 1], [0, 1, 3]), shape=(2, 2))
    answers = model.predict(sparse.asformat(form))
    (batch,) = together.batches()
    assert batch.features is not None
    assert batch.features.matrix is not None
    with tidegauge.suppress():
        again, zeros = model.predict(batch.features.matrix), model.predict(sparse.toarray())
    assert answers.tolist() == again.tolist() != zeros.tolist()
    assert together.faults() == {}


def test_pickles_hold_nothing_of_it(together: Recording, rows: Any, labels: Any) -> None:
    """A pickled estimator is what it was, and counts under its class where it is loaded."""
    content = pickle.dumps(fitted("XGBClassifier", rows, labels))
    assert b"tidegauge" not in content
    pickle.loads(content).predict(rows)
    assert set(together.counts()) == {("XGBClassifier", "predict")}

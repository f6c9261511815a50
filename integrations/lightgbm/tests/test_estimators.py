"""The scikit-learn API: recorded once, with scikit-learn's integration and without."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from tidegauge_lightgbm import LightGBMInstrumentor
from tidegauge_sklearn import SklearnInstrumentor
from tidegauge_testkit.recording import Recording

SMALL: dict[str, Any] = {"n_estimators": 2, "num_leaves": 3, "n_jobs": 1, "verbosity": -1}


Classifier: Any = lightgbm.LGBMClassifier


class Bold(Classifier):  # type: ignore[misc]
    """A user's own classifier."""

    def predict(self, X: Any, **kwargs: Any) -> Any:  # noqa: N803 - scikit-learn's name
        """Say yes twice as often."""
        return (super().predict_proba(X, **kwargs)[:, 1] > 0.25).astype(int)


MODELS: dict[str, Callable[[], Any]] = {
    "LGBMClassifier": lambda: lightgbm.LGBMClassifier(**SMALL),
    "LGBMRegressor": lambda: lightgbm.LGBMRegressor(**SMALL),
    "LGBMRanker": lambda: lightgbm.LGBMRanker(**SMALL),
    "Bold": lambda: Bold(**SMALL),
}


def fitted(name: str, rows: Any, labels: Any) -> Any:
    """Return a fitted model."""
    given = {"group": [30, 30]} if name == "LGBMRanker" else {}
    return MODELS[name]().fit(rows, labels, **given)


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


@pytest.mark.parametrize("first", [LightGBMInstrumentor, SklearnInstrumentor])
def test_it_records_whoever_else_has_gone(first: Any, rows: Any, labels: Any) -> None:
    """Each integration may go; what the other wants goes on, until both have gone."""
    model = fitted("LGBMClassifier", rows, labels)
    original = vars(lightgbm.LGBMClassifier)["predict"]
    both: list[Any] = [SklearnInstrumentor(), LightGBMInstrumentor()]
    for instrumentor in both:
        instrumentor.instrument(skip_dep_check=True)
    both.sort(key=lambda each: type(each) is not first)
    with Recording() as recording:
        for instrumentor in both:
            instrumentor.uninstrument()
            model.predict(rows)
            assert recording.calls() == 1
    assert vars(lightgbm.LGBMClassifier)["predict"] is original


EXPLAINED: dict[str, Callable[[Any, Any], Any]] = {
    "raw score": lambda model, rows: model.predict(rows, raw_score=True),
    "raw score by position": lambda model, rows: model.predict(rows, True),
    "raw score of classes": lambda model, rows: model.predict_proba(rows, raw_score=True),
    "leaves by position": lambda model, rows: model.predict(rows, False, 0, None, True),
    "leaves": lambda model, rows: model.predict(rows, pred_leaf=True),
    "contributions": lambda model, rows: model.predict(rows, pred_contrib=True),
    "raw score of a pipeline": lambda model, rows: make_pipeline(
        FunctionTransformer(), model
    ).predict(rows, raw_score=True),
}


@pytest.mark.filterwarnings("ignore:This Pipeline instance is not fitted")
@pytest.mark.parametrize("name", EXPLAINED)
def test_explanations_are_no_predictions(
    together: Recording, rows: Any, labels: Any, name: str
) -> None:
    """Scores, leaves and contributions are not recorded, whichever integration sees them."""
    model = fitted("LGBMClassifier", rows, labels)
    EXPLAINED[name](model, rows)
    assert (together.calls(), together.faults()) == (0, {})


def test_labels_and_probabilities(together: Recording, rows: Any, labels: Any) -> None:
    """Labels are counted; of two probabilities the second class's is a value, by its label."""
    words = np.where(labels, "yes", "no")
    model = fitted("LGBMClassifier", rows, words)
    model.predict(rows)
    assert {} == together.values()
    model.predict_proba(rows)
    assert {("LGBMClassifier", "yes"): 60} == together.values()


@pytest.mark.parametrize(
    ("make", "names"),
    [
        (lambda rows: pd.DataFrame(rows, columns=list("abcd")), ("a", "b", "c", "d")),
        (
            lambda rows: pd.DataFrame(rows, columns=list("abcd")).assign(
                d=pd.Categorical(["x", "y"] * 30)
            ),
            ("a", "b", "c", "d"),
        ),
        (scipy.sparse.csr_matrix, None),
        (np.copy, None),
    ],
    ids=["frame", "categories", "sparse", "array"],
)
def test_inputs_of_every_kind(
    together: Recording, rows: Any, labels: Any, make: Any, names: Any
) -> None:
    """What the estimator takes is recorded, by the names that the frame has."""
    data = make(rows)
    lightgbm.LGBMClassifier(**SMALL).fit(data, labels).predict(data)
    (batch,) = together.batches()
    assert batch.features is not None
    assert (60, names) == (batch.features.rows, batch.features.names)
    assert together.faults() == {}


def test_pickles_hold_nothing_of_it(together: Recording, rows: Any, labels: Any) -> None:
    """A pickled estimator is what it was, and counts under its class where it is loaded."""
    content = pickle.dumps(fitted("LGBMClassifier", rows, labels))
    assert b"tidegauge" not in content
    pickle.loads(content).predict(rows)
    assert set(together.counts()) == {("LGBMClassifier", "predict")}

"""Training and evaluation are no predictions."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin, clone
from sklearn.cluster import KMeans
from sklearn.ensemble import AdaBoostClassifier, StackingClassifier
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.linear_model import LinearRegression, LogisticRegression, SGDClassifier
from sklearn.metrics import check_scoring, get_scorer, make_scorer
from sklearn.model_selection import (
    GridSearchCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
    permutation_test_score,
    validation_curve,
)
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import _response
from tidegauge_sklearn import SklearnInstrumentor
from tidegauge_testkit.recording import Recording

Work = Callable[[Any, Any, Any], object]


def by_hand(model: Any, X: Any, y: Any) -> float:  # noqa: N803 - scikit-learn's names
    """Score as users do: a plain function that predicts."""
    return float(np.mean(model.predict(X) == y))


TRAINING: dict[str, Work] = {
    "fit": lambda m, x, y: clone(m).fit(x, y),
    "boosting's fit": lambda m, x, y: AdaBoostClassifier(n_estimators=3).fit(x, y),
    "stacking's fit": lambda m, x, y: StackingClassifier([("m", m)], cv=2).fit(x, y),
    "stacking's fit_transform": lambda m, x, y: StackingClassifier([("m", m)], cv=2).fit_transform(
        x, y
    ),
    "partial_fit": lambda m, x, y: SGDClassifier().partial_fit(x, y, classes=[0, 1]),
    "fit_predict": lambda m, x, y: KMeans(2, n_init=1).fit_predict(x),
    "outliers' fit_predict": lambda m, x, y: LocalOutlierFactor().fit_predict(x),
    "pipeline's fit_predict": lambda m, x, y: make_pipeline(
        StandardScaler(), KMeans(2, n_init=1)
    ).fit_predict(x),
    "score": lambda m, x, y: m.score(x, y),
    "pipeline's score": lambda m, x, y: make_pipeline(StandardScaler(), m).fit(x, y).score(x, y),
    "search's score": lambda m, x, y: (
        GridSearchCV(m, {"C": [1, 2]}, cv=2, scoring="roc_auc").fit(x, y).score(x, y)
    ),
}

# Functions of scikit-learn that a user may have imported before Tidegauge came: these are.
EVALUATION: dict[str, Work] = {
    "cross_val_predict": lambda m, x, y: cross_val_predict(m, x, y, cv=2),
    "cross_val_predict of probabilities": lambda m, x, y: cross_val_predict(
        m, x, y, cv=2, method="predict_proba"
    ),
    "cross_val_score": lambda m, x, y: cross_val_score(m, x, y, cv=2),
    "cross_val_score by hand": lambda m, x, y: cross_val_score(m, x, y, cv=2, scoring=by_hand),
    "cross_validate": lambda m, x, y: cross_validate(m, x, y, cv=2, scoring=["accuracy", "f1"]),
    "learning_curve": lambda m, x, y: learning_curve(
        m, x, y, cv=2, train_sizes=[20], scoring=by_hand
    ),
    "incremental learning_curve": lambda m, x, y: learning_curve(
        SGDClassifier(), x, y, cv=2, scoring=by_hand, exploit_incremental_learning=True
    ),
    "validation_curve": lambda m, x, y: validation_curve(
        m, x, y, param_name="C", param_range=[1, 2], cv=2, scoring=by_hand
    ),
    "permutation_test_score": lambda m, x, y: permutation_test_score(
        m, x, y, cv=2, n_permutations=2, scoring=by_hand
    ),
    "partial_dependence": lambda m, x, y: partial_dependence(m, x, [0], method="brute"),
    "permutation_importance": lambda m, x, y: permutation_importance(m, x, y, n_repeats=2),
    "permutation_importance by hand": lambda m, x, y: permutation_importance(
        m, x, y, n_repeats=2, scoring=by_hand
    ),
    "scorer": lambda m, x, y: get_scorer("accuracy")(m, x, y),
    "scorer of probabilities": lambda m, x, y: get_scorer("neg_log_loss")(m, x, y),
    "own scorer": lambda m, x, y: make_scorer(lambda a, b: float(np.mean(a == b)))(m, x, y),
    "plot of a curve": lambda m, x, y: _response._get_response_values(m, x, "predict_proba"),
    "several scorers by hand": lambda m, x, y: check_scoring(m, {"mine": by_hand})(m, x, y),
    "several scorers": lambda m, x, y: check_scoring(m, ["accuracy", "roc_auc"])(m, x, y),
}


@pytest.mark.parametrize("name", TRAINING)
def test_training_is_not_recorded(name: str, recording: Recording, rows: Any, labels: Any) -> None:
    """Whatever a fit or a score asks inside, nothing is served."""
    TRAINING[name](LogisticRegression().fit(rows, labels), rows, labels)
    assert recording.calls() == 0


@pytest.mark.parametrize("name", EVALUATION)
def test_evaluation_is_not_recorded(
    name: str, recording: Recording, rows: Any, labels: Any
) -> None:
    """Cross-validation and inspection record nothing, though this module imported them before."""
    model = LogisticRegression().fit(rows, labels)
    EVALUATION[name](model, rows, labels)
    assert recording.calls() == 0
    model.predict(rows)
    assert recording.calls() == 1


def test_imputing_is_not_recorded(recording: Recording, rows: Any) -> None:
    """A transformer that predicts while it is fitted is training."""

    class Filled(TransformerMixin, BaseEstimator):  # type: ignore[misc]
        def fit(self, data: Any, target: Any = None) -> Any:
            self.model_ = LinearRegression().fit(data[:, 1:], data[:, 0])
            return self

        def transform(self, data: Any) -> Any:
            return self.model_.predict(data[:, 1:])[:, None]

    Filled().fit_transform(rows)
    assert recording.calls() == 0


def test_a_refitted_model_is_looked_at_anew(recording: Recording, rows: Any, labels: Any) -> None:
    """After another fit, names and classes are those of the model as it is."""
    model = LogisticRegression().fit(rows, labels)
    model.predict_proba(rows)
    model.fit(rows, np.array(["no", "yes"])[labels])
    model.predict_proba(rows)
    assert recording.values() == {
        ("LogisticRegression", "1"): 40,
        ("LogisticRegression", "yes"): 40,
    }


def test_prediction_inside_training_code_counts_where_the_app_calls_it(
    recording: Recording, rows: Any, labels: Any
) -> None:
    """Recording goes on after a fit that raised."""

    class Refuses(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
        def fit(self, data: Any, target: Any) -> Any:
            raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        Refuses().fit(rows, labels)
    LogisticRegression().fit(rows, labels).predict(rows)
    assert recording.calls() == 1


def test_functions_are_restored(instrumented: SklearnInstrumentor) -> None:
    """The library's own functions stand again in all modules that hold them."""

    def holders() -> set[str]:
        return {
            f"{module.__name__}.{name}"
            for place, module in list(sys.modules.items())
            if place.partition(".")[0] == "sklearn"
            for name, value in list(vars(module).items())
            if hasattr(value, "__tidegauge__") and not isinstance(value, type)
        }

    assert "sklearn.metrics._scorer._get_response_values" in holders()
    assert "sklearn.model_selection._validation._fit_and_predict" in holders()
    instrumented.uninstrument()
    assert holders() == set()

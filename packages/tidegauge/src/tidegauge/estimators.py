"""What follows scikit-learn's API, whoever made it: which methods predict, which only try out.

scikit-learn's own integration uses it for all estimators, those of libraries whose models derive
from scikit-learn's use it for theirs. Where both are installed the wrappers are the same, so a call
counts once, in whatever order the integrations come and go.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from functools import cache
from typing import Any

from tidegauge.info import ModelInfo, Task
from tidegauge.joblib_propagation import JOBLIB
from tidegauge.observe import Decorator, observer, suppressor
from tidegauge.patcher import Functions, Methods, Patch, Subclasses
from tidegauge.skipping import asks_for

_MAX_DEPTH = 5

# Predictions: each outermost call is one request. Methods live on estimators and on mixins
# (LogisticRegression.predict is LinearClassifierMixin's), on ``available_if`` (Pipeline) and on the
# user's own subclasses; walking every class of every estimator finds them all.
OPERATIONS = (
    "predict",
    "predict_proba",
    "decision_function",
    "predict_log_proba",
    "score_samples",
)

# Training and evaluation predict inside (AdaBoost does while it fits): not requests.
_TRAINING = ("fit", "fit_predict", "fit_transform", "partial_fit", "score")

# The same as functions. They are private, and the public ones (cross_val_predict ...) look them up
# at each call: who imported those before Tidegauge came is served as well.
_EVALUATION = {
    "sklearn.model_selection._validation": (
        "_fit_and_predict",
        "_score",
        "_permutation_test_score",
    ),
    "sklearn.inspection._partial_dependence": ("_partial_dependence_brute",),
    "sklearn.inspection._permutation_importance": ("_weights_scorer",),
    # Plots of curves and boundaries ask it, and scorers.
    "sklearn.utils._response": ("_get_response_values",),
}

# A scorer calls predict or predict_proba on behalf of an evaluation.
_SCORERS = ("_BaseScorer", "_MultimetricScorer")

# With these parameters the predict of XGBoost's and LightGBM's estimators gives raw margins, leaf
# indexes or contributions of features, which are no predictions.
_EXPLAINS = ("output_margin", "raw_score", "pred_leaf", "pred_contrib")

# All others take what a sparse matrix leaves out for 0.
_ABSENT_IS_MISSING = ("xgboost.sklearn", "XGBModel")

# What LightGBM calls the columns of arrays, which have no names.
_MADE_UP = re.compile(r"Column_\d+")


def estimators(module: str, base: str, on_load: str = "") -> tuple[Patch, ...]:
    """Return the patches of all classes that derive from an estimator's base.

    Parameters
    ----------
    module, base : str
        Where the base is: ``sklearn.base``, ``BaseEstimator``.
    on_load : str
        Its method that restores an instance from a pickle, if it has one of its own.
    """
    return (Subclasses(module, base, _METHODS, on_load=on_load), *_TRIALS)


def describe(model: object) -> ModelInfo:
    """Return the facts of an estimator: class, task, names, classes."""
    return ModelInfo(
        framework="sklearn",
        class_name=class_name(model),
        # LightGBM before 4.6 has the second only.
        feature_names=given_names(
            getattr(model, "feature_names_in_", getattr(model, "feature_name_", None))
        ),
        task=_task(model),
        classes=_texts(getattr(model, "classes_", None)),
        absent_is_missing=any(
            (kind.__module__, kind.__name__) == _ABSENT_IS_MISSING for kind in type(model).__mro__
        ),
    )


def class_name(model: object, depth: int = 0) -> str:
    """Name a model by its class, with what it wraps: ``Pipeline[LogisticRegression]``."""
    name = type(model).__name__
    inner = _inner(model)
    if inner is None or depth >= _MAX_DEPTH:
        return name
    return f"{name}[{class_name(inner, depth + 1)}]"


def given_names(values: Any) -> tuple[str, ...] | None:
    """Return names of features as text; None where the library has made them up."""
    names = _texts(tuple(values) if isinstance(values, list) else values)
    return None if names is None or all(map(_MADE_UP.fullmatch, names)) else names


def _inner(model: Any) -> object | None:
    steps = getattr(model, "steps", None)
    if isinstance(steps, list) and steps and isinstance(steps[-1], tuple):
        last = steps[-1][-1]
        return None if isinstance(last, str) else last
    # A search is about the model that it found; what an ensemble is made of is its own affair.
    return getattr(model, "best_estimator_", None)


def _task(model: object) -> Task:
    kinds: Any = sys.modules["sklearn.base"]  # imported with the model's class
    if kinds.is_classifier(model):
        return Task.CLASSIFICATION
    if kinds.is_regressor(model):
        return Task.REGRESSION
    return Task.OUTLIER if kinds.is_outlier_detector(model) else Task.UNKNOWN


def _texts(values: Any) -> tuple[str, ...] | None:
    """Return labels as text; None where there are none, or one list an output."""
    if values is None or isinstance(values, list | str) or getattr(values, "ndim", 1) != 1:
        return None
    return tuple(map(str, values))


@cache
def _observed(operation: str, places: tuple[tuple[str, int], ...]) -> Decorator:
    return observer(operation, describe, skip=asks_for(*_EXPLAINS, **dict(places)))


def _operation(operation: str) -> Decorator:
    """Return the decorator of a method that predicts; its own parameters say what asks for more."""

    def decorate(original: Callable[..., Any]) -> Callable[..., Any]:
        code = getattr(original, "__code__", None)
        names = code.co_varnames[1 : code.co_argcount] if code is not None else ()
        places = [(name, at) for at, name in enumerate(names) if name in _EXPLAINS]
        return _observed(operation, tuple(places))(original)

    return decorate


_METHODS = {operation: _operation(operation) for operation in OPERATIONS} | {
    method: suppressor() for method in _TRAINING
}

_TRIALS: tuple[Patch, ...] = (
    *(Methods("sklearn.metrics._scorer", name, {"__call__": suppressor()}) for name in _SCORERS),
    *(
        Functions(module, {name: suppressor() for name in names})
        for module, names in _EVALUATION.items()
    ),
    # Forests and ensembles predict in joblib's threads.
    JOBLIB,
)

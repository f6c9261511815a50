"""What is wrapped, and why."""

from __future__ import annotations

from tidegauge.joblib_propagation import JOBLIB
from tidegauge.observe import observer, suppressor
from tidegauge.patcher import Functions, Methods, Patch, Subclasses

from tidegauge_sklearn._extract import describe

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

PATCHES: tuple[Patch, ...] = (
    Subclasses(
        "sklearn.base",
        "BaseEstimator",
        {operation: observer(operation, describe) for operation in OPERATIONS}
        | {method: suppressor() for method in _TRAINING},
        # Classes of a training script's ``__main__`` come by value in the model's pickle.
        on_load="__setstate__",
    ),
    *(Methods("sklearn.metrics._scorer", name, {"__call__": suppressor()}) for name in _SCORERS),
    *(
        Functions(module, {name: suppressor() for name in names})
        for module, names in _EVALUATION.items()
    ),
    # Forests and ensembles predict in joblib's threads.
    JOBLIB,
)

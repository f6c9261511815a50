"""Training asks the model all the time: none of that is a request."""

from __future__ import annotations

from typing import Any

import numpy as np
import xgboost
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from tidegauge_testkit.recording import Recording

PARAMS = {"objective": "binary:logistic", "max_depth": 2, "nthread": 1, "verbosity": 0}


class Asks(xgboost.callback.TrainingCallback):
    """A callback of the user's that looks at what the model says."""

    def __init__(self, matrix: Any) -> None:
        super().__init__()
        self.matrix = matrix
        self.asked = 0

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        """Ask the model, or those of a cross-validation."""
        for each in [model] if hasattr(model, "predict") else [fold.bst for fold in model.cvfolds]:
            each.predict(self.matrix)
            self.asked += 1
        return False


def metric(predicted: Any, matrix: Any) -> tuple[str, float]:
    """Return a metric of the user's."""
    return "off", float(np.abs(predicted - matrix.get_label()).mean())


def objective(predicted: Any, matrix: Any) -> tuple[Any, Any]:
    """Return gradient and hessian of squares."""
    return predicted - matrix.get_label(), np.ones(len(predicted))


def test_training_is_no_prediction(recording: Recording, rows: Any, labels: Any) -> None:
    """Evaluation sets, early stopping, metrics, objectives and callbacks of the user's."""
    matrix = xgboost.DMatrix(rows, labels)
    asks = Asks(matrix)
    xgboost.train(
        PARAMS, matrix, 4, evals=[(matrix, "own")], custom_metric=metric, obj=objective,
        callbacks=[asks], early_stopping_rounds=3, verbose_eval=False,
    )  # fmt: skip
    assert asks.asked
    assert recording.calls() == 0
    model = xgboost.train(PARAMS, matrix, 1)
    model.update(matrix, 1, lambda _, data: objective(model.predict(data), data))
    model.eval_set([(matrix, "own")], 2, metric, output_margin=False)
    assert recording.calls() == 0
    model.predict(matrix)
    assert (recording.calls(), recording.faults()) == (1, {})


def test_cross_validation_is_no_prediction(recording: Recording, rows: Any, labels: Any) -> None:
    """``xgboost.cv`` and the folds in it."""
    matrix = xgboost.DMatrix(rows, labels)
    asks = Asks(matrix)
    xgboost.cv(PARAMS, matrix, 2, nfold=3, custom_metric=metric, callbacks=[asks])
    assert asks.asked
    assert (recording.calls(), recording.faults()) == (0, {})


def test_fitting_an_estimator_is_no_prediction(together: Recording, rows: Any, labels: Any) -> None:
    """With evaluation sets and early stopping, alone or in scikit-learn's cross-validation."""
    model = xgboost.XGBClassifier(
        n_estimators=4, n_jobs=1, early_stopping_rounds=2,
        eval_metric=lambda y, p: float(np.mean(p)), callbacks=[Asks(xgboost.DMatrix(rows))],
    )  # fmt: skip
    model.fit(rows, labels, eval_set=[(rows, labels)], verbose=False)
    model.score(rows, labels)
    plain = xgboost.XGBClassifier(n_estimators=2, n_jobs=1)
    cross_val_score(plain, rows, labels, cv=2)
    cross_val_predict(plain, rows, labels, cv=2, method="predict_proba")
    search = GridSearchCV(plain, {"max_depth": [1, 2]}, cv=2).fit(rows, labels)
    search.score(rows, labels)
    assert (together.calls(), together.faults()) == (0, {})
    model.predict(rows)
    assert together.calls() == 1

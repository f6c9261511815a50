"""Training asks the model all the time: none of that is a request."""

from __future__ import annotations

from typing import Any

import lightgbm
import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from tidegauge_testkit.recording import Recording

PARAMS = {"objective": "binary", "num_leaves": 3, "num_threads": 1, "verbosity": -1}


class Asks:
    """A callback of the user's that looks at what the model says."""

    def __init__(self, rows: Any) -> None:
        self.rows = rows
        self.asked = 0

    def __call__(self, env: Any) -> None:
        """Ask the model, or those of a cross-validation."""
        env.model.predict(self.rows)
        self.asked += 1


def metric(predicted: Any, data: Any) -> tuple[str, float, bool]:
    """Return a metric of the user's."""
    return "off", float(np.abs(predicted - data.get_label()).mean()), False


def test_training_is_no_prediction(recording: Recording, rows: Any, labels: Any) -> None:
    """Evaluation sets, early stopping, metrics and callbacks of the user's."""
    data = lightgbm.Dataset(rows, labels)
    asks = Asks(rows)
    model = lightgbm.train(
        PARAMS, data, 4, valid_sets=[data], feval=metric,
        callbacks=[asks, lightgbm.early_stopping(2, verbose=False)],
    )  # fmt: skip
    assert asks.asked
    assert recording.calls() == 0
    lightgbm.train(PARAMS, lightgbm.Dataset(rows, labels), 2, init_model=model)
    assert recording.calls() == 0
    model.predict(rows)
    assert (recording.calls(), recording.faults()) == (1, {})


def test_cross_validation_is_no_prediction(recording: Recording, rows: Any, labels: Any) -> None:
    """``lightgbm.cv`` and the folds in it; those that it returns are models of the app."""
    asks = Asks(rows)
    found = lightgbm.cv(
        PARAMS, lightgbm.Dataset(rows, labels), 2, nfold=3, feval=metric, callbacks=[asks],
        return_cvbooster=True,
    )  # fmt: skip
    assert asks.asked
    assert recording.calls() == 0
    folds: Any = found["cvbooster"]
    folds.predict(rows)
    assert (recording.calls(), recording.faults()) == (3, {})


@pytest.mark.filterwarnings("ignore:The argument 'eval_set' is deprecated")
def test_fitting_an_estimator_is_no_prediction(together: Recording, rows: Any, labels: Any) -> None:
    """With evaluation sets and early stopping, alone or in scikit-learn's cross-validation."""
    model = lightgbm.LGBMClassifier(n_estimators=4, num_leaves=3, n_jobs=1, verbosity=-1)
    model.fit(
        rows, labels, eval_set=[(rows, labels)],
        eval_metric=lambda y, p: ("off", float(np.mean(p)), False),
        callbacks=[Asks(rows), lightgbm.early_stopping(2, verbose=False)],
    )  # fmt: skip
    model.score(rows, labels)
    cross_val_score(model, rows, labels, cv=2)
    cross_val_predict(model, rows, labels, cv=2, method="predict_proba")
    search = GridSearchCV(model, {"num_leaves": [2, 3]}, cv=2).fit(rows, labels)
    search.score(rows, labels)
    assert (together.calls(), together.faults()) == (0, {})
    model.predict(rows)
    assert together.calls() == 1

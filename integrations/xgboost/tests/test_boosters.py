"""XGBoost keeps what all libraries of boosted trees do: names, calls, estimators."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import xgboost
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from tidegauge_sklearn import SklearnInstrumentor
from tidegauge_testkit.contracts.boosters import (
    Ask,
    BoosterCallsContract,
    BoosterEstimatorsContract,
    BoosterNamesContract,
    BoosterScenario,
)
from tidegauge_xgboost import XGBoostInstrumentor

SMALL = {"n_estimators": 2, "max_depth": 2, "n_jobs": 1, "enable_categorical": True}


class Bold(xgboost.XGBClassifier):
    """A user's own classifier."""

    def predict(self, X: Any, **kwargs: Any) -> Any:  # noqa: N803 - scikit-learn's name
        """Say yes twice as often."""
        return (super().predict_proba(X, **kwargs)[:, 1] > 0.25).astype(int)


def loaded(file: Any) -> Any:
    """Load a file into a booster that is there."""
    booster = xgboost.Booster()
    booster.load_model(file)
    return booster


def loaded_by_name(file: Any) -> Any:
    """Load it with the argument by name."""
    booster = xgboost.Booster()
    booster.load_model(fname=file)
    return booster


def matrix(rows: Any) -> Any:
    """Return rows as boosters take them."""
    return xgboost.DMatrix(rows)


class XGBoost(BoosterScenario):
    """Boosters that are asked in place, and estimators."""

    instrumentor: ClassVar[type[Any]] = XGBoostInstrumentor
    beside: ClassVar[type[Any] | None] = SklearnInstrumentor
    suffix: ClassVar[str] = ".json"
    no_file: ClassVar[type[Exception]] = xgboost.core.XGBoostError
    ways: ClassVar[Mapping[str, Callable[[Any], Any]]] = {
        "made": lambda file: xgboost.Booster(model_file=file),
        "loaded": loaded,
        "loaded by name": loaded_by_name,
    }
    explained: ClassVar[Mapping[str, Ask]] = {
        "margin": lambda model, rows: model.predict(matrix(rows), output_margin=True),
        "leaves": lambda model, rows: model.predict(matrix(rows), pred_leaf=True),
        "contributions": lambda model, rows: model.predict(matrix(rows), pred_contribs=True),
        "approximate": lambda model, rows: model.predict(
            matrix(rows), pred_contribs=True, approx_contribs=True
        ),
        "interactions": lambda model, rows: model.predict(matrix(rows), pred_interactions=True),
        "training": lambda model, rows: model.predict(matrix(rows), training=True),
        "by position": lambda model, rows: model.predict(matrix(rows), False, True),
        "margin in place": lambda model, rows: model.inplace_predict(rows, predict_type="margin"),
        "margin in place by position": lambda model, rows: model.inplace_predict(
            rows, (0, 0), "margin"
        ),
        "importance": lambda model, rows: model.get_score(),
        "evaluation": lambda model, rows: model.eval(xgboost.DMatrix(rows, rows[:, 0] > 0)),
    }
    plain: ClassVar[Mapping[str, Ask]] = {
        "by name": lambda model, rows: model.predict(data=matrix(rows)),
        "a range": lambda model, rows: model.predict(matrix(rows), iteration_range=(0, 1)),
        "no margin": lambda model, rows: model.predict(matrix(rows), output_margin=False),
        "by position": lambda model, rows: model.predict(matrix(rows), False, False),
        "unchecked": lambda model, rows: model.predict(matrix(rows), validate_features=False),
        "in place": lambda model, rows: model.inplace_predict(data=rows),
        "values in place": lambda model, rows: model.inplace_predict(rows, predict_type="value"),
        "in place by position": lambda model, rows: model.inplace_predict(rows, (0, 1), "value"),
        "by the class": lambda model, rows: xgboost.Booster.predict(model, matrix(rows)),
    }
    estimators: ClassVar[Mapping[str, Callable[[], Any]]] = {
        "XGBClassifier": lambda: xgboost.XGBClassifier(**SMALL),
        "XGBRegressor": lambda: xgboost.XGBRegressor(**SMALL),
        "XGBRFClassifier": lambda: xgboost.XGBRFClassifier(**SMALL),
        "XGBRFRegressor": lambda: xgboost.XGBRFRegressor(**SMALL),
        "XGBRanker": lambda: xgboost.XGBRanker(**SMALL),
        "Bold": lambda: Bold(**SMALL),
    }
    classifier: ClassVar[str] = "XGBClassifier"
    aside: ClassVar[Mapping[str, Ask]] = {
        "margin": lambda model, rows: model.predict(rows, output_margin=True),
        "leaves": lambda model, rows: model.apply(rows),
        "margin of a pipeline": lambda model, rows: make_pipeline(
            FunctionTransformer(), model
        ).predict(rows, output_margin=True),
        "importance": lambda model, rows: model.feature_importances_,
    }

    def train(self, rows: Any, labels: Any) -> Any:
        """Train two small trees."""
        params = {"objective": "binary:logistic", "max_depth": 2, "nthread": 1}
        return xgboost.train(params, xgboost.DMatrix(rows, labels), 2)

    def ask(self, booster: Any, rows: Any) -> Any:
        """Ask in place."""
        return booster.inplace_predict(rows)

    def save(self, booster: Any, path: Path) -> None:
        """Save in the form that the path ends in."""
        booster.save_model(path)

    def from_memory(self, booster: Any) -> Any:
        """Make a booster of a buffer."""
        return xgboost.Booster(model_file=booster.save_raw())

    def refill(self, booster: Any, other: Any) -> None:
        """Load a buffer."""
        booster.load_model(other.save_raw())

    def fit(self, name: str, rows: Any, labels: Any) -> Any:
        """Fit; a ranker has groups."""
        given = {"qid": np.repeat([0, 1], len(labels) // 2)} if name == "XGBRanker" else {}
        return self.estimators[name]().fit(rows, labels, **given)


class TestNames(BoosterNamesContract):
    """Of boosters."""

    scenario = XGBoost()


class TestCalls(BoosterCallsContract):
    """Of boosters."""

    scenario = XGBoost()


class TestEstimators(BoosterEstimatorsContract):
    """All classes."""

    scenario = XGBoost()

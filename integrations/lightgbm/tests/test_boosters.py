"""LightGBM keeps what all libraries of boosted trees do: names, calls, estimators."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import lightgbm
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from tidegauge_lightgbm import LightGBMInstrumentor
from tidegauge_sklearn import SklearnInstrumentor
from tidegauge_testkit.contracts.boosters import (
    Ask,
    BoosterCallsContract,
    BoosterEstimatorsContract,
    BoosterNamesContract,
    BoosterScenario,
)

SMALL: dict[str, Any] = {"n_estimators": 2, "num_leaves": 3, "n_jobs": 1, "verbosity": -1}

Classifier: Any = lightgbm.LGBMClassifier


class Bold(Classifier):  # type: ignore[misc]
    """A user's own classifier."""

    def predict(self, X: Any, **kwargs: Any) -> Any:  # noqa: N803 - scikit-learn's name
        """Say yes twice as often."""
        return (super().predict_proba(X, **kwargs)[:, 1] > 0.25).astype(int)


class LightGBM(BoosterScenario):
    """Boosters and estimators."""

    instrumentor: ClassVar[type[Any]] = LightGBMInstrumentor
    beside: ClassVar[type[Any] | None] = SklearnInstrumentor
    no_file: ClassVar[type[Exception]] = lightgbm.basic.LightGBMError
    ways: ClassVar[Mapping[str, Callable[[Any], Any]]] = {
        "by name": lambda file: lightgbm.Booster(model_file=file),
        "by position": lambda file: lightgbm.Booster(None, None, file),
    }
    explained: ClassVar[Mapping[str, Ask]] = {
        "raw score": lambda model, rows: model.predict(rows, raw_score=True),
        "leaves": lambda model, rows: model.predict(rows, pred_leaf=True),
        "contributions": lambda model, rows: model.predict(rows, pred_contrib=True),
        "raw score by position": lambda model, rows: model.predict(rows, 0, None, True),
        "leaves by position": lambda model, rows: model.predict(rows, 0, None, False, True),
        "contributions by position": lambda model, rows: model.predict(
            rows, 0, None, False, False, True
        ),
        "importance": lambda model, rows: model.feature_importance(),
        "refit": lambda model, rows: model.refit(rows, (rows[:, 0] > 0).astype(int)),
    }
    plain: ClassVar[Mapping[str, Ask]] = {
        "by name": lambda model, rows: model.predict(data=rows),
        "a tree": lambda model, rows: model.predict(rows, num_iteration=1),
        "by position": lambda model, rows: model.predict(rows, 0, 1, False, False, False),
        "no raw score": lambda model, rows: model.predict(
            rows, raw_score=False, validate_features=False
        ),
    }
    estimators: ClassVar[Mapping[str, Callable[[], Any]]] = {
        "LGBMClassifier": lambda: lightgbm.LGBMClassifier(**SMALL),
        "LGBMRegressor": lambda: lightgbm.LGBMRegressor(**SMALL),
        "LGBMRanker": lambda: lightgbm.LGBMRanker(**SMALL),
        "Bold": lambda: Bold(**SMALL),
    }
    classifier: ClassVar[str] = "LGBMClassifier"
    aside: ClassVar[Mapping[str, Ask]] = {
        "raw score": lambda model, rows: model.predict(rows, raw_score=True),
        "raw score by position": lambda model, rows: model.predict(rows, True),
        "raw score of classes": lambda model, rows: model.predict_proba(rows, raw_score=True),
        "leaves": lambda model, rows: model.predict(rows, pred_leaf=True),
        "leaves by position": lambda model, rows: model.predict(rows, False, 0, None, True),
        "contributions": lambda model, rows: model.predict(rows, pred_contrib=True),
        "raw score of a pipeline": lambda model, rows: make_pipeline(
            FunctionTransformer(), model
        ).predict(rows, raw_score=True),
    }

    def train(self, rows: Any, labels: Any) -> Any:
        """Train two small trees."""
        params = {"objective": "binary", "num_leaves": 3, "num_threads": 1, "verbosity": -1}
        return lightgbm.train(params, lightgbm.Dataset(rows, labels), 2)

    def ask(self, booster: Any, rows: Any) -> Any:
        """Predict."""
        return booster.predict(rows)

    def save(self, booster: Any, path: Path) -> None:
        """Save as text."""
        booster.save_model(path)

    def from_memory(self, booster: Any) -> Any:
        """Make a booster of a text."""
        return lightgbm.Booster(model_str=booster.model_to_string())

    def refill(self, booster: Any, other: Any) -> None:
        """Read a text anew."""
        booster.model_from_string(other.model_to_string())

    def fit(self, name: str, rows: Any, labels: Any) -> Any:
        """Fit; a ranker has groups."""
        given = {"group": [30, 30]} if name == "LGBMRanker" else {}
        return self.estimators[name]().fit(rows, labels, **given)


class TestNames(BoosterNamesContract):
    """Of boosters."""

    scenario = LightGBM()


class TestCalls(BoosterCallsContract):
    """Of boosters."""

    scenario = LightGBM()


class TestEstimators(BoosterEstimatorsContract):
    """All classes."""

    scenario = LightGBM()

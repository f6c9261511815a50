"""XGBoost keeps the contract of integrations: its boosters, and its scikit-learn API."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from tidegauge_testkit.contracts.integration import IntegrationContract
from tidegauge_testkit.contracts.scenario import Scenario
from tidegauge_xgboost import XGBoostInstrumentor


class BoosterScenario(Scenario):
    """A booster that is asked in place: a DMatrix, which cannot be pickled, has its own tests."""

    library: ClassVar[str] = "xgboost"
    plugin: ClassVar[str] = "tidegauge_xgboost"
    operation: ClassVar[str] = "inplace_predict"
    model_name: ClassVar[str] = "Booster"
    inputs: ClassVar[frozenset[str]] = frozenset(
        {
            "float64", "float32", "integers", "by column", "missing values", "frame", "mixed frame",
            "frame with missing values", "lists", "no rows",
        }
    )  # fmt: skip

    def instrumentor(self) -> Any:
        """Return the instrumentor."""
        return XGBoostInstrumentor()

    def owner(self) -> tuple[object, str]:
        """Return the booster's class."""
        import xgboost

        return xgboost.Booster, "inplace_predict"

    def fit(self) -> Any:
        """Return a booster of one tree."""
        import xgboost

        params = {"objective": "binary:logistic", "max_depth": 2, "nthread": 1}
        return xgboost.train(params, xgboost.DMatrix(self.data(40), [0, 1] * 20), 1)

    def data(self, rows: int) -> Any:
        """Return standard normal rows."""
        import numpy as np

        return np.random.default_rng(5).normal(size=(rows, 3))

    def predict(self, model: Any, data: Any) -> Any:
        """Call ``inplace_predict``."""
        return model.inplace_predict(data)

    def numbers(self, result: Any) -> list[float]:
        """Return the probabilities."""
        return [float(value) for value in result]

    def failing(self, error: BaseException) -> tuple[Any, Any]:
        """Return a user's booster that raises inside."""
        import xgboost

        class Failing(xgboost.Booster):
            def num_features(self) -> int:
                raise error

        return Failing(model_file=self.fit().save_raw()), self.data(2)

    def reload(self, model: Any, folder: Path) -> Any:
        """Save a booster and load it."""
        import xgboost

        model.save_model(folder / "fraud_v3.ubj")
        return xgboost.Booster(model_file=folder / "fraud_v3.ubj")


class ClassifierScenario(BoosterScenario):
    """A classifier of the scikit-learn API, without scikit-learn's integration."""

    operation: ClassVar[str] = "predict"
    model_name: ClassVar[str] = "XGBClassifier"

    def owner(self) -> tuple[object, str]:
        """Return the classifier's class."""
        import xgboost

        return xgboost.XGBClassifier, "predict"

    def fit(self) -> Any:
        """Return a fitted classifier of one tree."""
        import xgboost

        model = xgboost.XGBClassifier(n_estimators=1, max_depth=2, n_jobs=1)
        return model.fit(self.data(40), [0, 1] * 20)

    def predict(self, model: Any, data: Any) -> Any:
        """Call ``predict``."""
        return model.predict(data)

    def failing(self, error: BaseException) -> tuple[Any, Any]:
        """Return a user's classifier that raises inside."""
        import xgboost

        class Failing(xgboost.XGBClassifier):
            def predict(self, X: Any) -> Any:  # noqa: N803 - scikit-learn's name
                raise error

        return Failing(), self.data(2)

    def reload(self, model: Any, folder: Path) -> Any:
        """Save a classifier and load it."""
        import xgboost

        model.save_model(folder / "fraud_v3.ubj")
        loaded = xgboost.XGBClassifier(n_jobs=1)
        loaded.load_model(folder / "fraud_v3.ubj")
        return loaded


class TestBooster(IntegrationContract):
    """All promises, for boosters."""

    scenario = BoosterScenario()


class TestClassifier(IntegrationContract):
    """All promises, for the scikit-learn API."""

    scenario = ClassifierScenario()

"""LightGBM keeps the contract of integrations: its boosters, and its scikit-learn API."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from tidegauge_lightgbm import LightGBMInstrumentor
from tidegauge_testkit.contracts.integration import IntegrationContract
from tidegauge_testkit.contracts.scenario import Scenario


class BoosterScenario(Scenario):
    """A booster for two classes."""

    library: ClassVar[str] = "lightgbm"
    plugin: ClassVar[str] = "tidegauge_lightgbm"
    operation: ClassVar[str] = "predict"
    model_name: ClassVar[str] = "Booster"
    inputs: ClassVar[frozenset[str]] = frozenset(
        {
            "float64", "float32", "integers", "by column", "missing values", "frame", "mixed frame",
            "frame with missing values", "lists", "sparse",
        }
    )  # fmt: skip

    def instrumentor(self) -> Any:
        """Return the instrumentor."""
        return LightGBMInstrumentor()

    def owner(self) -> tuple[object, str]:
        """Return the booster's class."""
        import lightgbm

        return lightgbm.Booster, "predict"

    def fit(self) -> Any:
        """Return a booster of one tree."""
        import lightgbm

        params = {"objective": "binary", "num_leaves": 3, "num_threads": 1, "verbosity": -1}
        return lightgbm.train(params, lightgbm.Dataset(self.data(60), [0, 1] * 30), 1)

    def data(self, rows: int) -> Any:
        """Return standard normal rows."""
        import numpy as np

        return np.random.default_rng(5).normal(size=(rows, 3))

    def predict(self, model: Any, data: Any) -> Any:
        """Call ``predict``."""
        return model.predict(data)

    def numbers(self, result: Any) -> list[float]:
        """Return the probabilities."""
        return [float(value) for value in result]

    def failing(self, error: BaseException) -> tuple[Any, Any]:
        """Return a booster and a parameter of the user's that raises inside."""
        import lightgbm

        class Failing(lightgbm.Booster):
            @property
            def best_iteration(self) -> int:
                raise error

            @best_iteration.setter
            def best_iteration(self, value: int) -> None:
                pass

        return Failing(model_str=self.fit().model_to_string()), self.data(2)

    def reload(self, model: Any, folder: Path) -> Any:
        """Save a booster and load it."""
        import lightgbm

        model.save_model(folder / "fraud_v3.txt")
        return lightgbm.Booster(model_file=folder / "fraud_v3.txt")


class ClassifierScenario(BoosterScenario):
    """A classifier of the scikit-learn API, without scikit-learn's integration."""

    model_name: ClassVar[str] = "LGBMClassifier"

    def owner(self) -> tuple[object, str]:
        """Return the classifier's class."""
        import lightgbm

        return lightgbm.LGBMClassifier, "predict"

    def fit(self) -> Any:
        """Return a fitted classifier of one tree."""
        import lightgbm

        model = lightgbm.LGBMClassifier(n_estimators=1, num_leaves=3, n_jobs=1, verbosity=-1)
        return model.fit(self.data(60), [0, 1] * 30)

    def failing(self, error: BaseException) -> tuple[Any, Any]:
        """Return a user's classifier that raises inside."""
        import lightgbm

        base: Any = lightgbm.LGBMClassifier

        class Failing(base):  # type: ignore[misc]
            def predict(self, X: Any) -> Any:  # noqa: N803 - scikit-learn's name
                raise error

        return Failing(), self.data(2)

    def reload(self, model: Any, folder: Path) -> None:
        """Return nothing: an estimator has no file of its own."""


class TestBooster(IntegrationContract):
    """All promises, for boosters."""

    scenario = BoosterScenario()


class TestClassifier(IntegrationContract):
    """All promises, for the scikit-learn API."""

    scenario = ClassifierScenario()

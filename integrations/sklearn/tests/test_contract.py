"""Scikit-learn keeps the contract of integrations."""

from __future__ import annotations

from typing import Any, ClassVar

from tidegauge_sklearn import SklearnInstrumentor
from tidegauge_testkit.contracts.integration import IntegrationContract
from tidegauge_testkit.contracts.scenario import Scenario


class SklearnScenario(Scenario):
    """A logistic regression, whose ``predict`` stands on a mixin."""

    library: ClassVar[str] = "sklearn"
    plugin: ClassVar[str] = "tidegauge_sklearn"
    operation: ClassVar[str] = "predict"
    model_name: ClassVar[str] = "LogisticRegression"
    inputs: ClassVar[frozenset[str]] = frozenset(
        {
            "float64",
            "float32",
            "integers",
            "by column",
            "frame",
            "mixed frame",
            "polars",
            "lists",
            "sparse",
        }
    )
    main_source: ClassVar[str] = """
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression

class Mine(ClassifierMixin, BaseEstimator):
    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.mean_ = float(np.mean(X))
        return self

    def predict(self, X):
        return self.classes_[(np.asarray(X).mean(axis=1) > self.mean_).astype(int)]

def make():
    X = scenario.data(8)
    return Mine().fit(X, [0, 1] * 4), X
"""

    def instrumentor(self) -> Any:
        """Return the instrumentor."""
        return SklearnInstrumentor()

    def owner(self) -> tuple[object, str]:
        """Return the mixin that holds ``LogisticRegression.predict``."""
        from sklearn.linear_model._base import LinearClassifierMixin

        return LinearClassifierMixin, "predict"

    def fit(self) -> Any:
        """Return a fitted classifier of three features."""
        from sklearn.linear_model import LogisticRegression

        return LogisticRegression().fit(self.data(40), [0, 1] * 20)

    def data(self, rows: int) -> Any:
        """Return standard normal rows."""
        import numpy as np

        return np.random.default_rng(5).normal(size=(rows, 3))

    def predict(self, model: Any, data: Any) -> Any:
        """Call ``predict``."""
        return model.predict(data)

    def numbers(self, result: Any) -> list[float]:
        """Return the labels."""
        return [float(value) for value in result]

    def failing(self, error: BaseException) -> tuple[Any, Any]:
        """Return a user's estimator that raises."""
        from sklearn.base import BaseEstimator

        class Failing(BaseEstimator):  # type: ignore[misc]
            def predict(self, data: Any) -> Any:
                raise error

        return Failing(), self.data(2)


class TestSklearn(IntegrationContract):
    """All promises, for scikit-learn."""

    scenario = SklearnScenario()

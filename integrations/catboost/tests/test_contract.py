"""CatBoost keeps the contract of integrations."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

from packaging.version import Version
from tidegauge_catboost import CatBoostInstrumentor
from tidegauge_testkit.contracts.integration import IntegrationContract
from tidegauge_testkit.contracts.scenario import Scenario


class CatBoostScenario(Scenario):
    """A classifier of three features."""

    library: ClassVar[str] = "catboost"
    plugin: ClassVar[str] = "tidegauge_catboost"
    operation: ClassVar[str] = "predict"
    model_name: ClassVar[str] = "CatBoostClassifier"
    inputs: ClassVar[frozenset[str]] = frozenset(
        {
            "float64", "float32", "integers", "by column", "missing values", "frame",
            "frame with missing values", "mixed frame", "lists", "sparse", "no rows",
        }
    )  # fmt: skip
    if Version(version("catboost")) >= Version("1.2.9"):
        inputs |= {"polars"}
    # Derived classes: test_pickles.py. What a model has in its attributes cannot be pickled alone.

    def instrumentor(self) -> Any:
        """Return the instrumentor."""
        return CatBoostInstrumentor()

    def owner(self) -> tuple[object, str]:
        """Return the class that holds ``predict`` of classifiers."""
        from catboost import CatBoostClassifier

        return CatBoostClassifier, "predict"

    def fit(self) -> Any:
        """Return a fitted classifier."""
        from catboost import CatBoostClassifier

        model = CatBoostClassifier(
            iterations=2, depth=2, verbose=False, allow_writing_files=False, thread_count=1
        )
        return model.fit(self.data(40), [0, 1] * 20)

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

    def reload(self, model: Any, folder: Path) -> Any:
        """Save the model in the library's own form and load it."""
        from catboost import CatBoostClassifier

        model.save_model(str(folder / "churn.cbm"))
        return CatBoostClassifier().load_model(str(folder / "churn.cbm"))

    def failing(self, error: BaseException) -> tuple[Any, Any]:
        """Return a user's classifier that raises."""
        from catboost import CatBoostClassifier

        class Failing(CatBoostClassifier):  # type: ignore[misc]
            def predict(self, data: Any) -> Any:
                raise error

        return Failing(), self.data(2)


class TestCatBoost(IntegrationContract):
    """All promises, for CatBoost."""

    scenario = CatBoostScenario()

"""MLflow keeps the promises of every integration."""

from __future__ import annotations

import functools
import tempfile
import warnings
from pathlib import Path
from typing import Any, ClassVar

from tidegauge_mlflow import MlflowInstrumentor
from tidegauge_testkit.contracts.integration import IntegrationContract
from tidegauge_testkit.contracts.scenario import Scenario


class MlflowScenario(Scenario):
    """A pyfunc model of scikit-learn's flavour, loaded from a folder that names nothing."""

    library: ClassVar[str] = "mlflow"
    plugin: ClassVar[str] = "tidegauge_mlflow"
    operation: ClassVar[str] = "predict"
    model_name: ClassVar[str] = "PyFuncModel[LogisticRegression]"
    # Of its own type hints, and of those who use what it uses.
    warnings: ClassVar[tuple[str, ...]] = ("ignore::UserWarning", "ignore::FutureWarning")

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

    def instrumentor(self) -> Any:
        """Return the instrumentor."""
        return MlflowInstrumentor()

    def owner(self) -> tuple[object, str]:
        """Return the class of all pyfunc models."""
        return _mlflow().pyfunc.PyFuncModel, "predict"

    def fit(self) -> Any:
        """Return a classifier of three features."""
        return _mlflow().pyfunc.load_model(_saved())

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
        """Save the estimator below a folder, and load it as a pyfunc model."""
        return _mlflow().pyfunc.load_model(_save(model.get_raw_model(), folder / "fraud"))

    def failing(self, error: BaseException) -> tuple[Any, Any]:
        """Return a model whose flavour raises."""

        class Failing:
            def predict(self, data: Any) -> Any:
                raise error

        mlflow = _mlflow()
        return mlflow.pyfunc.PyFuncModel(mlflow.models.Model(), Failing()), self.data(2)


def _mlflow() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its import warns of its own type hints
        import mlflow.pyfunc
        import mlflow.sklearn
    return mlflow


@functools.cache
def _saved() -> str:
    """Save a model, once a process."""
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    rows = np.random.default_rng(5).normal(size=(40, 3))
    model = LogisticRegression().fit(rows, [0, 1] * 20)
    return _save(model, Path(tempfile.mkdtemp()) / "model")


def _save(model: Any, folder: Path) -> str:
    _mlflow().sklearn.save_model(
        model, folder, serialization_format="cloudpickle", pip_requirements=[]
    )
    return str(folder)


class TestMlflow(IntegrationContract):
    """All promises, for MLflow."""

    scenario = MlflowScenario()

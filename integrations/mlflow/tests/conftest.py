"""MLflow under instrumentation, with a registry in a folder, and a pipeline for each test."""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from tidegauge.info import ModelInfo
from tidegauge.observe import Decorator, observer
from tidegauge.patcher import Methods, Patcher
from tidegauge_mlflow import MlflowInstrumentor
from tidegauge_testkit.instrumentation import switched_on
from tidegauge_testkit.recording import Recording

# No word to MLflow's makers; and a registry in files, which takes no database.
os.environ |= {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ALLOW_FILE_STORE": "true",
    # A run would ask git for the commit, by processes that GitPython leaves to the collector.
    "GIT_PYTHON_GIT_EXECUTABLE": "no-git-here",
    "GIT_PYTHON_REFRESH": "raise",
    # Where a test has set none: else it is the working folder.
    "MLFLOW_TRACKING_URI": Path(tempfile.mkdtemp()).as_uri(),
}


@pytest.fixture(scope="session")
def mlflow() -> Any:
    """Return MLflow: its import warns of its own type hints."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlflow
        import mlflow.models
        import mlflow.pyfunc
        import mlflow.sklearn
    return mlflow


@pytest.fixture
def instrumented(mlflow: Any) -> Iterator[MlflowInstrumentor]:
    """Instrument MLflow for one test."""
    with switched_on(MlflowInstrumentor()) as instrumentor:
        yield instrumentor


@pytest.fixture
def recording(instrumented: MlflowInstrumentor) -> Iterator[Recording]:
    """Return what is recorded in one test."""
    with Recording() as recording:
        yield recording


@pytest.fixture
def estimators() -> Iterator[None]:
    """Let scikit-learn's calls be recorded too, as another integration does."""

    def observed(*methods: str) -> dict[str, Decorator]:
        return {method: observer(method, describe_estimator) for method in methods}

    patcher = Patcher(
        [
            Methods(
                "sklearn.linear_model._base",
                "LinearClassifierMixin",
                observed("predict", "decision_function"),
            ),
            Methods(
                "sklearn.linear_model._logistic", "LogisticRegression", observed("predict_proba")
            ),
        ]
    )
    patcher.install()
    yield
    patcher.remove()


def describe_estimator(model: object) -> ModelInfo:
    """Return what such an integration says of a model."""
    return ModelInfo("sklearn", type(model).__name__)


@pytest.fixture(scope="session")
def rows() -> pd.DataFrame:
    """Return ten rows of two features."""
    drawn = np.random.default_rng(3).normal(size=(10, 2))
    return pd.DataFrame(drawn, columns=["age", "income"])


@pytest.fixture(scope="session")
def classifier(rows: pd.DataFrame) -> LogisticRegression:
    """Return a classifier of those rows."""
    return LogisticRegression().fit(rows, (rows["age"] > 0).astype(int))


@dataclass(frozen=True)
class Registry:
    """A tracking server and model registry in a folder, with a model called ``fraud``.

    The logged model and its run are those of version 3; ``unregistered`` is a run too, whose model
    is called ``scores`` and is in no registry.
    """

    mlflow: Any
    #: What ``MLFLOW_TRACKING_URI`` is set to.
    uri: str
    folder: Path
    experiment: str
    signature: Any
    model_id: str
    run_id: str
    unregistered: str

    def run(self) -> Any:
        """Return a run of the experiment, as a context manager."""
        return self.mlflow.start_run(experiment_id=self.experiment)


@pytest.fixture(scope="session")
def registry(mlflow: Any, tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """Return a registry, in a database where all of MLflow is there and in files where it is not.

    It has ``fraud`` 1 to 3, of which 2 has the alias ``champion``.
    """
    folder = tmp_path_factory.mktemp("registry")
    whole = find_spec("sqlalchemy") and find_spec("alembic")
    uri = f"sqlite:///{folder}/mlflow.db" if whole else (folder / "store").as_uri()
    return fill(mlflow, uri, folder, (folder / "artifacts").as_uri())


def fill(mlflow: Any, uri: str, folder: Path, artifacts: str | None = None) -> Registry:
    """Log and register models; the registry is MLflow's from then on."""
    rows = pd.DataFrame(np.random.default_rng(3).normal(size=(10, 2)), columns=["age", "income"])
    classifier = LogisticRegression().fit(rows, (rows["age"] > 0).astype(int))
    signature = mlflow.models.infer_signature(rows, classifier.predict(rows))

    def log(name: str, registered: str | None) -> Any:
        with mlflow.start_run(experiment_id=experiment):
            return mlflow.sklearn.log_model(
                classifier,
                name=name,
                registered_model_name=registered,
                signature=signature,
                serialization_format="cloudpickle",
                pip_requirements=[],  # else MLflow starts a process to find them out
            )

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of registries in files, of stages, of databases
        mlflow.set_tracking_uri(uri)
        # The default one has its artifacts in the working folder.
        experiment = mlflow.create_experiment("tests", artifacts)
        *_, info = [log("model", "fraud") for _ in range(3)]
        other = log("scores", None)
        client = mlflow.MlflowClient()
        client.set_registered_model_alias("fraud", "champion", 2)
        client.transition_model_version_stage("fraud", "1", "Production")
    return Registry(
        mlflow, uri, folder, experiment, signature, info.model_id, info.run_id, other.run_id
    )

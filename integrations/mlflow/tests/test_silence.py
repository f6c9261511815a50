"""What predicts and serves nobody: saving, trying, evaluating, training, loading."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tidegauge_testkit.recording import Recording

from .conftest import Registry

# It would see all of it, if nobody said that it serves nobody.
pytestmark = pytest.mark.usefixtures("estimators")


@pytest.fixture
def predictions(classifier: Any, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that grows with each prediction of scikit-learn's, recorded or not."""
    seen: list[int] = []
    cls = type(classifier)
    decide = cls.decision_function

    def counted(self: Any, data: Any) -> Any:
        seen.append(len(data))
        return decide(self, data)

    monkeypatch.setattr(cls, "decision_function", counted)
    return seen


def test_saving_with_an_example_is_no_request(
    recording: Recording, registry: Registry, rows: pd.DataFrame, predictions: list[int]
) -> None:
    """MLflow asks the model what it answers, for the signature, and tries to serve it."""
    options = {
        "input_example": rows.head(2),
        "serialization_format": "cloudpickle",
        "pip_requirements": [],
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow's, of the example
        native = registry.mlflow.sklearn.load_model("models:/fraud/3")
        registry.mlflow.sklearn.save_model(native, registry.folder / "saved", **options)
        assert predictions
        predictions.clear()
        with registry.run():
            registry.mlflow.sklearn.log_model(native, name="logged", **options)
    assert predictions
    assert recording.calls() == 0
    assert recording.faults() == {}


def try_out(registry: Registry, rows: pd.DataFrame) -> None:
    """Ask a model once, from a notebook."""
    registry.mlflow.models.predict("models:/fraud/3", input_data=rows, env_manager="local")


def validate(registry: Registry, rows: pd.DataFrame) -> None:
    """Ask a model as a server would, in a test."""
    serving = registry.mlflow.models.convert_input_example_to_serving_input(rows)
    registry.mlflow.models.validate_serving_input("models:/fraud/3", serving)


@pytest.mark.parametrize("act", [try_out, validate])
def test_a_trial_is_no_request(
    recording: Recording,
    registry: Registry,
    rows: pd.DataFrame,
    predictions: list[int],
    act: Callable[[Registry, pd.DataFrame], None],
) -> None:
    """The model predicts, and nothing is recorded; afterwards it is."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # validate_serving_input is deprecated
        act(registry, rows)
    assert predictions
    assert recording.calls() == 0
    registry.mlflow.pyfunc.load_model("models:/fraud/3").predict(rows)
    assert recording.calls() == 1
    assert recording.faults() == {}


@pytest.mark.backends  # it loads half of what makes plots
@pytest.mark.parametrize("deprecated", [False, True])
def test_an_evaluation_is_no_request(
    recording: Recording,
    registry: Registry,
    rows: pd.DataFrame,
    predictions: list[int],
    deprecated: bool,
) -> None:
    """Neither ``mlflow.models.evaluate`` nor the old ``mlflow.evaluate``."""
    pytest.importorskip("matplotlib", reason="MLflow's evaluator wants all of MLflow")
    ask = registry.mlflow.evaluate if deprecated else registry.mlflow.models.evaluate
    with warnings.catch_warnings(), registry.run():
        warnings.simplefilter("ignore")
        ask(
            "models:/fraud/3",
            rows.assign(label=[0, 1] * 5),
            targets="label",
            model_type="classifier",
            evaluator_config={"log_model_explainability": False},
        )
    assert predictions
    assert recording.calls() == 0
    assert recording.faults() == {}


def test_what_predicts_while_it_loads_serves_nobody(
    recording: Recording, registry: Registry, rows: pd.DataFrame, tmp_path: Path
) -> None:
    """A model that warms itself up."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow would like hints of types

        class Warm(registry.mlflow.pyfunc.PythonModel):  # type: ignore[misc]
            def load_context(self, context: Any) -> None:
                import mlflow

                self.inner = mlflow.pyfunc.load_model(context.artifacts["inner"])
                self.inner.predict(rows)

            def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
                return self.inner.predict(model_input)

        registry.mlflow.pyfunc.save_model(
            tmp_path / "warm",
            python_model=Warm(),
            artifacts={"inner": "models:/fraud/3"},
            pip_requirements=[],
        )
        model = registry.mlflow.pyfunc.load_model(str(tmp_path / "warm"))
    assert recording.calls() == 0
    model.predict(rows)
    assert [key for key, counts in recording.counts().items() if counts.success] == [
        ("warm", "predict")
    ]
    assert recording.calls() == 1


AUTOLOG = """
import sys
import numpy as np
from tidegauge_mlflow import MlflowInstrumentor
from tidegauge_sklearn import SklearnInstrumentor
from tidegauge_testkit.recording import Recording
SklearnInstrumentor().instrument(skip_dep_check=True)
MlflowInstrumentor().instrument(skip_dep_check=True)
import mlflow
from sklearn.linear_model import LogisticRegression
mlflow.set_tracking_uri(sys.argv[1])
mlflow.sklearn.autolog(log_models=sys.argv[2] == "models", silent=True)
rows = np.random.default_rng(1).normal(size=(20, 2))
with Recording() as recording:
    with mlflow.start_run() as run:
        model = LogisticRegression().fit(rows, rows[:, 0] > 0)
    trained = recording.calls()
    model.predict(rows)
    metrics = mlflow.get_run(run.info.run_id).data.metrics
    print(sorted(metrics)[:1], trained, recording.calls(), recording.faults())
"""


def autolog(folder: Path, models: str) -> str:
    """Train with autolog in a process of its own: it patches scikit-learn for good."""
    pytest.importorskip("tidegauge_sklearn", reason="a sibling that need not be installed")
    done = subprocess.run(
        [sys.executable, "-c", AUTOLOG, (folder / "store").as_uri(), models],
        cwd=folder,
        env=os.environ | {"OTEL_SDK_DISABLED": "true"},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.backends
def test_training_with_autolog_is_no_request(tmp_path: Path) -> None:
    """It asks for the metrics of the training when ``fit`` is over; what the app asks counts."""
    assert autolog(tmp_path, "metrics") == "['training_accuracy_score'] 0 1 {}"


@pytest.mark.backends
def test_models_that_autolog_logs_are_no_requests(tmp_path: Path) -> None:
    """It asks for examples of outputs, and starts a process that does so too."""
    pytest.importorskip("skops", reason="what MLflow saves estimators with")
    assert autolog(tmp_path, "models") == "['training_accuracy_score'] 0 1 {}"

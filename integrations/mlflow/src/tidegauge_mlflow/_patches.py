"""What is wrapped, and why."""

from __future__ import annotations

from tidegauge.observe import observer, streamer, suppressor
from tidegauge.patcher import Functions, Methods, Patch

from tidegauge_mlflow._extract import describe, features, outputs
from tidegauge_mlflow._loading import hear_logged_model, hear_repository, hearer, loader
from tidegauge_mlflow._serving import waiter

# Whose objects other integrations record, and whose ``save_model`` asks the model about its input
# example. MLflow's own ``pyfunc`` is the one that serves.
_FLAVORS = (
    "mlflow.pyfunc",
    "mlflow.sklearn",
    "mlflow.xgboost",
    "mlflow.lightgbm",
    "mlflow.catboost",
    "mlflow.onnx",
    "mlflow.pytorch",
    "mlflow.tensorflow",
    "mlflow.keras",
    "mlflow.transformers",
    "mlflow.sentence_transformers",
)

# Predictions that serve nobody: of an evaluation, a try of the model, training with autolog.
_NO_SERVING = {
    "mlflow.models.evaluation.base": ("evaluate",),
    # Holds the function above by another name.
    "mlflow.models.evaluation.deprecated": ("evaluate",),
    "mlflow.models.python_api": ("predict",),
    "mlflow.models.utils": ("validate_serving_input",),
    # Autolog wraps ``fit`` from outside and predicts when the training is over.
    "mlflow.utils.autologging_utils": ("resolve_input_example_and_signature",),
    "mlflow.sklearn.utils": ("_log_estimator_content",),
}

PATCHES: tuple[Patch, ...] = (
    # Each outermost call is one request: the input's check against the signature is inside, so that
    # what it refuses counts as an error of the model. The model server calls it.
    Methods(
        "mlflow.pyfunc",
        "PyFuncModel",
        {
            "predict": observer(
                "predict", describe, argument="data", features=features, outputs=outputs
            ),
            "predict_stream": streamer(
                "predict_stream", describe, argument="data", features=features
            ),
        },
    ),
    *(
        Functions(
            flavor,
            {"load_model": loader(), "save_model": suppressor(), "log_model": suppressor()},
        )
        for flavor in _FLAVORS
    ),
    # Where MLflow asks the registry what an alias, a stage or an id means.
    Methods(
        "mlflow.store.artifact.models_artifact_repo",
        "ModelsArtifactRepository",
        {"download_artifacts": hearer(hear_repository)},
    ),
    Methods(
        "mlflow.tracking.client", "MlflowClient", {"get_logged_model": hearer(hear_logged_model)}
    ),
    # The command ``mlflow models serve``, which serves nothing itself.
    Methods("mlflow.pyfunc.backend", "PyFuncBackend", {"serve": waiter()}),
    *(
        Functions(module, {name: suppressor() for name in names})
        for module, names in _NO_SERVING.items()
    ),
)

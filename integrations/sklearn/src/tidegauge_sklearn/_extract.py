"""What an estimator says of itself. Called once an object, when scikit-learn is long imported."""

from __future__ import annotations

from typing import Any

from tidegauge.info import ModelInfo, Task

_MAX_DEPTH = 5


def describe(model: object) -> ModelInfo:
    """Return the facts of an estimator: class, task, names, classes."""
    return ModelInfo(
        framework="sklearn",
        class_name=class_name(model),
        feature_names=_texts(getattr(model, "feature_names_in_", None)),
        task=_task(model),
        classes=_texts(getattr(model, "classes_", None)),
    )


def class_name(model: object, depth: int = 0) -> str:
    """Name a model by its class, with what it wraps: ``Pipeline[LogisticRegression]``."""
    name = type(model).__name__
    inner = _inner(model)
    if inner is None or depth >= _MAX_DEPTH:
        return name
    return f"{name}[{class_name(inner, depth + 1)}]"


def _inner(model: Any) -> object | None:
    steps = getattr(model, "steps", None)
    if isinstance(steps, list) and steps and isinstance(steps[-1], tuple):
        last = steps[-1][-1]
        return None if isinstance(last, str) else last
    # A search is about the model that it found; what an ensemble is made of is its own affair.
    return getattr(model, "best_estimator_", None)


def _task(model: object) -> Task:
    from sklearn.base import (  # noqa: PLC0415 - imported already; importing this module must not
        is_classifier,
        is_outlier_detector,
        is_regressor,
    )

    if is_classifier(model):
        return Task.CLASSIFICATION
    if is_regressor(model):
        return Task.REGRESSION
    return Task.OUTLIER if is_outlier_detector(model) else Task.UNKNOWN


def _texts(values: Any) -> tuple[str, ...] | None:
    """Return labels as text; None where there are none, or one list an output."""
    if values is None or isinstance(values, list | str) or getattr(values, "ndim", 1) != 1:
        return None
    return tuple(map(str, values))

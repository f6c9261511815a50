"""What a booster says of itself. Called once an object, when LightGBM is long imported."""

from __future__ import annotations

from os import PathLike
from typing import Any

from tidegauge.estimators import given_names
from tidegauge.info import ModelInfo, Task
from tidegauge.snapshot import Lazy

_CLASSIFICATION = frozenset({"binary", "multiclass", "multiclassova"})
_REGRESSION = frozenset(
    {"regression", "regression_l1", "huber", "fair", "poisson", "quantile", "mape", "gamma",
     "tweedie"}
)  # fmt: skip


def describe(booster: Any) -> ModelInfo:
    """Return the facts of a booster: class, task, names. It answers with values, never labels."""
    objective = _objective(booster)
    task = Task.UNKNOWN  # ranking, the app's own objective
    if objective in _CLASSIFICATION:
        task = Task.CLASSIFICATION
    elif objective in _REGRESSION:
        task = Task.REGRESSION
    return ModelInfo(
        framework="lightgbm",
        class_name=type(booster).__name__,
        feature_names=given_names(booster.feature_name()),
        task=task,
        labels=False,
    )


def rows_of(data: Any) -> Any:
    """Return what is asked about; nothing of a file, whose rows nobody has counted."""
    return Lazy(0, lambda *_: None) if isinstance(data, str | PathLike) else data


def _objective(booster: Any) -> str:
    # ``params`` has what the app passed, which may be any of several words, or nothing. A model's
    # text has one word; its head comes before the trees, of which one is enough.
    head = booster.model_to_string(num_iteration=1).partition("\ntree_sizes=")[0]
    found: list[str] = [line for line in head.splitlines() if line.startswith("objective=")]
    return found[0].removeprefix("objective=").split(" ")[0] if found else ""

"""What a model says of itself. Called once an object, when PLACEHOLDER is long imported."""

from __future__ import annotations

from tidegauge.info import ModelInfo, Task


def describe(model: object) -> ModelInfo:
    """Return the facts of a model."""
    # WRITE: names of the features, classes and task, as the object knows them; never a path.
    return ModelInfo(
        framework="placeholder",
        class_name=type(model).__name__,
        feature_names=None,
        task=Task.UNKNOWN,
        classes=None,
    )

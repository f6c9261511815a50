"""What is wrapped, and why."""

from __future__ import annotations

from tidegauge.estimators import estimators

# Classes of a training script's ``__main__`` come by value in the model's pickle: they are looked
# at when ``__setstate__`` restores a model.
PATCHES = estimators("sklearn.base", "BaseEstimator", on_load="__setstate__")

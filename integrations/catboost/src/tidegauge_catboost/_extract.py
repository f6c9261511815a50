"""What a model says of itself, and what its arguments and results come to as rows."""

from __future__ import annotations

from itertools import chain
from typing import Any

import numpy as np
from tidegauge.info import ModelInfo, Task
from tidegauge.snapshot import Lazy

# A Pool gives its numbers one by one, about 70 ns each, on the caller's thread.
_MAX_CELLS = 25_600
_TASKS = {"classifier": Task.CLASSIFICATION, "regressor": Task.REGRESSION}
_TEXTS = (str, bytes)
_NESTED = (list, tuple, np.ndarray)


def describe(model: Any) -> ModelInfo:
    """Return the facts of a model: class, task, names, classes."""
    task = _TASKS.get(getattr(model, "_estimator_type", ""), Task.UNKNOWN)
    classes = tuple(map(str, _found(model, "classes_"))) if task is Task.CLASSIFICATION else ()
    return ModelInfo(
        framework="catboost",
        class_name=type(model).__name__,
        feature_names=_feature_names(model),
        task=task,
        classes=classes or None,
    )


def _feature_names(model: Any) -> tuple[str, ...] | None:
    names = tuple(map(str, _found(model, "feature_names_")))
    # Features that had no names when the model was fitted are called by their position.
    return None if names == tuple(map(str, range(len(names)))) else names


def _found(model: Any, name: str) -> Any:
    """Return what a fitted model has, and nothing of one that is not fitted."""
    try:
        values = getattr(model, name, None)
    except Exception:  # CatBoost's own error, whose class is not to be imported here
        return ()
    return () if values is None else values


def features(data: Any) -> Any:
    """Return rows. CatBoost takes what has one dimension as one row."""
    kind = type(data)
    if kind.__module__.partition(".")[0] in ("catboost", "_catboost"):
        return _pool(data) if hasattr(data, "num_row") else _features_data(data)
    if isinstance(data, np.ndarray):
        return data[None, :] if data.ndim == 1 else data
    if isinstance(data, list):
        return data if data and isinstance(data[0], _NESTED) else [tuple(data)]
    if kind.__name__ == "Series":
        return data.to_dict() if hasattr(data, "to_dict") else [tuple(data)]
    return data


def _pool(pool: Any) -> Any:
    return Lazy(pool.num_row(), lambda start, step: _pool_rows(pool, start, step))


def _pool_rows(pool: Any, start: int, step: int) -> Any:
    """Return numbers of a Pool; None of one that is quantized, or holds categories or text."""
    rows = range(start, pool.num_row(), step)
    columns = (
        *pool.get_cat_feature_indices(),
        *pool.get_text_feature_indices(),
        *pool.get_embedding_feature_indices(),
    )
    if columns or pool.is_quantized() or len(rows) * pool.num_col() > _MAX_CELLS:
        return None
    part = pool if step == 1 else pool.slice(list(rows))
    return part.get_features()


def _features_data(data: Any) -> Any:
    return Lazy(data.get_object_count(), lambda start, step: _features_rows(data, start, step))


def _features_rows(data: Any, start: int, step: int) -> Any:
    tables = (data.num_feature_data, data.cat_feature_data)
    parts = [table[start::step].tolist() for table in tables if table is not None]
    names = data.get_feature_names()
    rows = [tuple(map(_text, chain.from_iterable(cells))) for cells in zip(*parts, strict=True)]
    return [dict(zip(names, row, strict=True)) for row in rows] if all(names) else rows


def _text(cell: Any) -> Any:
    return cell.decode("utf-8", "replace") if isinstance(cell, bytes) else cell


def outputs(result: Any) -> Any:
    """Return one row an input row: the label of a class comes in a column, or alone."""
    if isinstance(result, np.ndarray):
        return result.ravel() if result.ndim == 2 and result.shape[1] == 1 else result  # noqa: PLR2004 - a table
    # Of a single row, which had one dimension: a number, or a label.
    return np.array([result], dtype=object if isinstance(result, _TEXTS) else None)

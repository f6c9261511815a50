"""What a pyfunc model, its input and its output say of themselves. Pure; imports no MLflow."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from numbers import Number
from typing import Any

import numpy as np
from tidegauge import estimators
from tidegauge.info import ModelInfo, Task
from tidegauge.snapshot import Lazy

_SCALARS = (str, bytes, Number, np.generic, type(None))
# Rows, of which a list of inputs may consist. Texts are none, nor are messages of a chat.
_ROWS = (list, tuple, np.ndarray, dict, Number, np.generic, type(None))


def describe(model: object) -> ModelInfo:
    """Return the facts of a pyfunc model: what it wraps, its task, the names of its inputs."""
    inner = native(model)
    estimator = _estimator(inner)
    name = type(model).__name__
    if inner is not None:
        name = f"{name}[{estimator.class_name if estimator else type(inner).__name__}]"
    # ``pyfunc_predict_fn="predict_proba"``: what comes out is not what the task says.
    plain = _predict_function(model) == "predict"
    return ModelInfo(
        framework="mlflow",
        class_name=name,
        feature_names=_names(model) or (estimator.feature_names if estimator else None),
        task=estimator.task if estimator and plain else Task.UNKNOWN,
    )


def native(model: Any) -> object | None:
    """Return the library's own object in a pyfunc model, or the app's; None where it tells none."""
    if not hasattr(model, "get_raw_model"):
        return None
    try:
        inner: object | None = model.get_raw_model()
    except Exception:  # flavours without one say so in several ways
        inner = None
    # Not public, and what MLflow calls a "stable developer API".
    impl = model._model_impl  # noqa: SLF001
    return inner if inner is not None else getattr(impl, "python_model", None)


def _names(model: Any) -> tuple[str, ...] | None:
    schema = model.metadata.get_input_schema()
    if schema is None or schema.is_tensor_spec() or not schema.has_input_names():
        return None
    return tuple(map(str, schema.input_names()))


def _estimator(inner: object) -> ModelInfo | None:
    """Return the facts of an estimator of scikit-learn's kind; of others nobody can be certain."""
    sklearn = sys.modules.get("sklearn.base")
    known = sklearn is not None and isinstance(inner, sklearn.BaseEstimator)
    return estimators.describe(inner) if known else None


def _predict_function(model: Any) -> str:
    flavor = model.metadata.flavors.get("python_function", {})
    return str(flavor.get("predict_fn", "predict"))


def features(data: Any) -> Any:
    """Return an input in a form that can be read: by rows. Texts and messages stay the app's."""
    if isinstance(data, dict):
        return _columns(data)
    if type(data) in (list, tuple) and data:
        first = data[0]
        if not isinstance(first, _ROWS) or (isinstance(first, dict) and not _is_row(first)):
            return Lazy(len(data), _nothing)
    return data


def outputs(result: Any) -> Any:
    """Return an output in a form that can be read; generated text is not."""
    if isinstance(result, dict):
        return _columns(result)
    if type(result) is list and result and isinstance(result[0], dict):
        return result if all(map(_is_number, result[0].values())) else None
    return result


def _columns(data: dict[Any, Any]) -> Any:
    """Return a dict as rows: one row of values, or columns side by side, as MLflow reads it."""
    if _is_row(data):
        return dict(data)
    names, values = tuple(data), list(data.values())
    # A list of texts is one value to MLflow where there is nothing but values beside it.
    if all(isinstance(value, _SCALARS) or _is_texts(value) for value in values):
        return Lazy(1, _nothing)
    lengths = {len(value) if _is_column(value) else -1 for value in values}
    if len(lengths) > 1 or -1 in lengths:
        return Lazy(1, _nothing)
    cells = all(np.ndim(value) == 1 and isinstance(value[0], _SCALARS) for value in _heads(values))

    def read(start: int, step: int) -> Any:
        chosen = (_plain(value[start::step]) for value in values)
        return [dict(zip(names, row, strict=True)) for row in zip(*chosen, strict=True)]

    return Lazy(lengths.pop(), read if cells else _nothing)


def _heads(columns: list[Any]) -> Iterator[Any]:
    """Return the first value of each column that has one, in a column of its own."""
    return (column[:1] for column in columns if len(column))


def _is_row(data: dict[Any, Any]) -> bool:
    return all(isinstance(value, _SCALARS) for value in data.values())


def _is_column(value: object) -> bool:
    return (
        isinstance(value, np.ndarray | Sequence)
        and not isinstance(value, str | bytes)
        and (not isinstance(value, np.ndarray) or value.ndim > 0)
    )


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _is_number(value: object) -> bool:
    return isinstance(value, Number | np.generic)


def _plain(values: Any) -> Iterator[Any]:
    return iter(values.tolist() if isinstance(values, np.ndarray) else values)


def _nothing(start: int, step: int) -> None:
    """Read no row: they are counted."""

"""What a booster says of itself, and how rows are read. Called when XGBoost is long imported."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tidegauge.info import ModelInfo, Task
from tidegauge.skipping import asks_for
from tidegauge.snapshot import MAX_COLUMNS, MAX_ROWS, Lazy

_CLASSIFICATION = ("binary:", "multi:")
_REGRESSION = ("reg:", "count:", "survival:")
# The other objectives of classification give probabilities, or the raw score.
_LABELS = frozenset({"multi:softmax", "binary:hinge"})
_TABLE = 2
# As many as the widest rows that one call may add.
_MOST_VALUES = MAX_ROWS * MAX_COLUMNS
# To copy from a device would make it wait.
_ON_DEVICE = frozenset({"cupy", "cudf"})

#: Raw margins, leaf indexes, contributions; and with ``training`` what a custom objective asks for.
is_explanation = asks_for(
    output_margin=1, pred_leaf=2, pred_contribs=3, pred_interactions=5, training=7
)


def is_margin(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Say whether a call of ``inplace_predict`` asks for raw margins."""
    at = 2
    asked: object = args[at] if len(args) > at else kwargs.get("predict_type")
    return asked == "margin"


def describe(booster: Any) -> ModelInfo:
    """Return the facts of a booster: class, task, names, and whether it answers with labels."""
    objective = json.loads(booster.save_config())["learner"]["objective"]["name"]
    task = Task.UNKNOWN  # ranking among others
    if objective.startswith(_CLASSIFICATION):
        task = Task.CLASSIFICATION
    elif objective.startswith(_REGRESSION):
        task = Task.REGRESSION
    names = booster.feature_names
    return ModelInfo(
        framework="xgboost",
        class_name=type(booster).__name__,
        feature_names=tuple(names) if names else None,
        task=task,
        labels=objective in _LABELS,
    )


def rows_in_place(data: Any) -> Any:
    """Return raw data as rows: what a sparse matrix leaves out is missing to XGBoost, not 0."""
    if type(data).__module__.partition(".")[0] in _ON_DEVICE:
        return Lazy(len(data), lambda *_: None)
    if hasattr(data, "tocsr") and getattr(data, "ndim", 0) == _TABLE:
        return Lazy(data.shape[0], partial(_read_sparse, data))
    return data


def read_matrix(matrix: Any, start: int, step: int) -> NDArray[Any] | None:
    """Return rows of a DMatrix; None where it does not hold what it was made of.

    A quantized one holds cuts, one with categories holds their codes.
    """
    codes = "c" in (matrix.feature_types or ())
    if type(matrix).__name__ != "DMatrix" or codes or matrix.num_col() > MAX_COLUMNS:
        return None
    chosen = range(start, matrix.num_row(), step)
    if len(chosen) < matrix.num_row():
        try:
            matrix = matrix.slice(list(chosen), allow_groups=True)
        except ValueError:  # its rows are on disk
            return None
    return _dense(matrix.get_data())


def _read_sparse(data: Any, start: int, step: int) -> NDArray[Any] | None:
    # Rows can be cut from CSR. Any other form would have to be made one first, all of it.
    if data.shape[1] > MAX_COLUMNS or (data.format != "csr" and data.nnz > _MOST_VALUES):
        return None
    return _dense(data.tocsr()[start::step])


def _dense(rows: Any) -> NDArray[Any]:
    found = np.full(rows.shape, np.nan, np.result_type(rows.dtype, np.float32))
    found[np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr)), rows.indices] = rows.data
    return found

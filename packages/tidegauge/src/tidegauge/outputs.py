"""What a model's outputs are called, and which of them are values."""

from __future__ import annotations

from tidegauge.batch import Table
from tidegauge.info import ModelInfo, Task

_BINARY = 2
_BY_CLASS = frozenset({"predict_proba", "predict_log_proba", "decision_function"})


def is_value(info: ModelInfo, operation: str) -> bool:
    """Say whether outputs are quantities; the labels of a classifier are not."""
    if info.labels is not None:
        return not info.labels
    return operation != "predict" or info.task not in (Task.CLASSIFICATION, Task.OUTLIER)


def name_outputs(info: ModelInfo, operation: str, table: Table) -> Table:
    """Name the columns that have no names: one is empty, several have their class or their index.

    Of two probabilities the second class's is kept: the first says the same.
    """
    if table.names is not None:
        return table
    matrix, columns = table.matrix, table.columns
    width = matrix.shape[1] if matrix is not None else len(columns or ())
    labels = info.classes if operation in _BY_CLASS else None
    if labels is None or len(labels) != width:
        labels = tuple(map(str, range(width)))
        if matrix is not None and operation == "predict_proba" and width == _BINARY:
            return Table(table.rows, (labels[1],), matrix=matrix[:, 1:])
        names = ("",) if width == 1 else labels
        return Table(table.rows, names, matrix=matrix, columns=columns)
    if matrix is not None and width == _BINARY and operation != "decision_function":
        return Table(table.rows, (labels[1],), matrix=matrix[:, 1:])
    return Table(table.rows, labels, matrix=matrix, columns=columns)

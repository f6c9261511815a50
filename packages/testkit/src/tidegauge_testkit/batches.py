"""Batches as the pipeline makes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tidegauge.batch import Batch, ModelKey, Table

NOON_S = 1_795_089_600.0
FRAUD = ModelKey("fraud", "3")


def column(values: Sequence[Any]) -> NDArray[Any]:
    """Return values as a column of objects."""
    found = np.empty(len(values), object)
    found[:] = values
    return found


def table(columns: Mapping[str, Any]) -> Table:
    """Return named columns as a table."""
    arrays = tuple(
        np.asarray(v, np.float64)
        if isinstance(v, np.ndarray) and v.dtype.kind == "f"
        else column(v)
        for v in columns.values()
    )
    return Table(len(arrays[0]), tuple(columns), columns=arrays)


def batch(
    matrix: NDArray[np.float64] | None = None,
    *,
    names: tuple[str, ...] | None = None,
    features: Table | None = None,
    outputs: Table | None = None,
    at_s: float | NDArray[np.float64] = NOON_S,
    key: ModelKey = FRAUD,
    operation: str = "predict",
    stride: int = 1,
) -> Batch:
    """Return rows of one model that ended at a time."""
    if matrix is not None:
        features = Table(len(matrix), names, matrix=matrix)
    rows = max(table.rows for table in (features, outputs) if table is not None)
    ends = np.full(rows, at_s) if np.isscalar(at_s) else np.asarray(at_s)
    return Batch(key, operation, ends, features, outputs, stride)

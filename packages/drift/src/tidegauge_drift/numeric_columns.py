"""A live column as numbers: whatever a caller's table holds where the reference has numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tidegauge_drift.category import SPANS, TIMES, number

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tidegauge_drift.grid import Floats

_SECONDS = {("m", SPANS), ("M", TIMES)}


def as_numbers(column: NDArray[Any], unit: str = "") -> tuple[Floats, int]:
    """Return a column as float64, and how many values were no numbers.

    Those are NaN in the result, as missing ones are. Numbers written as text are numbers; where the
    ``unit`` says so, spans of time and times are their seconds.
    """
    kind = column.dtype.kind
    if kind in "fiub":
        return column.astype(np.float64), 0
    if (kind, unit) in _SECONDS:
        return seconds(column), 0
    if kind in "mMcV":
        missing = np.isnat(column) if kind in "mM" else np.zeros(column.size, bool)
        return np.full(column.size, np.nan), int(column.size - missing.sum())
    try:
        return column.astype(np.float64), 0
    except Exception:  # of the values' own: a tensor of several in a cell raises RuntimeError
        return _parse(column, unit)


def seconds(column: NDArray[Any]) -> Floats:
    """Return times and spans of numpy as seconds, NaN for NaT."""
    found = column.astype(f"{column.dtype.kind}8[us]")
    return np.where(np.isnat(found), np.nan, found.astype(np.int64) / 1e6)


def _parse(column: NDArray[Any], unit: str) -> tuple[Floats, int]:
    values = np.full(column.size, np.nan)
    errors = 0
    for i, value in enumerate(column.tolist()):
        try:
            values[i] = number(value, unit)
        except Exception:  # whatever a value's own conversion raises, the row is counted
            errors += 1
    return values, errors

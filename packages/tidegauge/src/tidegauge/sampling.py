"""The caller's side of a call: its chosen rows, and what the model said of them."""

from __future__ import annotations

from collections.abc import Callable
from random import randrange
from typing import Any, TypeAlias

import numpy as np
from numpy import ndarray

from tidegauge.guard import fault
from tidegauge.snapshot import MAX_ROWS, THINNED, Lazy, Snapshot, Taken, choose, row_count, take

# An output row of so many values is copied as a list: cheaper than an array's bytes and layout.
_SMALL = 16
_TABLE = 2


#: What reads an input: the data and the thinning in force; see ``sample``.
Sampler: TypeAlias = Callable[[Any, int], tuple[Snapshot, int, int, int]]

#: What reads a result; see ``outputs_of``. The model comes last.
Answers: TypeAlias = Callable[..., Snapshot]


def sampled(adapt: Callable[[Any], Any]) -> Sampler:
    """Return ``sample`` of what ``adapt`` makes of an input; where that breaks, of its number."""

    def adapted_sample(data: Any, stride: int) -> tuple[Snapshot, int, int, int]:
        try:
            table = adapt(data)
        except Exception as error:  # the call counts, whatever became of its rows
            fault("record.features", error)
            table = Lazy(row_count(data), lambda *_: None)
        return sample(table, stride)

    return adapted_sample


def adapted(adapt: Callable[[Any], Any]) -> Answers:
    """Return ``outputs_of`` of what ``adapt`` makes of a result."""

    def adapted_outputs(
        result: Any, rows: int, start: int, step: int, _: object = None
    ) -> Snapshot:
        if start >= rows:
            return None
        try:
            result = adapt(result)
            if rows == 1 and type(result) is ndarray and result.size == 1 and result.ndim:
                return [result.item()]
        except Exception as error:  # the call counts, whatever became of its outputs
            fault("record.outputs", error)
            return None
        return outputs_of(result, rows, start, step)

    return adapted_outputs


def sample(data: Any, stride: int) -> tuple[Snapshot, int, int, int]:
    """Return a copy of the chosen rows of an input, how many it has, and which were chosen."""
    rows = row_count(data)
    if not rows:
        return None, 0, 0, 1
    if type(data) is Taken:
        # All that was taken or nothing: so each row has the chance that the stride gives it.
        if stride and not randrange(-(-stride // data.step)):
            return data.snapshot, rows, data.start, data.step
        return THINNED, rows, rows, 1
    start, step = (0, 1) if stride == 1 and rows <= MAX_ROWS else choose(rows, stride)
    if start >= rows:
        return THINNED, rows, start, step
    try:
        return take(data, start, step), rows, start, step
    except Exception as error:  # their number counts, whatever became of the rows
        fault("record.features", error)
        return None, rows, start, step


def outputs_of(result: Any, rows: int, start: int, step: int, _: object = None) -> Snapshot:
    """Return a copy of the outputs of the chosen rows; None where they are not one a row."""
    if start >= rows:
        return None
    try:
        if rows == 1 and type(result) is ndarray and result.size <= _SMALL:
            # A table of several rows is not of one: boxes in an image, neighbours of a point.
            one = result.size and (result.ndim == 1 or (result.ndim == _TABLE and len(result) == 1))
            values: list[Any] | None = result.tolist() if one else None
            return values
        return _several(result, rows, start, step)
    except Exception as error:  # the call counts, whatever became of its outputs
        fault("record.outputs", error)
        return None


def _several(result: Any, rows: int, start: int, step: int) -> Snapshot:
    first = result[0] if type(result) in (list, tuple) and result else None
    if type(first) is ndarray:
        if type(result) is list and first.ndim == _TABLE:
            # One array an output (MultiOutputClassifier.predict_proba): side by side.
            return take(np.hstack([part[start::step] for part in result]), 0, 1)
        if type(result) is tuple and first.ndim and len(first) == rows:
            # The prediction, and what else was asked for (``return_std=True``).
            result = first
    return take(result, start, step) if row_count(result) == rows else None

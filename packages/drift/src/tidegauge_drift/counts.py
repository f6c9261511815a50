"""What the functions on counts accept, checked in one place."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Counts = NDArray[np.float64]


def pair(reference: ArrayLike, current: ArrayLike) -> tuple[Counts, Counts]:
    """Return both as float64 counts on the same cells.

    Raises
    ------
    ValueError
        An argument is not one-dimensional, is empty, holds a negative or non-finite number, sums to
        0, or the two have different lengths.
    """
    p, q = one("reference", reference), one("current", current)
    if p.shape != q.shape:
        raise ValueError(
            f"current: got {q.size} cells from the argument; expected {p.size}, as in reference. "
            "Count both samples on the same cells."
        )
    return p, q


def one(name: str, values: ArrayLike) -> Counts:
    """Return one argument as float64 counts, or raise ``ValueError`` naming it."""
    try:
        counts = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(_message(name, type(values).__name__)) from error
    if counts.ndim != 1 or counts.size == 0:
        raise ValueError(_message(name, f"shape {counts.shape}"))
    with np.errstate(over="ignore"):
        total = counts.sum()
    if counts.min() >= 0 and 0 < total < np.inf:
        return counts
    if np.isfinite(counts).all() and counts.min() >= 0:
        raise ValueError(_message(name, f"counts that sum to {total:g}"))
    raise ValueError(_message(name, "a negative or non-finite count"))


def _message(name: str, got: str) -> str:
    return (
        f"{name}: got {got} from the argument; expected one row of counts >= 0 with a sum > 0. "
        "Leave a sample without rows out instead of comparing it."
    )

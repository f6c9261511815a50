"""Edges between the bins of raw samples, and counting on them; outer bins have no outer edge."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tidegauge_drift.counts import Counts
from tidegauge_drift.grid import Floats, atoms

# With more bins than this an even share would lie below the floor of PSI.
MOST_BINS = 10_000
_FEWEST_BINS = 2


def equal_width(low: float, high: float, bins: int) -> Floats:
    """Return the ``bins - 1`` edges that cut [low, high] into equal parts.

    A range without width is cut into less, equal and more.
    """
    if low == high:
        return around(low)
    shares = np.arange(1, bins) / bins
    with np.errstate(over="ignore"):
        width = np.float64(high) - np.float64(low)
    if np.isfinite(width):
        return np.unique(low + width * shares)
    return np.unique(low * (1 - shares) + high * shares)


def quantiles(values: Floats, bins: int) -> Floats:
    """Return the quantiles k / bins of finite values, equal ones once.

    A value with more than 1 / bins of them is a bin of its own.
    """
    values = np.sort(values)
    with np.errstate(all="ignore"):  # between values too far apart there is no quantile
        inner = np.quantile(values, np.arange(1, bins) / bins)
    inner = inner[np.isfinite(inner)]
    return np.unique(np.concatenate((inner, around(*atoms(values, 1 / bins)))))


def around(*values: float) -> Floats:
    """Return the edges that give each value a bin which holds no other."""
    with np.errstate(over="ignore"):  # the largest float has no next one
        return np.unique(np.concatenate((values, np.nextafter(values, np.inf))))


def given(edges: ArrayLike) -> Floats:
    """Return edges that a caller chose.

    Raises
    ------
    ValueError
        They are not one row of ascending numbers.
    """
    try:
        found = np.asarray(edges, dtype=np.float64)
    except (TypeError, ValueError):
        found = np.empty(0)
    if (
        found.ndim != 1
        or found.size == 0
        or np.isnan(found).any()
        or (found[1:] <= found[:-1]).any()
    ):
        got = repr(edges) if isinstance(edges, str) else f"{type(edges).__name__}"
        raise ValueError(
            f"edges: got {got} from the argument; expected 'equal_width', 'quantile' or one row of "
            "numbers, each above the one before. Leave it out for bins of equal width."
        )
    return found


def checked_bins(bins: int) -> int:
    """Return a number of bins.

    Raises
    ------
    TypeError, ValueError
        It is no integer, or not in [2, 10000].
    """
    if isinstance(bins, (bool, np.bool_)) or not isinstance(bins, (int, np.integer)):
        raise TypeError(_bins(type(bins).__name__))
    if not _FEWEST_BINS <= bins <= MOST_BINS:
        raise ValueError(_bins(repr(int(bins))))
    return int(bins)


def count(values: Floats, edges: Floats) -> Counts:
    """Count values between edges; a bin holds its left edge, not its right one."""
    places = np.searchsorted(edges, values, "right")
    return np.bincount(places, minlength=edges.size + 1).astype(np.float64)


def _bins(got: str) -> str:
    return (
        f"bins: got {got} from the argument; expected an integer in [{_FEWEST_BINS}, {MOST_BINS}]. "
        "Leave it out to use the default."
    )

"""Many tests at once, and again and again: what a p-value must be to wake somebody."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

# The laxest level: with few windows a month the budget alone would allow more.
MAXIMUM_ALPHA = 0.01
MONTH_S = 30 * 86400


def benjamini_hochberg(p_values: ArrayLike) -> NDArray[np.float64]:
    """Benjamini-Hochberg adjusted p-values.

    ``min over j >= i of p_(j) * k / j`` for the ``i``-th smallest of ``k``, at most 1. Rejecting
    where the adjusted value is <= alpha keeps the expected share of false rejections <= alpha.

    Parameters
    ----------
    p_values : array_like of float, shape (k,)
        In [0, 1]; k may be 0.

    Returns
    -------
    ndarray of float64, shape (k,)
        In the order of the input.

    Raises
    ------
    ValueError
        Not one-dimensional, or a value is NaN or outside [0, 1].

    Notes
    -----
    O(k log k). Agrees with ``scipy.stats.false_discovery_control`` to 1e-15
    (tests/test_multiplicity.py).

    References
    ----------
    Benjamini, Y. and Hochberg, Y. (1995). Controlling the false discovery rate. Journal of the
    Royal Statistical Society B 57.
    """
    p = np.asarray(p_values, dtype=np.float64)
    if p.ndim != 1 or not ((p >= 0) & (p <= 1)).all():
        raise ValueError(
            f"p_values: got shape {p.shape} or values outside [0, 1] from the argument; expected "
            "one row of numbers in [0, 1]. Leave out features without a p-value."
        )
    order = np.argsort(p, kind="stable")
    ranked = p[order] * p.size / np.arange(1, p.size + 1)
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum.accumulate(ranked[::-1])[::-1].clip(max=1.0)
    return adjusted


def paging_alpha(windows_per_month: float) -> float:
    """Level of one window's family of tests, so that a month of them stays within budget.

    ``min(.01, 1 / (2 * sqrt(N)))``: an alarm takes two windows in a row, so N windows at level a
    give about ``N * a**2`` false onsets, here at most a quarter.

    Parameters
    ----------
    windows_per_month : float, >= 1
        Windows of this kind in 30 days.

    Returns
    -------
    float
        In (0, .01].

    Raises
    ------
    ValueError
        ``windows_per_month`` is below 1 or NaN.

    Notes
    -----
    O(1). Oracle: the formula; the rate on clean data is simulated in tests/test_replay.py.
    """
    if not windows_per_month >= 1:
        raise ValueError(
            f"windows_per_month: got {windows_per_month!r} from the argument; expected >= 1. "
            "Count the windows of 30 days."
        )
    return min(MAXIMUM_ALPHA, 1 / (2 * math.sqrt(windows_per_month)))

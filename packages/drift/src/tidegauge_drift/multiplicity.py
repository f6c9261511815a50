"""Many tests at once, and again and again: what a p-value must be to wake somebody."""

from __future__ import annotations

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


def paging_alpha(windows_per_month: float, shared: float = 0.0) -> float:
    """Level of one window's family of tests, so that a month of them stays within budget.

    ``min(.01, (4 * N) ** (-(1 + r) / 2))``: an alarm takes two windows in a row. Two tests at level
    a, whose statistics correlate with r because both look at the same reference, are both false
    about ``a ** (2 / (1 + r))`` of the time; N windows give a quarter of a false onset. Where the
    reference is far larger than a window, r is 0 and the level ``1 / (2 * sqrt(N))``; where it is
    far smaller, a second window tells nothing new and the level is ``1 / (4 * N)``.

    Parameters
    ----------
    windows_per_month : float, >= 1
        Windows of this kind in 30 days.
    shared : float, in [0, 1]
        What part of the variance between window and reference is the reference's:
        ``n / (n + m)`` for windows of n rows and a reference of m.

    Returns
    -------
    float
        In (0, .01].

    Raises
    ------
    ValueError
        ``windows_per_month`` is below 1 or NaN, or ``shared`` is outside [0, 1].

    Notes
    -----
    O(1). Oracle: the chance that two correlated normal values are both beyond their quantile
    (tests/test_multiplicity.py); the rate on clean rows is simulated, see
    docs/reference/false-alarms.md.
    """
    if not windows_per_month >= 1:
        raise ValueError(
            f"windows_per_month: got {windows_per_month!r} from the argument; expected >= 1. "
            "Count the windows of 30 days."
        )
    if not 0 <= shared <= 1:
        raise ValueError(
            f"shared: got {shared!r} from the argument; expected a share in [0, 1]. "
            "Divide the window's rows by those of window and reference."
        )
    return float(min(MAXIMUM_ALPHA, (4 * windows_per_month) ** (-(1 + shared) / 2)))

"""Wasserstein distance of two samples."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from tidegauge_drift.sample import finite, on_values

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from tidegauge_drift.grid import Floats

# Far above the denormal numbers, which lose digits where they are divided.
_TINY = 2.0**-960


def wasserstein_distance(
    reference: ArrayLike, current: ArrayLike, *, standardise: bool = False
) -> float:
    """Compute the Wasserstein distance (earth mover's distance, order 1) of two raw samples.

    The integral over x of ``abs(F(x) - G(x))`` with ``F`` and ``G`` the shares of rows <= x: how
    far the rows of one sample must be moved on average to become the other.

    Parameters
    ----------
    reference, current : array_like of real numbers, shapes (m,) and (n,)
        In any one unit and any order; taken as float64. NaN, None and infinite values are dropped;
        at least one finite value must be left in each.
    standardise : bool
        Divide by the standard deviation of the reference (divisor m), whatever its size.

    Returns
    -------
    float
        In [0, inf), in the unit of the samples, or in standard deviations; 0 if and only if both
        distribution functions are equal.

    Raises
    ------
    TypeError
        A value is no real number, or an argument is no row of values.
    ValueError
        A sample has not one dimension or no finite value; with ``standardise``, the reference is
        constant and current differs from it; or the distance is beyond float64.

    Notes
    -----
    O((n + m) log(n + m)), and as much memory again as the samples. Symmetric unless standardised.
    Without drift it shrinks with the square root of the rows; it has no p-value here. One far
    outlier in either sample moves it by the outlier's distance divided by the rows. Agrees with
    ``scipy.stats.wasserstein_distance`` to 1e-12 relative (tests/test_wasserstein.py).

    References
    ----------
    Vallender, S. S. (1974). Calculation of the Wasserstein distance between probability
    distributions on the line. Theory of Probability and its Applications 18.
    """
    p, q = finite("reference", reference), finite("current", current)
    points, a, b = on_values(p, q)
    unit = _unit(points)
    gaps = np.abs(np.cumsum(a)[:-1] / p.size - np.cumsum(b)[:-1] / q.size)
    distance = float((gaps * np.diff(points / unit)).sum())
    if standardise and distance > 0:
        distance, unit = _standardised(distance, p / unit), 1.0
    if not math.isfinite(distance * unit):
        raise ValueError(
            "reference, current: got values whose distance is beyond float64 from the arguments; "
            "expected a finite distance. Rescale the feature."
        )
    return distance * unit


def distance_of_points(a: Floats, p: Floats, b: Floats, q: Floats) -> float:
    """Return the distance of two samples with ``p`` rows at points ``a``, and ``q`` at ``b``.

    Counts may be 0; each side sums to > 0. O(k log k) for k points.
    """
    points = np.concatenate((a[p > 0], b[q > 0]))
    weights = np.concatenate((p[p > 0] / p.sum(), -q[q > 0] / q.sum()))
    order = np.argsort(points, kind="stable")
    gaps = np.abs(np.cumsum(weights[order]))[:-1]
    return float((gaps * np.diff(points[order])).sum())


def _unit(points: Floats) -> float:
    """Return what to divide by, so that neither the range nor a part of a gap leaves float64."""
    with np.errstate(over="ignore"):
        width = float(points[-1] - points[0])
    if 0 < width < _TINY:
        return 2.0**-100
    return 1.0 if math.isfinite(width) else 4.0


def _standardised(distance: float, values: Floats) -> float:
    low, high = float(values.min()), float(values.max())
    if low == high:
        raise ValueError(
            "reference: got a constant from the argument; expected values that differ, which "
            "standardise=True needs. Leave standardise out for a distance in the values' unit."
        )
    # In units of the range, so that no square is lost below float64 or above it.
    width = high - low
    with np.errstate(over="ignore"):
        return float(np.float64(distance) / width / np.std((values - low) / width))

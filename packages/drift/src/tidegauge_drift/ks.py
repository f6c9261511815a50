"""Kolmogorov-Smirnov statistic of raw samples and on cells, and its asymptotic p-value."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tidegauge_drift.counts import pair
from tidegauge_drift.sample import finite, on_values

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


class KsResult(NamedTuple):
    """Largest distance of two distribution functions, and how likely it is without drift."""

    statistic: float
    p_value: float


def ks(reference: ArrayLike, current: ArrayLike) -> KsResult:
    """Two-sample Kolmogorov-Smirnov test of raw samples, exact statistic, asymptotic p-value.

    ``max over x of abs(F(x) - G(x))`` with ``F`` and ``G`` the shares of rows <= x, and
    ``K(sqrt(n * m / (n + m)) * statistic)`` with ``K`` the survival function of Kolmogorov's
    distribution.

    Parameters
    ----------
    reference, current : array_like of real numbers, shapes (m,) and (n,)
        In any one unit and any order; taken as float64. NaN, None and infinite values are dropped;
        at least one finite value must be left in each. Rows must be independent for the p-value:
        see ``effective_sample_size``.

    Returns
    -------
    KsResult
        Statistic in [0, 1], 0 if and only if both distribution functions are equal; p-value in
        [0, 1], conservative with ties, rough below 100 rows.

    Raises
    ------
    TypeError
        A value is no real number, or an argument is no row of values.
    ValueError
        An argument has not one dimension or no finite value.

    Notes
    -----
    O((n + m) log(n + m)), and as much memory again as the samples. Symmetric. The statistic and the
    p-value agree with ``scipy.stats.ks_2samp`` and ``scipy.special.kolmogorov`` to 1e-12
    (tests/test_ks.py). ``ks_2samp`` corrects its asymptotic p-value for small samples, this does
    not. float32 against float64 shows a distance of its own where values repeat, because 0.1 is two
    different numbers there.

    References
    ----------
    Smirnov, N. (1948). Table for estimating the goodness of fit of empirical distributions.
    Annals of Mathematical Statistics 19.
    """
    _, p, q = on_values(finite("reference", reference), finite("current", current))
    return ks_from_counts(p, q)


def ks_from_counts(reference: ArrayLike, current: ArrayLike, *, deff: float = 1.0) -> KsResult:
    """Two-sample Kolmogorov-Smirnov test on ordered cells.

    ``max(abs(cumsum(p) / sum(p) - cumsum(q) / sum(q)))`` with ``p`` and ``q`` the counts.

    Parameters
    ----------
    reference, current : array_like of counts, shape (n_cells,)
        Counts on the same cells in ascending order of value; each sums to > 0.
    deff : float, >= 1
        Design effect: so many rows of either sample are worth one independent row.

    Returns
    -------
    KsResult
        Statistic in [0, 1], and its p-value in [0, 1].

    Raises
    ------
    ValueError
        Shapes differ, a count is negative or not finite, a sum is 0, or ``deff`` is below 1.

    Notes
    -----
    O(n_cells). Never above the statistic of the raw samples, and below it by at most the smaller
    of both samples' shares in one cell; equal to it when every cell holds one value. Agrees with
    ``scipy.stats.ks_2samp(...).statistic`` on such cells to 1e-12, ties included
    (tests/test_ks.py).

    References
    ----------
    Smirnov, N. (1948). Table for estimating the goodness of fit of empirical distributions.
    Annals of Mathematical Statistics 19.
    """
    if not deff >= 1:
        raise ValueError(
            f"deff: got {deff!r} from the argument; expected a number >= 1. "
            "Leave it out for independent rows."
        )
    p, q = pair(reference, current)
    m, n = p.sum(), q.sum()
    # Whole counts add up exactly: a sum of many shares would not.
    distance = min(1.0, float(np.abs(np.cumsum(p) / m - np.cumsum(q) / n).max()))
    return KsResult(distance, ks_p_value(distance, n / deff, m / deff))


def ks_p_value(statistic: float, n: float, m: float) -> float:
    """Asymptotic two-sided p-value of a two-sample Kolmogorov-Smirnov statistic.

    ``K(sqrt(n * m / (n + m)) * statistic)`` with ``K`` the survival function of Kolmogorov's
    distribution.

    Parameters
    ----------
    statistic : float in [0, 1]
        The distance.
    n, m : float, > 0
        Effective rows of the two samples.

    Returns
    -------
    float
        In [0, 1]. Conservative with ties and on cells.

    Raises
    ------
    ValueError
        A size is not positive, or the statistic is outside [0, 1].

    Notes
    -----
    O(1), against O(n) and worse for the exact distribution, from which it differs by less than
    .01 for n, m >= 100. Oracle: ``scipy.special.kolmogorov``.
    """
    if not (n > 0 and m > 0):
        raise ValueError(
            f"n, m: got {n!r}, {m!r} from the arguments; expected rows > 0. "
            "A sample without rows has no p-value."
        )
    if not 0 <= statistic <= 1:
        raise ValueError(
            f"statistic: got {statistic!r} from the argument; expected a number in [0, 1]. "
            "Pass the distance, not its scaled form."
        )
    from scipy import special  # noqa: PLC0415 - slow to import; only the first verdict pays

    return float(special.kolmogorov(math.sqrt(n * m / (n + m)) * statistic))

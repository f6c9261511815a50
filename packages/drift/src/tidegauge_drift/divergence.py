"""Kullback-Leibler divergence, Jensen-Shannon and Hellinger distance of two samples."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from tidegauge_drift.counts import Counts, pair
from tidegauge_drift.edges import around, checked_bins, count, equal_width
from tidegauge_drift.sample import finite

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from tidegauge_drift.grid import Floats

# Joint bins over the range of both samples.
BINS = 50
# A share of 0 counts as this in the Kullback-Leibler divergence, which has no value otherwise.
ZERO_SHARE = 1e-10


def kl_divergence(reference: ArrayLike, current: ArrayLike, *, bins: int = BINS) -> float:
    """Compute the Kullback-Leibler divergence of current from reference, raw samples.

    KL(current || reference) = ``sum(q * ln(q / p))`` over bins, with ``p`` and ``q`` the bin shares
    of reference and current. Shares of 0 count as 1e-10 and nothing is renormalised.

    Parameters
    ----------
    reference, current : array_like of real numbers, shapes (m,) and (n,)
        In any one unit and any order; taken as float64. NaN, None and infinite values are dropped;
        at least one finite value must be left in each.
    bins : int, in [2, 10000]
        Bins of equal width over the range of both samples together; a bin holds its left edge. A
        constant reference c has the bins less than c, c, more than c instead.

    Returns
    -------
    float
        Nats, in [0, 23.1]; 0 where the bin shares are equal.

    Raises
    ------
    TypeError
        A value is no real number, an argument is no row of values, or ``bins`` is no integer.
    ValueError
        A sample has not one dimension or no finite value, or ``bins`` is out of range.

    Notes
    -----
    O((n + m) log(bins)). Not symmetric: others publish KL(reference || current). A bin that only
    the current sample reaches adds its share times 23, so the value depends on the floor and on n
    more than on the drift; without drift it is about ``(bins - 1) * (1 / n + 1 / m) / 2`` where no
    bin is empty. One outlier widens all bins. Agrees with ``numpy.histogram`` and
    ``scipy.special.rel_entr`` to 1e-12 relative (tests/test_divergence.py).

    References
    ----------
    Kullback, S. and Leibler, R. A. (1951). On information and sufficiency. Annals of Mathematical
    Statistics 22.
    """
    p, q = finite("reference", reference), finite("current", current)
    return kl_divergence_from_counts(*_joint(p, q, checked_bins(bins), constant=(p,)))


def js_distance(reference: ArrayLike, current: ArrayLike, *, base: float = 2) -> float:
    """Compute the Jensen-Shannon distance of two raw samples.

    ``sqrt((sum(p * log(p / r)) + sum(q * log(q / r))) / 2)`` over bins, with ``p`` and ``q`` the
    bin shares and ``r = (p + q) / 2``: the square root of the divergence, a metric.

    Parameters
    ----------
    reference, current : array_like of real numbers, shapes (m,) and (n,)
        In any one unit and any order; taken as float64. NaN, None and infinite values are dropped;
        at least one finite value must be left in each. They are counted on 50 bins of equal width
        over the range of both together, a bin holding its left edge; where one of them is a
        constant c, on less than c, c, more than c.
    base : float, > 1
        Base of the logarithm. With 2 the largest distance is 1; others use e.

    Returns
    -------
    float
        In [0, sqrt(ln(2) / ln(base))]; 0 if and only if the bin shares are equal.

    Raises
    ------
    TypeError
        A value is no real number, or an argument is no row of values.
    ValueError
        A sample has not one dimension or no finite value, or ``base`` is not above 1.

    Notes
    -----
    O(n + m). Symmetric. Without drift it is about ``sqrt(49 * (1 / n + 1 / m) / (8 * ln(base)))``
    where no bin is empty: .1 or more for 100 rows. One outlier widens all bins. Agrees with
    ``scipy.spatial.distance.jensenshannon`` to 1e-12 (tests/test_divergence.py).

    References
    ----------
    Lin, J. (1991). Divergence measures based on the Shannon entropy. IEEE Transactions on
    Information Theory 37.
    """
    p, q = finite("reference", reference), finite("current", current)
    return js_distance_from_counts(*_joint(p, q, BINS, constant=(p, q)), base=base)


def hellinger_distance(reference: ArrayLike, current: ArrayLike) -> float:
    """Compute the Hellinger distance of two raw samples.

    ``sqrt(sum((sqrt(p) - sqrt(q))**2) / 2)`` over bins, with ``p`` and ``q`` the bin shares.

    Parameters
    ----------
    reference, current : array_like of real numbers, shapes (m,) and (n,)
        As for ``js_distance``, on the same bins.

    Returns
    -------
    float
        In [0, 1]; 0 if and only if the bin shares are equal, 1 if and only if no bin has both.

    Raises
    ------
    TypeError
        A value is no real number, or an argument is no row of values.
    ValueError
        A sample has not one dimension or no finite value.

    Notes
    -----
    O(n + m). Symmetric. One outlier widens all bins. Oracle: the distance of the square roots of
    the shares by ``scipy.spatial.distance.euclidean``, to 1e-12 (tests/test_divergence.py).

    References
    ----------
    Le Cam, L. and Yang, G. L. (2000). Asymptotics in Statistics. Springer.
    """
    p, q = finite("reference", reference), finite("current", current)
    return hellinger_distance_from_counts(*_joint(p, q, BINS, constant=(p, q)))


def kl_divergence_from_counts(reference: ArrayLike, current: ArrayLike) -> float:
    """Compute KL(current || reference) of two binned samples.

    ``sum(q * ln(q / p))`` with ``p`` and ``q`` the bin shares; shares below 1e-10 count as 1e-10.

    Parameters
    ----------
    reference, current : array_like of counts, shape (n_bins,)
        Counts on the same bins; each sums to > 0.

    Returns
    -------
    float
        Nats, in [0, 23.1].

    Raises
    ------
    ValueError
        Shapes differ, a count is negative or not finite, or a sum is 0.

    Notes
    -----
    O(n_bins). Agrees with ``scipy.special.rel_entr`` to 1e-12 relative (tests/test_divergence.py).

    References
    ----------
    Kullback, S. and Leibler, R. A. (1951). On information and sufficiency. Annals of Mathematical
    Statistics 22.
    """
    p, q = (np.maximum(share, ZERO_SHARE) for share in _shares(reference, current))
    return max(0.0, float((q * np.log(q / p)).sum()))


def js_distance_from_counts(reference: ArrayLike, current: ArrayLike, *, base: float = 2) -> float:
    """Compute the Jensen-Shannon distance of two binned samples.

    ``sqrt((sum(p * log(p / r)) + sum(q * log(q / r))) / 2)`` with ``p`` and ``q`` the bin shares
    and ``r = (p + q) / 2``.

    Parameters
    ----------
    reference, current : array_like of counts, shape (n_bins,)
        Counts on the same bins, or of the same categories, in any order; each sums to > 0.
    base : float, > 1
        Base of the logarithm.

    Returns
    -------
    float
        In [0, sqrt(ln(2) / ln(base))]; 0 if and only if the shares are equal.

    Raises
    ------
    ValueError
        Shapes differ, a count is negative or not finite, a sum is 0, or ``base`` is not above 1.

    Notes
    -----
    O(n_bins). Symmetric. Agrees with ``scipy.spatial.distance.jensenshannon`` to 1e-12
    (tests/test_divergence.py).

    References
    ----------
    Lin, J. (1991). Divergence measures based on the Shannon entropy. IEEE Transactions on
    Information Theory 37.
    """
    if not 1 < base < math.inf:
        raise ValueError(
            f"base: got {base!r} from the argument; expected a number above 1. "
            "Leave it out to use 2."
        )
    p, q = _shares(reference, current)
    r = p + q  # not halved: half of the least float is 0
    p, q, kept = p[r > 0], q[r > 0], r[r > 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(p > 0, p * np.log(2 * (p / kept)), 0)
        terms += np.where(q > 0, q * np.log(2 * (q / kept)), 0)
    most = math.sqrt(math.log(2) / math.log(base))
    return min(most, math.sqrt(max(0.0, float(terms.sum())) / 2 / math.log(base)))


def hellinger_distance_from_counts(reference: ArrayLike, current: ArrayLike) -> float:
    """Compute the Hellinger distance of two binned samples.

    ``sqrt(sum((sqrt(p) - sqrt(q))**2) / 2)`` with ``p`` and ``q`` the bin shares.

    Parameters
    ----------
    reference, current : array_like of counts, shape (n_bins,)
        Counts on the same bins, or of the same categories, in any order; each sums to > 0.

    Returns
    -------
    float
        In [0, 1]; 0 if and only if the shares are equal.

    Raises
    ------
    ValueError
        Shapes differ, a count is negative or not finite, or a sum is 0.

    Notes
    -----
    O(n_bins). Symmetric. Oracle: ``scipy.spatial.distance.euclidean`` of the square roots, to 1e-12
    (tests/test_divergence.py).

    References
    ----------
    Le Cam, L. and Yang, G. L. (2000). Asymptotics in Statistics. Springer.
    """
    p, q = _shares(reference, current)
    return min(1.0, math.sqrt(float(((np.sqrt(p) - np.sqrt(q)) ** 2).sum()) / 2))


def _shares(reference: ArrayLike, current: ArrayLike) -> tuple[Counts, Counts]:
    p, q = pair(reference, current)
    return p / p.sum(), q / q.sum()


def _joint(
    p: Floats, q: Floats, bins: int, *, constant: tuple[Floats, ...]
) -> tuple[Counts, Counts]:
    """Count both on bins over their common range, or around those of ``constant`` that are one."""
    low, high = float(min(p.min(), q.min())), float(max(p.max(), q.max()))
    values = [float(s[0]) for s in constant if s.min() == s.max()]
    inner = around(*values) if values else equal_width(low, high, bins)
    return count(p, inner), count(q, inner)

"""Which tests of segments need not be made one by one: those that cannot be flagged.

A hundred features in ten segments are a thousand tests a window. Nearly all of them are far from
the level, and that is seen of all segments of a feature at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tidegauge_drift.judge import EXPECTED, MINIMUM_ROWS
from tidegauge_drift.multiplicity import MAXIMUM_ALPHA

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tidegauge_drift.grid import Floats


def cleared(
    reference: NDArray[Any], current: NDArray[Any], bins: NDArray[np.uint8], deff: Floats
) -> NDArray[np.bool_]:
    """Tell in which segments a numeric feature has a p-value above the laxest level.

    Benjamini-Hochberg never flags such a test, and flags the same others if its p-value is taken
    for 1. Nothing is said where Pearson's test would have to pool bins, or rows are too few.

    Parameters
    ----------
    reference, current : ndarray of int, shape (segments, cells)
        Counts, without missing values and type errors.
    bins : ndarray of uint8, shape (cells,)
        The quantile bin of each cell.
    deff : ndarray of float64, shape (segments,)
        So many rows are worth one.
    """
    from scipy import special  # noqa: PLC0415 - slow to import; only the first verdict pays

    m, n = reference.sum(axis=1) / deff, current.sum(axis=1) / deff
    with np.errstate(all="ignore"):
        apart = np.cumsum(reference, axis=1).T / (m * deff) - np.cumsum(current, axis=1).T / (
            n * deff
        )
        ks = special.kolmogorov(np.sqrt(n * m / (n + m)) * np.abs(apart).max(axis=0))
        p, q = (_in_bins(counts, bins) / deff[:, None] for counts in (reference, current))
        rows = p + q
        shares = np.stack((m / (m + n), n / (m + n)))
        expected = shares[:, :, None] * rows
        whole = ((expected >= EXPECTED) | (rows == 0)).all(axis=(0, 2))
        parts = (np.stack((p, q)) - expected) ** 2 / expected
        statistic = np.where(rows > 0, parts, 0.0).sum(axis=(0, 2))
        pearson = special.chdtrc((rows > 0).sum(axis=1) - 1.0, statistic)
        whole &= np.minimum(m, n) >= MINIMUM_ROWS
        found: NDArray[np.bool_] = whole & (2 * np.minimum(ks, pearson) > MAXIMUM_ALPHA)
    return found


def _in_bins(counts: NDArray[Any], bins: NDArray[np.uint8]) -> Floats:
    number = int(bins.max()) + 1
    place = bins.astype(np.intp) + number * np.arange(len(counts))[:, None]
    rows = counts.astype(np.float64).ravel()
    found = np.bincount(place.ravel(), rows, number * len(counts))
    return np.asarray(found, np.float64).reshape(len(counts), number)

"""Correlations of normal scores, and whether two samples have the same ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tidegauge_drift.normal_scores import STEPS, ScoreCounter, pairs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from tidegauge_drift.grid import Floats
    from tidegauge_drift.profile import NumericFeature

#: Numeric inputs whose correlations are looked at: the first ones, in the order of the columns.
MOST = 50
# Nearer to 1 a correlation is not told from 1: two columns may hold the same.
_LARGEST = 0.999
# Scores of this many steps of a standard deviation, for products of four of them.
_COARSE = 32


@dataclass(frozen=True, slots=True, eq=False)
class Correlation:
    """What a reference knows of the correlations of some of its numeric inputs, by their names.

    ``sums`` and ``rows`` are those of a ScoreCounter. ``spreads`` has for each pair of two features
    the variance of Fisher's z times the rows: 1 for normal rows, more where rows far out on one
    side are far out on the other.
    """

    names: tuple[str, ...]
    sums: NDArray[np.int64]
    rows: NDArray[np.int64]
    spreads: Floats


def two_of(features: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the features of each pair of two, in the order of all that is said of pairs."""
    return np.triu_indices(features, 1)


def correlations(
    features: int, sums: NDArray[np.integer], rows: NDArray[np.integer]
) -> tuple[Floats, Floats]:
    """Return the correlation of each two features, and the rows that have both values.

    Parameters
    ----------
    features : int
        How many there are, k.
    sums : ndarray of int64, shape (k + k * (k + 1) / 2,)
        The sums of the scores and of the products of ``pairs(k)``, in steps and their squares.
    rows : ndarray of integers, shape (k * (k + 1) / 2,)
        How many rows of each pair have both values.

    Returns
    -------
    ndarray of float64, shape (k * (k - 1) / 2,), in [-1, 1]
        In the order of ``two_of(k)``; NaN where a feature is constant or no row has both values.
    ndarray of float64, of the same shape
        The rows of each pair.

    Notes
    -----
    O(k ** 2). Means and variances are those of all rows that have the feature's value, so that with
    missing values a correlation can come out above 1; it is 1 then. Agrees with ``numpy.corrcoef``
    of the scores to 1e-12 where none is missing (tests/test_correlation.py).
    """
    both = np.zeros((2, features, features))
    both[0][pairs(features)], both[1][pairs(features)] = sums[features:], rows
    products, n = both
    each = np.arange(features)
    i, j = two_of(features)
    with np.errstate(all="ignore"):
        means = sums[:features] / n[each, each]
        # Whole numbers until here: a constant has a variance of 0 to the last digit or nearly so.
        variances = products[each, each] / n[each, each] - means * means
        scales = np.where(variances > 1e-9 * STEPS * STEPS, np.sqrt(variances), np.nan)
        r = (products[i, j] / n[i, j] - means[i] * means[j]) / (scales[i] * scales[j])
    return np.clip(r, -1.0, 1.0), n[i, j]


def fisher_z(r: ArrayLike) -> Floats:
    """Return Fisher's z, ``atanh(r)``, of correlations; those beyond .999 count as .999."""
    found: Floats = np.arctanh(np.clip(r, -_LARGEST, _LARGEST))
    return found


def p_values(difference: Floats, spreads: Floats, n: Floats, m: Floats) -> Floats:
    """Return the two-sided p-values of differences of Fisher's z.

    The normal distribution's, for a variance of ``spread * (1 / (n - 3) + 1 / (m - 3))``.

    Parameters
    ----------
    difference : ndarray of float64
        Of z, one a pair.
    spreads : ndarray of float64
        As Correlation has them; below 1 they count as 1.
    n, m : ndarray of float64
        Effective rows of the two samples, above 3.

    Notes
    -----
    O(pairs). For normal rows it is Fisher's test. How often clean rows of other shapes are flagged
    is simulated, see docs/explanation/level-of-an-alarm.md.

    References
    ----------
    Fisher, R. A. (1921). On the "probable error" of a coefficient of correlation deduced from a
    small sample. Metron 1.
    Steiger, J. H. and Hakstian, A. R. (1982). The asymptotic distribution of elements of a
    correlation matrix. British Journal of Mathematical and Statistical Psychology 35.
    """
    from scipy.special import ndtr  # noqa: PLC0415 - slow to import; only the first verdict pays

    error = np.sqrt(np.maximum(spreads, 1.0) * (1 / (n - 3) + 1 / (m - 3)))
    found: Floats = 2 * ndtr(-np.abs(difference) / error)
    return found


class Learner:
    """Adds up what a reference knows of correlations, part by part of its rows."""

    def __init__(self, features: Sequence[NumericFeature]) -> None:
        self._features = [feature for feature in features if _varies(feature)][:MOST]
        self._counter = ScoreCounter(self._features) if self._features else None
        width = len(self._features)
        self._sums = np.zeros(width + width * (width + 1) // 2, np.int64)
        self._rows = np.zeros(width * (width + 1) // 2, np.int64)
        # Sums of x, xx, xy, xxyy, xxxy, as whole numbers: the order of rows does not matter.
        self._fourth = np.zeros((2, width, width), np.int64)

    @property
    def names(self) -> tuple[str, ...]:
        """The features whose correlations are learnt."""
        return tuple(feature.name for feature in self._features)

    def add(self, matrix: Floats) -> None:
        """Take rows (rows, features), the columns in the order of ``names``."""
        if self._counter is None:
            return
        sums, rows = self._counter.count(matrix)
        self._sums += sums
        self._rows += rows.astype(np.int64)
        for start in range(0, len(matrix), 4096):
            found, _ = self._counter.scores(matrix[start : start + 4096])
            coarse = np.rint(found * (_COARSE / STEPS))
            squares = coarse * coarse
            self._fourth[0] += (squares.T @ squares).astype(np.int64)
            self._fourth[1] += ((squares * coarse).T @ coarse).astype(np.int64)

    def learnt(self) -> Correlation:
        """Return what is known of all rows."""
        return Correlation(self.names, self._sums, self._rows, self._spreads())

    def _spreads(self) -> Floats:
        """Return the variance of each pair's z times the rows, by the moments of the rows.

        Of a correlation itself it is Pearson's and Filon's; scores have a mean of about 0.
        """
        width = len(self._features)
        r, n = correlations(width, self._sums, self._rows)
        i, j = two_of(width)
        shape = (width, width)
        all_rows = np.zeros(shape)
        all_rows[pairs(width)] = self._rows
        all_rows = np.maximum(all_rows, all_rows.T)
        each = np.arange(width)
        with np.errstate(all="ignore"):
            m22, m31 = self._fourth / all_rows / _COARSE**4
            products = np.zeros(shape)
            products[pairs(width)] = self._sums[width:]
            variance = products[each, each] / all_rows[each, each] / STEPS**2
            sd = np.sqrt(variance)
            m22 /= np.outer(variance, variance)
            m31 /= np.outer(sd**3, sd)
            kurtosis = m22[each, each]
            of_r = (
                r * r / 4 * (kurtosis[i] + kurtosis[j] + 2 * m22[i, j])
                - r * (m31[i, j] + m31[j, i])
                + m22[i, j]
            )
            of_z = of_r / (1 - np.clip(r, -_LARGEST, _LARGEST) ** 2) ** 2
        return np.where(np.isfinite(of_z) & (np.abs(r) < _LARGEST) & (n > 0), of_z, 1.0)


def _varies(feature: NumericFeature) -> bool:
    return bool(np.count_nonzero(feature.counts[:-2]) > 1)

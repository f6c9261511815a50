"""Normal scores of cells, and the sums of their products that correlations are made of.

A cell's score is the mean of the normal distribution's values between the shares of the reference
that lie below and above it (van der Waerden's scores, by cell). It is rounded to whole steps, so
that sums of products are the same in whatever order and in whichever process rows are added.
"""

from __future__ import annotations

from itertools import pairwise
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from tidegauge_drift.cells import NumericCounter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tidegauge_drift.grid import Floats
    from tidegauge_drift.profile import NumericFeature

# Steps of a standard deviation. No score is above 9 of those: the sum of the products of 2 ** 32
# rows is a whole number of 64 bits.
STEPS = 4096
# So many multiplications at most in one product of matrices: more would wake a pool of threads.
_MULTIPLICATIONS = 1 << 18
# Rows whose cells are found in one go.
_ROWS = 4096
_NORMAL = NormalDist()


def scores(counts: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return the score, in steps, of all that a numeric feature has a count of.

    ``counts`` are the reference's, in the order of NumericFeature; so are the scores, but for the
    last two: a missing or ill-typed value has none, they are 0. What the reference has no row of
    counts as what it has next to it: values out of its range as the outermost it has.
    """
    rows = counts[:-2].astype(np.int64)
    found = np.zeros(counts.size, np.int64)
    taken = np.flatnonzero(rows)
    if taken.size < 2:  # noqa: PLR2004 - one cell, or none, is a constant
        return found
    ends = np.concatenate(([0], np.cumsum(rows[taken]))).tolist()
    total = ends[-1]
    heights = [_height(end / total) for end in ends]
    means = [(low - high) for low, high in pairwise(heights)]
    exact = np.array(means) * total / rows[taken]
    next_to = np.searchsorted(taken, np.arange(rows.size), "right") - 1
    found[:-2] = np.rint(exact * STEPS).astype(np.int64)[np.maximum(next_to, 0)]
    return found


def _height(share: float) -> float:
    """Return the height of the normal curve where this share is below."""
    return _NORMAL.pdf(_NORMAL.inv_cdf(share)) if 0 < share < 1 else 0.0


def pairs(features: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the two features of each pair, each with itself too, in the order of all sums."""
    return np.triu_indices(features)


class ScoreCounter:
    """Adds up the scores of some numeric features and the products of each two of them.

    ``sums`` has the sum of each feature's scores, then those of the products of ``pairs``, the
    squares among them; ``rows`` how many rows of each pair have both values. A row without one of
    two values is in neither.
    """

    def __init__(self, features: Sequence[NumericFeature]) -> None:
        ends = np.cumsum([0, *(feature.counts.size for feature in features)]).tolist()
        self._counter = NumericCounter(
            [feature.edges for feature in features],
            [feature.minimum for feature in features],
            [feature.maximum for feature in features],
            ends[:-1],
            ends[-1],
        )
        self.features = len(features)
        self._pairs = pairs(self.features)
        # In floating point, whose products are fast: whole numbers below 2 ** 53 are exact.
        self._scores = np.concatenate([scores(feature.counts) for feature in features]) * 1.0
        self._known = np.ones(ends[-1])
        for end in ends[1:]:
            self._known[end - 2 : end] = 0

    def scores(self, matrix: Floats, absent: Sequence[int] = ()) -> tuple[Floats, Floats]:
        """Return the score of each value of rows (rows, features), and 1 where there is one."""
        places = self._counter.places(matrix)
        found, known = self._scores[places], self._known[places]
        if len(absent):
            found[:, absent] = known[:, absent] = 0
        return found, known

    def count(
        self, matrix: Floats, absent: Sequence[int] = ()
    ) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
        """Return ``sums`` and ``rows`` of a matrix (rows, features); ``absent`` have no column."""
        width = self.features
        products, rows = np.zeros((2, width, width))
        total = np.zeros(width)
        step = max(1, _MULTIPLICATIONS // (width * width))
        for start in range(0, len(matrix), _ROWS):
            found, known = self.scores(matrix[start : start + _ROWS], absent)
            total += found.sum(axis=0)
            whole = bool(known.all())
            for i in range(0, len(found), step):
                part = found[i : i + step]
                products += part.T @ part
                if not whole:
                    there = known[i : i + step]
                    rows += there.T @ there
            if whole:
                rows += len(found)
        sums = np.concatenate((total, products[self._pairs])).astype(np.int64)
        return sums, rows[self._pairs].astype(np.uint64)

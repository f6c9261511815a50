"""Ten bins of equal width over the reference's range: the textbook's bins of PSI, compared exactly.

They are those of ``psi(reference, current)``; one outlier in the reference makes them blind.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from tidegauge_drift.edges import equal_width

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tidegauge_drift.grid import Floats
    from tidegauge_drift.profile import NumericFeature

TENTHS = 10


def wide_edges(low: float, high: float) -> Floats:
    """Return the edges between the bins of a reference with this range."""
    return equal_width(low, high, TENTHS)


class WideCounter:
    """Counts all numeric features of a matrix at once; no loop runs over features."""

    def __init__(self, features: Sequence[NumericFeature]) -> None:
        inner = [wide_edges(feature.minimum, feature.maximum) for feature in features]
        sizes = [edges.size + 1 for edges in inner]
        ends = np.cumsum([0, *sizes]).tolist()
        #: Where each feature's bins lie.
        self.slices = [slice(*pair) for pair in pairwise(ends)]
        # No finite value is at or above the edges that a feature has not.
        self._edges = np.full((max(sizes) - 1, len(inner)), np.inf)
        for j, edges in enumerate(inner):
            self._edges[: edges.size, j] = edges
        self._kept = np.arange(max(sizes))[:, None] < sizes

    def count(self, matrix: Floats) -> NDArray[np.int64]:
        """Return the counts of rows (rows, features); only finite values are counted."""
        finite = np.isfinite(matrix)
        if not finite.all():
            matrix = np.where(finite, matrix, np.nan)
        # So many rows are at or above the left end of each bin, and of one behind the last.
        above = np.zeros((len(self._edges) + 2, matrix.shape[1]), np.int64)
        above[0] = finite.sum(axis=0)
        with np.errstate(invalid="ignore"):
            for k, edge in enumerate(self._edges, 1):
                above[k] = (matrix >= edge).sum(axis=0)
        counts = above[:-1] - above[1:]
        return counts.T[self._kept.T]

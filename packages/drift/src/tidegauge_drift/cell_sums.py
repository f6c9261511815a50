"""Sums of values by tenths of the reference, and the Wasserstein distance that they give.

Sums are whole numbers of steps from the reference's minimum, so that they are the same in whatever
order and in whichever process rows are added.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np

from tidegauge_drift.wasserstein import distance_of_points

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tidegauge_drift.grid import Floats
    from tidegauge_drift.profile import NumericFeature

# Steps between a reference's minimum and maximum: half of one is less than any noise, and the sum
# of 2 ** 32 rows at the fence is a whole number of 64 bits.
STEPS = 2.0**30
# Values further out than the range is wide count as if they lay there: one cannot move all.
FENCES = -STEPS, 2 * STEPS


class Misplaced(NamedTuple):
    """Values that are in none of the cells between minimum and maximum, and their own cells."""

    row: NDArray[np.intp]
    column: NDArray[np.intp]
    own: NDArray[np.intp]


class SumCounter:
    """Sums up the values of all numeric features of a matrix at once.

    Feature ``j`` has the sums of values below the minimum, of each run of cells that are one bin of
    PSI, and of those above the maximum. Infinite and missing values are in none.
    """

    def __init__(
        self, features: Sequence[NumericFeature], offsets: Sequence[int], cells: int
    ) -> None:
        self._place = np.zeros(cells, np.intp)
        ends = [0]
        for feature, offset in zip(features, offsets, strict=True):
            runs = _runs(feature)
            inner = offset + 2 + np.arange(runs.size)
            self._place[inner] = ends[-1] + 1 + runs
            self._place[inner[0] - 1] = ends[-1]
            self._place[inner[-1] + 1] = ends[-1] + 2 + runs[-1]
            ends.append(ends[-1] + 3 + int(runs[-1]))
        #: Where each feature's sums lie.
        self.slices = [slice(*pair) for pair in pairwise(ends)]
        self.size = ends[-1]
        self._minimum = np.array([feature.minimum for feature in features])
        self._per = np.array([_steps_per_unit(feature) for feature in features])
        self._without = np.flatnonzero(self._per == 0)

    def repeat(self, times: int) -> Self:
        """Take rows that are so many of those before, one after the other, from now on."""
        self._minimum, self._per = (np.tile(a, times) for a in (self._minimum, self._per))
        self._without = np.flatnonzero(self._per == 0)
        return self

    def add(
        self, x: Floats, cell: NDArray[np.intp], misplaced: Misplaced | None, t: Floats
    ) -> NDArray[np.int64]:
        """Return the sums of rows whose cells these are; ``t`` is overwritten."""
        np.subtract(x, self._minimum, out=t)
        np.multiply(t, self._per, out=t)
        if self._without.size:
            t[:, self._without] = 0
        outside = np.empty(0)
        if misplaced is not None:
            place = misplaced.row, misplaced.column
            outside = np.rint(np.where(np.isfinite(x[place]), t[place], 0).clip(*FENCES))
            t[place] = 0
        np.rint(t, out=t)
        # Whole numbers below 2 ** 53: exact.
        found = np.bincount(cell.ravel(), t.ravel(), self._place.size)
        sums = np.bincount(self._place, found, self.size).astype(np.int64)
        if misplaced is not None:
            np.add.at(sums, self._place[misplaced.own], outside.astype(np.int64))
        return sums


def _runs(feature: NumericFeature) -> NDArray[np.intp]:
    """Return for each cell between minimum and maximum the number of its run of one bin."""
    bins = feature.bins[2:-2].astype(np.intp)
    return np.concatenate(([0], np.cumsum(np.diff(bins) != 0))).astype(np.intp)


def _steps_per_unit(feature: NumericFeature) -> float:
    """Return how many steps a unit of a feature's values has; 0 where its range has no width."""
    with np.errstate(all="ignore"):
        width = np.float64(feature.maximum) - np.float64(feature.minimum)
        if width == 0:  # a constant is measured by its own size
            width = np.float64(abs(feature.minimum) or 1.0)
        per = float(STEPS / width)
    return per if np.isfinite(per) and np.isfinite(width) else 0.0


class Points:
    """Where the rows in a numeric feature's cells lie, in steps from the reference's minimum.

    Rows of the reference lie at the mean of their cell. So do current ones, but moved within their
    cells, each by the same part of its width, until the sum over a run of cells is right.
    """

    def __init__(self, feature: NumericFeature) -> None:
        self._per = _steps_per_unit(feature)
        self._run = _runs(feature)
        ends = np.concatenate(([feature.minimum], feature.edges.values, [feature.maximum]))
        with np.errstate(all="ignore"):
            self._ends = (ends - feature.minimum) * self._per
            means = (feature.sums / feature.counts[2:-4] - feature.minimum) * self._per
        self._within = low, high = self._ends[:-1], self._ends[1:]
        self._means = np.clip(np.where(np.isfinite(means), means, (low + high) / 2), low, high)

    def distance(
        self, reference: NDArray[np.generic], current: NDArray[np.generic], sums: NDArray[np.int64]
    ) -> float | None:
        """Return the Wasserstein distance in the feature's unit; None where it has none.

        ``reference`` and ``current`` are counts in the order of NumericFeature; of ``sums`` there
        is one below the minimum, one for each run, and one above the maximum.
        """
        p, q = (side.astype(np.float64) for side in (reference[2:-4], current[1:-3]))
        if self._per == 0 or not p.any() or not q.any():
            return None
        outer = np.array([sums[0], sums[-1]]) / np.maximum(q[[0, -1]], 1)
        points = np.concatenate((outer[:1], self._moved(q[1:-1], sums[1:-1]), outer[1:]))
        distance = distance_of_points(self._means, p, points, q) / self._per
        return distance if math.isfinite(distance) else None

    def _moved(self, q: Floats, sums: NDArray[np.int64]) -> Floats:
        width = np.diff(self._ends)
        missing = sums - np.bincount(self._run, q * self._means)
        room = np.bincount(self._run, q * width)
        # Steps are rounded: by up to half of one for each row nothing has moved.
        moved = (room > 0) & (np.abs(missing) > np.bincount(self._run, q) / 2)
        part = np.divide(missing, room, out=np.zeros(room.size), where=moved)
        found: Floats = np.clip(self._means + part[self._run] * width, *self._within)
        return found

"""Which windows could be flagged at all: most are not, and the product need not judge them.

Nothing here decides. A window that passes is judged by the product; one that does not has no test
with a p-value below the level, so that nothing of it can be flagged. The product judges a sample of
those too, and a disagreement ends the run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import special
from tidegauge_drift.chi_square import chi_square_from_counts
from tidegauge_drift.judge import judge_feature, judge_quality

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from tidegauge_drift.layout import Layout, Slot

    Counts = NDArray[np.int64]
    Values = NDArray[np.float64]

_EXPECTED = 5.0


class Sieve:
    """Smallest p-value of each window's tests, or a bound below it."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._reference = layout.counts.astype(np.int64)
        self._quality: dict[tuple[int, ...], float] = {}

    def passes(self, windows: Counts, level: float) -> NDArray[np.bool_]:
        """Return for each window whether a p-value of it is within the level."""
        found = np.zeros(len(windows), np.bool_)
        for i, slot in enumerate(self._layout.slots):
            part = windows[:, slot.start : slot.stop]
            reference = self._reference[slot.start : slot.stop]
            found |= self._values(slot, reference, part) <= level
            found |= self._shares(i, slot, reference, part) <= level
        return found

    def _values(self, slot: Slot, reference: Counts, part: Counts) -> Values:
        bins = self._layout.bins[slot.start : slot.stop - 2]
        deff = deff_of(self._layout, slot)
        joins = not slot.numeric and (slot.singletons > 0 or reference[-4] > 0)
        if joins or not part[:, :-2].any(axis=1).all():
            found = [judge_feature(slot, reference, row, _bins(self._layout, slot), deff)
                     for row in part]  # fmt: skip
            return np.array([1.0 if f.p_value is None else f.p_value for f in found])
        p, q = reference[:-2].astype(np.float64), part[:, :-2].astype(np.float64)
        if not slot.numeric:
            return _pearson(p, q, deff)
        m, n = p.sum(), q.sum(axis=1)
        distance = np.abs(np.cumsum(p) / m - np.cumsum(q, axis=1) / n[:, None]).max(axis=1)
        ks = special.kolmogorov(np.sqrt(n * m / (n + m) / deff) * distance)
        join = (bins[:, None] == np.arange(bins.max() + 1)).astype(np.float64)
        found = 2 * np.minimum(ks, _pearson(p @ join, q @ join, deff))
        return np.asarray(found)

    def _shares(self, i: int, slot: Slot, reference: Counts, part: Counts) -> Values:
        """Return the smallest p-value of the shares that have changed enough to be flagged."""
        if slot.numeric:
            keys = [part[:, 0] + part[:, 1], part[:, -4] + part[:, -3]]
        else:
            keys = [part[:, -3]]
        table = np.stack([*keys, part[:, -2], part[:, -1], part.sum(axis=1)], axis=1)
        distinct, first, place = np.unique(table, axis=0, return_index=True, return_inverse=True)
        smallest = np.empty(len(distinct))
        for k, row in enumerate(distinct):
            key = (i, *row.tolist())
            if key not in self._quality:
                deff = deff_of(self._layout, slot)
                checks = judge_quality(slot, reference, part[first[k]], deff).checks
                able = [check.p_value for check in checks if check.effect >= 1]
                self._quality[key] = min(able, default=1.0)
            smallest[k] = self._quality[key]
        return smallest[place.ravel()]


def deff_of(layout: Layout, slot: Slot) -> float:
    """Return how many rows of a feature are worth one independent row."""
    return float(getattr(slot, "deff", layout.deff))


def _bins(layout: Layout, slot: Slot) -> NDArray[np.uint8]:
    return layout.bins[slot.start : slot.stop]


def _pearson(p: Values, q: Values, deff: float) -> Values:
    """Return Pearson's p-values of one reference against many windows, small cells pooled."""
    tables = np.stack((np.broadcast_to(p, q.shape), q), axis=1) / deff
    columns, rows = tables.sum(axis=1), tables.sum(axis=2)
    expected = rows[:, :, None] * columns[:, None, :] / rows.sum(axis=1)[:, None, None]
    small = expected.min(axis=1) < _EXPECTED
    with np.errstate(all="ignore"):
        terms = ((tables - expected) ** 2 / expected).sum(axis=1)
        statistic = np.where(small, 0.0, terms).sum(axis=1)
        pool = np.where(small[:, None, :], tables, 0.0).sum(axis=2)
        total = pool.sum(axis=1)
        pooled = rows * (total / rows.sum(axis=1))[:, None]
        statistic += np.where(total > 0, ((pool - pooled) ** 2 / pooled).sum(axis=1), 0.0)
    freedom = (~small).sum(axis=1) + (total > 0) - 1
    found = np.where(freedom > 0, special.chdtrc(np.maximum(freedom, 1), statistic), 1.0)
    # Where the pool itself is too small the product goes on to join cells.
    for k in np.flatnonzero((total > 0) & (pooled.min(axis=1) < _EXPECTED)):
        found[k] = chi_square_from_counts(p, q[k], pool_below=_EXPECTED, deff=deff).p_value
    return np.asarray(found)

"""Which windows could be flagged at all: most are not, and the product need not judge them.

Nothing here decides. A window that passes is judged by the product; one that does not has no family
of tests of which one could be rejected. The product judges a sample of those too, and a
disagreement ends the run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import special
from tidegauge_drift.block import INPUTS, OUTPUTS
from tidegauge_drift.chi_square import chi_square_from_counts
from tidegauge_drift.judge import EXPECTED, MINIMUM_ROWS, judge_quality, lucky
from tidegauge_drift.verdict import QUALITY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from tidegauge_drift.block import Slot
    from tidegauge_drift.layout import Layout

    Counts = NDArray[np.int64]
    Values = NDArray[np.float64]

# Rows that a share must be off by to be worth a test: one row alone never is.
_OFF = 1.5
# Missing, ill-typed, and out of range or new.
_CHECKS = 3
# Sums in another order round differently.
_SLACK = 1 + 1e-9


class Sieve:
    """Finds the windows of which a test could be rejected.

    Parameters
    ----------
    layout : Layout
        Of the reference.
    levels : mapping of str to float
        Of each family of tests.
    """

    def __init__(self, layout: Layout, levels: Mapping[str, float]) -> None:
        self._layout = layout
        self._levels = levels
        self._reference = layout.counts.astype(np.int64)
        self._quality: dict[tuple[int, int], tuple[float, int]] = {}

    def passes(self, windows: Counts) -> NDArray[np.bool_]:
        """Return for each window whether something of it could be flagged."""
        found = np.zeros(len(windows), np.bool_)
        values: dict[str, list[Values]] = {INPUTS: [], OUTPUTS: []}
        smallest, small = np.ones(len(windows)), np.zeros(len(windows), np.int64)
        for i, slot in enumerate(self._layout.slots):
            part = windows[:, slot.start : slot.stop]
            reference = self._reference[slot.start : slot.stop]
            values[slot.family].append(self.values(slot, reference, part))
            p_value, many = self._shares(i, slot, reference, part)
            np.minimum(smallest, p_value, out=smallest)
            small += many
        for family, p_values in values.items():
            found |= _rejected(np.stack(p_values, axis=1), self._levels[family] * _SLACK)
        limit = self._levels[QUALITY] * _SLACK * small / (_CHECKS * len(self._layout.slots))
        return np.asarray(found | (smallest <= limit))

    def values(self, slot: Slot, reference: Counts, part: Counts) -> Values:
        """Return the p-values of a feature's values, NaN where it is undecided."""
        bins = self._layout.bins[slot.start : slot.stop - 2]
        p, q = reference[:-2].astype(np.float64), part[:, :-2].astype(np.float64)
        found = np.full(len(q), np.nan)
        decided = q.sum(axis=1) / slot.deff >= MINIMUM_ROWS
        q = q[decided]
        if not slot.numeric:
            found[decided] = _pearson(*_joined(slot, p, q), slot.deff)
            return found
        m, n = p.sum(), q.sum(axis=1)
        join = (bins[:, None] == np.arange(bins.max() + 1)).astype(np.float64)
        distance = np.abs(np.cumsum(p) / m - np.cumsum(q, axis=1) / n[:, None]).max(axis=1)
        ks = special.kolmogorov(np.sqrt(n * m / (n + m) / slot.deff) * distance)
        found[decided] = 2 * np.minimum(ks, _pearson(p @ join, q @ join, slot.deff))
        return found

    def _shares(
        self, i: int, slot: Slot, reference: Counts, part: Counts
    ) -> tuple[Values, NDArray[np.int64]]:
        """Return the smallest p-value of a share with an effect, and how many are small at all."""
        able = _moved(slot, reference, part)
        found, small = np.ones(len(part)), np.zeros(len(part), np.int64)
        if not able.any():
            return found, small
        many = part[able]
        ends = (many[:, 0] + many[:, 1], many[:, -4] + many[:, -3])
        shares = [*ends, many[:, -2], many[:, -1]] if slot.numeric else list(many[:, -3:].T)
        code = np.zeros(len(many), np.int64)  # the shares as digits of one number
        for share in shares:
            code = code * (int(part[0].sum()) + 1) + share
        distinct, first, place = np.unique(code, return_index=True, return_inverse=True)
        smallest, times = zip(
            *(
                self._smallest((i, key), slot, reference, many[row])
                for key, row in zip(distinct.tolist(), first.tolist(), strict=True)
            ),
            strict=True,
        )
        found[able], small[able] = np.array(smallest)[place], np.array(times)[place]
        return found, small

    def _smallest(
        self, key: tuple[int, int], slot: Slot, reference: Counts, window: Counts
    ) -> tuple[float, int]:
        if key not in self._quality:
            checks = judge_quality(slot, reference, window, slot.deff).checks
            able = [check.p_value for check in checks if check.effect >= 1]
            level = self._levels[QUALITY] * _SLACK
            small = sum(check.p_value <= level for check in checks)
            self._quality[key] = min(able, default=1.0), small
        return self._quality[key]


def _rejected(p_values: Values, level: float) -> NDArray[np.bool_]:
    """Return for each row of p-values whether Benjamini and Hochberg reject any."""
    found = (p_values <= level).any(axis=1)
    ordered = np.sort(p_values[found], axis=1)  # undecided ones (NaN) come last
    ranks = np.arange(1, p_values.shape[1] + 1)
    found[found] = (ordered <= level * ranks / ranks.size).any(axis=1)
    return found


def _moved(slot: Slot, reference: Counts, part: Counts) -> NDArray[np.bool_]:
    """Return for each window whether any checked share could be flagged.

    Its count is off by two standard errors and more than a row: no level is so lax that less would
    do.
    """
    rows, values = part.sum(axis=1), part[:, :-2].sum(axis=1)
    m, v = reference.sum(), reference[:-2].sum()
    found = np.zeros(len(part), np.bool_)
    checked = [(part[:, -2], rows, reference[-2], m), (part[:, -1], rows, reference[-1], m)]
    if slot.numeric:
        low, high = part[:, 0] + part[:, 1], part[:, -4] + part[:, -3]
        checked += [
            (low, values, reference[:2].sum(), v),
            (high, values, reference[-4:-2].sum(), v),
        ]
    else:
        checked.append((part[:, -3], values, min(slot.singletons, v), v))
    for k, n, before, of in checked:
        off = np.abs(k - n * before / of)
        pooled = (k + before) / (n + of)
        error = np.sqrt(pooled * (1 - pooled) * n * (1 + n / of))
        found |= (off >= _OFF) & (off >= 2 * error)
    return found


def _joined(slot: Slot, p: Values, q: Values) -> tuple[Values, Values]:
    """Join what the product joins: categories with a cell by luck, and those without one."""
    if slot.singletons == 0 and not p[-2]:
        return p, q
    by_luck = lucky(p / slot.deff, q / slot.deff, slot.deff)
    sides = []
    for side in (np.broadcast_to(p, q.shape), q):
        rest = np.where(by_luck, side[:, :-2], 0.0).sum(axis=1) + side[:, -2:].sum(axis=1)
        kept = np.where(by_luck, 0.0, side[:, :-2])
        sides.append(np.concatenate((kept, rest[:, None]), axis=1))
    return sides[0], sides[1]


def _pearson(p: Values, q: Values, deff: float) -> Values:
    """Return Pearson's p-values of references against windows, small cells pooled."""
    p, q = np.broadcast_to(p, q.shape) / deff, q / deff
    m, n, both = p.sum(axis=1), q.sum(axis=1), p + q
    least = np.minimum(m, n) / (m + n)
    pooled = both * least[:, None] < EXPECTED
    pool = np.where(pooled, both, 0.0).sum(axis=1)
    left = (~pooled).sum(axis=1)
    while (short := np.flatnonzero((pool > 0) & (pool * least < EXPECTED) & (left > 1))).size:
        smallest = np.where(pooled[short], np.inf, both[short]).argmin(axis=1)
        pooled[short, smallest] = True
        pool[short] += both[short, smallest]
        left[short] -= 1
    apart = p * n[:, None] - q * m[:, None]
    with np.errstate(all="ignore"):
        statistic = np.where(pooled, 0.0, apart**2 / both).sum(axis=1)
        rest = np.where(pooled, apart, 0.0).sum(axis=1)
        statistic += np.where(pool > 0, rest**2 / pool, 0.0)
        statistic /= m * n
    freedom = left + (pool > 0) - 1
    found = np.where(freedom > 0, special.chdtrc(np.maximum(freedom, 1), statistic), 1.0)
    smallest = np.where(pooled, np.inf, both).min(axis=1)
    smallest = np.minimum(smallest, np.where(pool > 0, pool, np.inf)) * least
    for k in np.flatnonzero((freedom == 1) & (smallest < EXPECTED * _SLACK)):  # the exact test
        args = p[k] * deff, q[k] * deff
        found[k] = chi_square_from_counts(*args, pool_below=EXPECTED, deff=deff).p_value
    return np.asarray(found)

"""How far off is KS on a feature's cells: measured on moved copies of the reference itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tidegauge_drift.sample import on_values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from tidegauge_drift.grid import Floats

# Rows that are looked at; more would tell no more about the cells.
ROWS = 10_000
_SHIFTS = (0.05, -0.15, 0.5)  # of the interquartile range
_SCALES = (0.8, 1.25)  # about the median


def worst_ks_error(sample: Floats, count: Callable[[Floats], NDArray[np.int64]]) -> float:
    """Return the largest gap between exact KS and KS on cells over a set of moved copies.

    ``sample`` are finite values in ascending order; ``count`` returns the ordered counts of some
    values. Copies of columns of integers are integers again.
    """
    reference = count(sample)
    worst = 0.0
    for moved in _copies(sample):
        _, exact, current = on_values(sample, moved)
        worst = max(worst, _distance(exact, current) - _distance(reference, count(moved)))
    return worst


def _copies(sample: Floats) -> Iterator[Floats]:
    with np.errstate(all="ignore"):
        q25, median, q75 = np.quantile(sample, (0.25, 0.5, 0.75))
        spread = float(q75 - q25) or float(np.std(sample))
        whole = bool((sample == np.rint(sample)).all())
        if sample.size > 1:  # a half of the rows, always the same one
            yield np.random.default_rng(0).permutation(sample)[::2]
        for shift in _SHIFTS:
            step = shift * spread
            yield sample + (np.copysign(np.ceil(abs(step)), step) if whole else step)
        for scale in _SCALES:
            moved = median + scale * (sample - median)
            yield np.rint(moved) if whole else moved


def _distance(p: NDArray[Any], q: NDArray[Any]) -> float:
    return float(np.abs(np.cumsum(p) / p.sum() - np.cumsum(q) / q.sum()).max())

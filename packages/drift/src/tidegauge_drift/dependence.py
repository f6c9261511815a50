"""How many independent rows a sample in the order of time is worth."""

from __future__ import annotations

from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from tidegauge_drift.sample import finite

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import ArrayLike, NDArray

    from tidegauge_drift.grid import Floats

# The variance of block means needs this many blocks.
FEWEST_BLOCKS = 20
# Blocks that show nine tenths of a design effect of d are about 10 d rows long.
_BLOCK_ROWS = 10
_CAUTION = 1.645  # of a standard normal value: too small in one case of twenty
# Of a table's columns none is by chance so far below the median.
_UNLIKELY = 0.05
# No sample can show more dependence than this: base of a cube that is to be divided by.
_LEAST = 0.05
# Shorter blocks than this would not see dependence at all.
_SHORTEST = 2
_STEPS = (5, 10, 25)  # times powers of ten


def effective_sample_size(values: ArrayLike) -> float:
    """Compute how many independent rows are worth as much as these rows, given in time order.

    ``n / deff``, with ``deff`` at least 1 and the largest over block lengths L of the mean over the
    nine deciles of ``var(s) / (p * (1 - p) / L)``. For a decile, ``s`` are the shares of rows not
    above it in the consecutive blocks of L rows, and ``p`` is that share in all rows.

    Parameters
    ----------
    values : array_like of real numbers, shape (n,)
        In the order of time: shuffled rows seem independent. Taken as float64; NaN, None and
        infinite values are dropped and close ranks; at least 40 finite values must be left.

    Returns
    -------
    float
        Rows, in (0, n]. n for a constant, about whose dependence nothing can be known.

    Raises
    ------
    TypeError
        A value is no real number, or the argument is no row of values.
    ValueError
        The sample has not one dimension or fewer than 40 finite values.

    Notes
    -----
    O(n log n). L is 50, 100, 250, 500, 1000, 2500, ... up to n / 20, and n / 20 itself; dependence
    that reaches further is not seen, so a short sample of slow rows seems larger than it is. Tests
    at ``n / deff`` instead of n keep their rate of false alarms on autocorrelated rows. Independent
    rows read less than n, because the largest of several noisy values is taken: the price of not
    crying wolf. Oracle: ``(1 - rho) / (1 + rho)`` for indicators of AR(1) rows
    (tests/test_dependence.py).

    References
    ----------
    Kish, L. (1965). Survey Sampling. Wiley.
    """
    found = finite("values", values)
    if found.size < FEWEST_BLOCKS * _SHORTEST:
        raise ValueError(
            f"values: got {found.size} finite values from the argument; expected at least "
            f"{FEWEST_BLOCKS * _SHORTEST}. Fewer rows cannot tell how they depend on each other."
        )
    return found.size / design_effect(found)


def design_effect(values: Floats) -> float:
    """Return how many rows are worth one independent row: ``deff`` of ``effective_sample_size``.

    In [1, n], of finite values in the order of time; 1 where they are too few or all alike.
    """
    with np.errstate(all="ignore"):  # between values too far apart there is no decile
        deciles = np.quantile(values, np.arange(1, 10) / 10)
    blocks = Blocks(values.size, deciles.size)
    blocks.add(values[:, None] <= deciles)
    return blocks.design_effect()


def cautious(deff: float, rows: int) -> float:
    """Return the upper 95 % bound of a design effect that was measured on so many rows.

    The variance of k block means is that of a chi-square variable of k degrees of freedom, over k;
    there are about ``k = m / (10 d)`` blocks. So the bound is ``d * k`` over its 5 % quantile, here
    by Wilson and Hilferty's cube, ``d / (1 - s ** 2 - 1.645 * s) ** 3`` with
    ``s ** 2 = 2 / (9 * k)``; 1 stays 1. A feature whose design effect comes out too small by chance
    is the one that cries wolf. The bound is a third above 12 measured on 10,000 rows, and 2.9 times
    it on 1,000, which are 8 blocks. It is never more than the rows.
    """
    if deff <= 1:
        return 1.0
    s = float(np.sqrt(2 * _BLOCK_ROWS * deff / (9 * rows)))
    return min(float(rows), deff / max(_LEAST, 1 - s * s - _CAUTION * s) ** 3)


def cautious_together(deffs: Sequence[float], rows: Sequence[int]) -> list[float]:
    """Return the upper bounds of design effects that were measured on the columns of one table.

    Columns of one table mostly depend on time alike, and of many the one that was measured too
    small stands out. So what chance explains as the median of all is taken for the median first:
    ``k`` block means of rows with that design effect vary so little in more than one case of
    20 times the number of columns.

    Parameters
    ----------
    deffs : sequence of float, >= 1
        As they were measured.
    rows : sequence of int
        With a value, of each column.
    """
    if not deffs:
        return []
    typical = float(np.median(deffs))
    unlikely = NormalDist().inv_cdf(_UNLIKELY / len(deffs))
    found = []
    for deff, size in zip(deffs, rows, strict=True):
        s = float(np.sqrt(2 * _BLOCK_ROWS * typical / (9 * max(1, size))))
        by_chance = ((deff / typical) ** (1 / 3) - (1 - s * s)) / s > unlikely
        found.append(cautious(max(deff, typical) if by_chance else deff, max(1, size)))
    return found


class Blocks:
    """The shares of some events in consecutive blocks of rows, of every length.

    Parameters
    ----------
    rows : int
        How many will come; with fewer than 40 the design effect is 1.
    events : int
        How many events there are.
    variance : ndarray of float64, optional
        Of one row by itself. Then rows are given as what happened less what was to be expected,
        and only the rest of their dependence counts.
    """

    def __init__(self, rows: int, events: int, variance: NDArray[np.float64] | None = None) -> None:
        few = rows < FEWEST_BLOCKS * _SHORTEST
        kind = np.int64 if variance is None else np.float64
        self._variance = variance
        self._lengths = [] if few else list(block_lengths(rows))
        self._seen = 0
        self._total = np.zeros(events, kind)
        self._last = np.zeros((len(self._lengths), events), kind)
        self._sums = np.zeros((len(self._lengths), events), kind)
        self._squares = np.zeros((len(self._lengths), events), kind)

    def add(self, happened: NDArray[np.bool_] | Floats) -> None:
        """Add rows (rows, events) in the order of time."""
        below = np.cumsum(happened, axis=0, dtype=self._total.dtype) + self._total
        for i, length in enumerate(self._lengths):
            ends = below[length - 1 - self._seen % length :: length]
            if len(ends):
                blocks = np.diff(ends, axis=0, prepend=self._last[i : i + 1])
                self._last[i] = ends[-1]
                self._sums[i] += blocks.sum(axis=0)
                self._squares[i] += (blocks**2).sum(axis=0)
        if len(below):
            self._total = below[-1]
        self._seen += len(happened)

    def design_effect(self, *, worst: bool = False) -> float:
        """Return the largest ratio of variances over all lengths, each the mean over events.

        With ``worst`` it is that of the event which depends most. The deciles of a number are much
        alike in that; categories are not, and it is the one that comes in long runs that alarms.
        """
        share = self._total / max(1, self._seen)
        variance = share * (1 - share) if self._variance is None else self._variance
        varies: NDArray[np.bool_] = variance > 0
        if not self._lengths or not varies.any():
            return 1.0
        ratios = []
        for i, length in enumerate(self._lengths):
            blocks = self._seen // length
            sums, squares = (a[i][varies].astype(object) for a in (self._sums, self._squares))
            # In whole numbers: the same for any parts that the rows came in.
            spread = (blocks * squares - sums**2) / (blocks * (blocks - 1))
            single = length * variance[varies]
            found = spread.astype(np.float64) / single
            ratios.append(float(found.max() if worst else found.mean()))
        return max(1.0, *ratios)


def block_lengths(rows: int) -> Iterator[int]:
    """Return 50, 100, 250, 500, ... below a twentieth of the rows, and that twentieth."""
    longest = rows // FEWEST_BLOCKS
    power = 10
    while power * _STEPS[0] < longest:
        yield from (step * power for step in _STEPS if step * power < longest)
        power *= 10
    yield longest

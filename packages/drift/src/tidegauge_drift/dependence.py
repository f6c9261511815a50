"""How many independent rows a sample in the order of time is worth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tidegauge_drift.sample import finite

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike, NDArray

    from tidegauge_drift.grid import Floats

# The variance of block means needs this many blocks.
FEWEST_BLOCKS = 20
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
    """Return how many rows are worth one independent row; finite values in the order of time."""
    with np.errstate(all="ignore"):  # between values too far apart there is no decile
        deciles = np.quantile(values, np.arange(1, 10) / 10)
    ratios = []
    for decile in deciles:
        below = np.cumsum(values <= decile)
        share = below[-1] / values.size
        if 0 < share < 1:
            ratios.append([_ratio(below, share, length) for length in block_lengths(values.size)])
    return max(1.0, float(np.mean(ratios, axis=0).max())) if ratios else 1.0


def _ratio(below: NDArray[np.int64], share: float, length: int) -> float:
    """Return the variance of the share in blocks, over that of as many independent rows."""
    blocks = np.diff(below[length - 1 :: length], prepend=0) / length
    return float(blocks.var(ddof=1) / (share * (1 - share) / length))


def block_lengths(rows: int) -> Iterator[int]:
    """Return 50, 100, 250, 500, ... below a twentieth of the rows, and that twentieth."""
    longest = rows // FEWEST_BLOCKS
    power = 10
    while power * _STEPS[0] < longest:
        yield from (step * power for step in _STEPS if step * power < longest)
        power *= 10
    yield longest

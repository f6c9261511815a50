"""Population stability index."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tidegauge_drift.counts import pair

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

# The floor that the published bands (0.1, 0.2) were read with; another floor is another statistic.
FLOOR = 1e-4


def psi_from_counts(reference: ArrayLike, current: ArrayLike, *, floor: float = FLOOR) -> float:
    """Compute the population stability index of two binned samples.

    ``sum((q - p) * ln(q / p))`` over bins, with ``p`` and ``q`` the bin shares. Shares below
    ``floor`` are raised to it and not renormalised.

    Parameters
    ----------
    reference, current : array_like of counts, shape (n_bins,)
        Counts on the same bins, outer bins included; each sums to > 0.
    floor : float, share in (0, 1)
        PSI depends on it: never change it silently.

    Returns
    -------
    float
        Nats, in [0, inf); 0 if and only if the floored shares are equal.

    Raises
    ------
    ValueError
        Shapes differ, a count is negative or not finite, a sum is 0, or the floor is out of range.

    Notes
    -----
    O(n_bins). Without drift E[PSI] is about ``(n_bins - 1) * (1 / n + 1 / m)``: compare thresholds
    with that, not with 0. Agrees with ``scipy.special.rel_entr`` both ways to 1e-12 relative where
    no share is floored (tests/test_psi.py).

    References
    ----------
    Yurdakul, B. (2018). Statistical Properties of Population Stability Index. Western Michigan
    University.
    """
    if not 0 < floor < 1:
        raise ValueError(
            f"floor: got {floor!r} from the argument; expected a share in (0, 1). "
            f"Leave it out to use {FLOOR}."
        )
    p, q = pair(reference, current)
    p = np.maximum(p / p.sum(), floor)
    q = np.maximum(q / q.sum(), floor)
    return float(((q - p) * np.log(q / p)).sum())

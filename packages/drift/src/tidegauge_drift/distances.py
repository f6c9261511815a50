"""Kullback-Leibler and Jensen-Shannon on a reference's cells, as live windows have them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tidegauge_drift.judge import comparable_cells

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tidegauge_drift.block import Slot
    from tidegauge_drift.counts import Counts

# Rows that each cell has in advance on both sides, so that an empty one has a logarithm.
SMOOTHING = 0.5


def smoothed(
    slot: Slot, reference: NDArray[Any], current: NDArray[Any], deff: float
) -> tuple[Counts, Counts]:
    """Return both sides' counts on the cells that are compared, half a row added to each.

    Of numbers those from below the minimum to above the maximum; of categories those that have a
    cell by right, and all others together. Missing values and type errors take no part.
    """
    if slot.numeric:
        p, q = (side[1:-3].astype(np.float64) for side in (reference, current))
    else:
        p, q = comparable_cells(
            slot, reference[:-2].astype(np.float64), current[:-2].astype(np.float64), deff
        )
    return p + SMOOTHING, q + SMOOTHING

"""The counts of one feature on a reference profile's cells, of both sides, and their test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tidegauge_drift.bins import in_bins, reference_in_bins
from tidegauge_drift.judge import comparable_cells, judge_feature
from tidegauge_drift.psi import psi_from_counts
from tidegauge_drift.report.evidence import Test, largest_effect, too_few

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tidegauge_drift.block import Slot
    from tidegauge_drift.counts import Counts


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """A feature's counts on the reference's cells, of both sides, and the bin of each cell.

    ``whole`` tells whether they are those of all rows of the reference, ``part`` whether they are
    those of one segment.
    """

    slot: Slot
    reference: NDArray[Any]
    current: NDArray[Any]
    bins: NDArray[np.uint8]
    deff: float
    sums: NDArray[np.int64] | None = None
    whole: bool = True
    part: bool = False


def verdict_test(cells: Cells, ks: float = 0.0) -> Test:
    """Return the verdict's test: the one of live windows, with the effect named."""
    values = int(cells.reference[:-2].sum()), int(cells.current[:-2].sum())
    reason = too_few(*values, cells.deff)
    if reason:
        return Test(reason=reason)
    finding = judge_feature(cells.slot, cells.reference, cells.current, cells.bins, cells.deff)
    p, q = tenths(cells)
    if cells.slot.numeric:
        atoms = list(cells.slot.atom_bins)
        single = p[atoms], q[atoms]
    else:
        reference, current = (
            side[:-2].astype(np.float64) for side in (cells.reference, cells.current)
        )
        single = comparable_cells(cells.slot, reference, current, cells.deff)
    shares = zip((single[0] / p.sum()).tolist(), (single[1] / q.sum()).tolist(), strict=True)
    _, effect_of = largest_effect(p, q, psi_from_counts(p, q), ks=ks, shares=shares)
    return Test(finding.p_value, finding.effect, effect_of, finding.reason)


def tenths(cells: Cells) -> tuple[Counts, Counts]:
    """Return both sides on the bins of PSI."""
    bins = cells.bins[:-2]
    return (
        reference_in_bins(cells.slot, cells.reference[:-2], bins),
        in_bins(cells.current[:-2], bins),
    )


def both_sides(cells: Cells) -> bool:
    """Tell whether either side has values."""
    return bool(cells.reference[:-2].any() and cells.current[:-2].any())

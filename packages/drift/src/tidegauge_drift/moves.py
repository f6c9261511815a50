"""What has moved in a feature: its bins and shares, in the reference and now."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tidegauge_drift.bins import in_bins, reference_in_bins
from tidegauge_drift.judge import FLOOR_DISTANCE, FLOOR_H, FLOOR_PSI
from tidegauge_drift.proportions import cohens_h
from tidegauge_drift.season import compared

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tidegauge_drift.block import Slot
    from tidegauge_drift.judge import Finding
    from tidegauge_drift.layout import Layout
    from tidegauge_drift.window import ClosedWindow

KS, PSI, SHARE, H = "ks.statistic", "psi", "share.change", "cohens.h"


@dataclass(frozen=True, slots=True)
class Sides:
    """Counts of one feature, in what the reference expects of a window and in the window."""

    slot: Slot
    reference: NDArray[Any]
    current: NDArray[np.int64]
    bins: NDArray[np.uint8]

    @classmethod
    def of(cls, window: ClosedWindow, layout: Layout, i: int) -> Sides:
        """Return those of the feature at one place of a layout; no rows where there were none."""
        slot = layout.slots[i]
        place = slice(slot.start, slot.stop)
        reference: NDArray[Any] = layout.counts[place].astype(np.int64)
        current = np.zeros(reference.size, np.int64)
        if window.counts is not None:
            current = window.counts[place].astype(np.int64)
            found = compared(window, layout, i)
            slot, reference = (slot, reference) if isinstance(found, str) else found
        return cls(slot, reference, current, layout.bins[place])

    def shares(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the share of each bin among rows with a value; zeros where there is none."""
        p = reference_in_bins(self.slot, self.reference[:-2], self.bins[:-2])
        q = in_bins(self.current[:-2], self.bins[:-2])
        return p / max(p.sum(), 1.0), q / max(q.sum(), 1.0)

    def quality(self, name: str) -> tuple[float, float]:
        """Return a share that data quality checks by name, in the reference and now."""
        return self._quality(name, self.reference, before=True), self._quality(name, self.current)

    def _quality(self, name: str, counts: NDArray[Any], *, before: bool = False) -> float:
        if name in ("missing", "type_error"):
            return _share(counts[-2 if name == "missing" else -1], counts.sum())
        if name == "out_of_range":
            return _share(counts[:2].sum() + counts[-4:-2].sum(), counts[:-2].sum())
        return _share(self.slot.singletons if before else counts[-3], counts[:-2].sum())


def _share(part: float, whole: float) -> float:
    return min(1.0, float(part) / float(whole)) if whole else 0.0


def leading(finding: Finding, sides: Sides) -> tuple[str, float, float]:
    """Return the statistic that explains a feature best, its value and its floor.

    The first one that reaches its floor, of the distance, PSI, the largest change of a share and
    Cohen's h of a frequent value or a category; the first one that there is where none does.
    """
    p, q = sides.shares()
    apart = list(sides.slot.atom_bins) if sides.slot.numeric else slice(None)
    pairs = zip(q[apart].tolist(), p[apart].tolist(), strict=True)
    h = max((cohens_h(now, then) for now, then in pairs), default=0.0)
    change = float(np.abs(q - p).max(initial=0.0))
    found = [(PSI, finding.psi, FLOOR_PSI), (SHARE, change, FLOOR_DISTANCE), (H, h, FLOOR_H)]
    if sides.slot.numeric:
        found.insert(0, (KS, finding.ks, FLOOR_DISTANCE))
    known = [(name, value, floor) for name, value, floor in found if value is not None]
    return next((each for each in known if each[1] >= each[2]), known[0])


def share_floor(reference: float, current: float) -> float:
    """Return the share from which a change from the reference's is worth a word (Cohen's h)."""
    at = math.asin(math.sqrt(reference))
    step = FLOOR_H / 2 if current >= reference else -FLOOR_H / 2
    return math.sin(min(math.pi / 2, max(0.0, at + step))) ** 2

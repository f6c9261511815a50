"""What is expected of a window: the reference, mixed by hours as the window's traffic was."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tidegauge_drift.judge import MINIMUM_ROWS
from tidegauge_drift.times import SEASONS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from tidegauge_drift.block import Slot
    from tidegauge_drift.layout import Layout
    from tidegauge_drift.window import ClosedWindow

# With more of its rows in hours that the reference has no rows of, a window is not comparable.
MOST_UNKNOWN = 0.1


def compared(window: ClosedWindow, layout: Layout, i: int) -> tuple[Slot, NDArray[Any]] | str:
    """Return the ``i``-th feature and what a window is compared with, or why it is not."""
    if window.baseline is None:
        return expected(layout, i, window.hours) or "season"
    slot = layout.slots[i]
    found = window.baseline.counts
    counts = None if found is None else found[slot.start : slot.stop].astype(np.float64)
    if counts is None or counts.sum() < MINIMUM_ROWS * slot.deff:
        return "week" if window.baseline.version is None else "live"
    if slot.numeric:
        return slot, counts
    # As a reference has it: what is new is among the rare, and its number apart.
    new = float(counts[-3])
    counts = np.concatenate([counts[:-4], [counts[-4] + new, 0.0], counts[-2:]])
    return replace(slot, singletons=round(new), doubletons=0), counts


def expected(layout: Layout, i: int, hours: Mapping[str, int]) -> tuple[Slot, NDArray[Any]] | None:
    """Return the ``i``-th feature and its reference counts for rows in these hours of the week.

    With a season those are ``m * sum(w_s * p_s)``: ``p_s`` the shares of the cells in slot ``s`` of
    the reference, ``w_s`` the slot's share of the window's rows, and ``m = 1 / sum(w_s**2 / m_s)``
    the number of rows that are worth as much as the ``m_s`` of each slot, so weighted.

    Parameters
    ----------
    layout : Layout
        The reference, made ready.
    i : int
        The feature's place in it.
    hours : mapping of str to int
        Rows of the window in each hour of the week, counted from Monday in UTC.

    Returns
    -------
    Slot and counts, or None if more than a tenth of the window's rows are in hours that the
    reference has no rows of.
    """
    slot = layout.slots[i]
    place = slice(slot.start, slot.stop)
    counts = layout.counts[place].astype(np.int64)
    if not layout.season or not hours:
        return slot, counts
    by_slot = layout.by_slot[:, place].astype(np.float64)
    many = SEASONS[layout.season]
    weights = np.bincount([int(hour) % many for hour in hours], list(hours.values()), many)
    rows = by_slot.sum(axis=1)
    known = (weights > 0) & (rows > 0)
    if weights[known].sum() < (1 - MOST_UNKNOWN) * weights.sum():
        return None
    w, m = weights[known] / weights[known].sum(), rows[known]
    size = 1 / float((w * w / m).sum())
    mix = size * (w / m) @ by_slot[known]
    scale = size / max(1, int(counts.sum()))
    once, twice = round(slot.singletons * scale), round(slot.doubletons * scale)
    return replace(slot, singletons=once, doubletons=twice), mix

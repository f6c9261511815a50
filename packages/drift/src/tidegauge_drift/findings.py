"""What a closed window says of each feature by itself: a fault in one silences no other."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from tidegauge import guard

from tidegauge_drift.block import SUMS, WIDE, Slot
from tidegauge_drift.classic import judge_classic
from tidegauge_drift.distances import smoothed
from tidegauge_drift.divergence import js_distance_from_counts, kl_divergence_from_counts
from tidegauge_drift.judge import LOW_POWER_ROWS, Finding, Shares, judge_feature, judge_quality
from tidegauge_drift.layout import Layout
from tidegauge_drift.season import compared
from tidegauge_drift.wanted import DEFAULT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tidegauge_drift.window import ClosedWindow

    # A feature as a window is compared with it, and its counts.
    Reference: TypeAlias = tuple[Slot, NDArray[Any]]


def reference_of(
    window: ClosedWindow, layout: Layout, i: int, deff: float = 1.0
) -> Reference | str:
    """Return what a feature is compared with, or why it is not; ``deff`` is that of calls."""
    if window.counts is None:
        return "rows"
    if window.stride_max > 2 * window.stride_min:
        return "sampling"
    try:
        found = compared(window, layout, i)
        if isinstance(found, str):
            return found
        slot, counts = found
        return replace(slot, deff=max(slot.deff, float(deff))), counts
    except Exception as error:  # one broken feature must not silence the others
        guard.fault("drift.reference", error)
        return "fault"


def finding_of(window: ClosedWindow, layout: Layout, i: int, found: Reference | str) -> Finding:
    """Return how a feature's values differ from what they are compared with."""
    if isinstance(found, str):
        return Finding(0, reason=found)
    slot, reference = found
    place = slice(slot.start, slot.stop)
    try:
        current = _counts(window, slot)
        finding = judge_feature(slot, reference, current, layout.bins[place], slot.deff)
        if window.baseline is not None:
            finding = _both(finding, float(reference[:-2].sum()))
        if finding.reason or layout.wanted == DEFAULT:
            return finding
        return _measured(finding, window, layout, i, (slot, reference, current))
    except Exception as error:  # as above
        guard.fault("drift.verdict", error)
        return Finding(0, reason="fault")


def classic_finding_of(
    window: ClosedWindow, layout: Layout, i: int, found: Reference | str
) -> Finding:
    """Return what the textbook's rules say of a feature; they know nothing of a season."""
    if isinstance(found, str) and found != "season":
        return Finding(0, reason=found)
    slot = layout.slots[i]
    try:
        current = _counts(window, slot)
        finding = judge_classic(layout, i, current, layout.further(WIDE, i, window.extra))
        if finding.reason:
            return finding
        reference = layout.counts[slot.start : slot.stop].astype(np.int64)
        more = _measured(finding, window, layout, i, (replace(slot, deff=1.0), reference, current))
    except Exception as error:  # as above
        guard.fault("drift.verdict", error)
        return Finding(0, reason="fault")
    return replace(more, kl=finding.kl)


def _both(finding: Finding, other: float) -> Finding:
    """Return a finding whose rows are worth what those of the smaller side are.

    A baseline of a few hours can have fewer rows than the window; PSI is noise then too.
    """
    rows = finding.rows or 1
    effective = min(finding.effective_rows, other * finding.effective_rows / rows)
    psi = finding.psi if effective >= LOW_POWER_ROWS else None
    return replace(finding, effective_rows=effective, psi=psi)


def _measured(
    finding: Finding,
    window: ClosedWindow,
    layout: Layout,
    i: int,
    sides: tuple[Slot, NDArray[Any], NDArray[Any]],
) -> Finding:
    """Add what is wanted beside the test; divergences of few rows are noise, as PSI is."""
    wanted, (slot, reference, current) = layout.wanted, sides
    if not finding.low_power and (wanted.kl or wanted.js):
        cells = smoothed(slot, reference, current, slot.deff)
        kl = kl_divergence_from_counts(*cells) if wanted.kl else None
        js = js_distance_from_counts(*cells) if wanted.js else None
        finding = replace(finding, kl=kl, js=js)
    sums = layout.further(SUMS, i, window.extra)
    if sums is None or window.baseline is not None:  # of a week's rows there are no sums
        return finding
    distance = layout.points[i].distance(reference, current, sums)
    return replace(finding, wasserstein=distance)


def shares_of(window: ClosedWindow, found: Reference | str) -> Shares:
    """Return how the shares of missing and unusual values differ."""
    if isinstance(found, str):
        return Shares(0)
    slot, reference = found
    try:
        return judge_quality(slot, reference, _counts(window, slot), slot.deff)
    except Exception as error:  # as above
        guard.fault("drift.quality", error)
        return Shares(0)


def _counts(window: ClosedWindow, slot: Slot) -> NDArray[Any]:
    assert window.counts is not None  # noqa: S101 - there is a reference for none otherwise
    return window.counts[slot.start : slot.stop].astype(np.int64)

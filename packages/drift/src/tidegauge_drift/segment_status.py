"""What a status says of segments: which ones, and the features that differ among their rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidegauge_drift.optional import shown
from tidegauge_drift.segment_table import differing, undecided

if TYPE_CHECKING:
    from tidegauge_drift.layout import Layout
    from tidegauge_drift.verdict import WindowVerdict

# Features and segments that are listed of a window.
MAXIMUM_LISTED = 50
_LONGEST_NAME = 200


def segments(verdict: WindowVerdict, layout: Layout) -> dict[str, Any] | None:
    """Return the segments of a window as plain values; None where there are none."""
    few = undecided(verdict.extra)
    if layout.segments is None or few is None:
        return None
    found = list(differing(verdict.extra))
    values = [value[:_LONGEST_NAME] for value in layout.segments.texts]
    return {
        "column": layout.segments.name[:_LONGEST_NAME],
        "values": values,
        "undecided": [value for value, none in zip(values, few.tolist(), strict=True) if none],
        "differing": [
            {
                "feature": verdict.slots[each.feature].name[:_LONGEST_NAME],
                "family": verdict.slots[each.feature].family,
                "segment": values[each.segment],
                "detected": each.detected,
                "flagged": each.flagged,
                "since_s": each.since_s or None,
                "rows": each.rows,
                "effect": shown(each.effect),
                "psi": shown(each.psi),
                "ks": shown(each.ks),
            }
            for each in found[:MAXIMUM_LISTED]
        ],
        "left_out": max(0, len(found) - MAXIMUM_LISTED),
    }


def since_s(verdict: WindowVerdict) -> int | None:
    """Return since when segments differ whose alarms are on."""
    times = [each.since_s for each in differing(verdict.extra) if each.detected]
    return min(times, default=None)

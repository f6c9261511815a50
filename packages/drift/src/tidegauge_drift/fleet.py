"""Rows by bin since the start: what Prometheus adds up over all replicas of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegauge_drift.columns import chosen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegauge_drift.layout import Layout

# The last two cells of every feature, which are no bins.
_REST = ("missing", "other")


def series(layout: Layout, features: Sequence[str] = ()) -> int:
    """Return how many series the fleet's counts of one model have."""
    found = 0
    for slot in layout.slots:
        if chosen(slot.name, features, ()):
            bins = int(layout.bins[slot.start : slot.stop].max()) + 1
            # Each bin's rows and its share of the reference, the two rests, the design effect.
            found += 2 * bins + len(_REST) + 1
    return found

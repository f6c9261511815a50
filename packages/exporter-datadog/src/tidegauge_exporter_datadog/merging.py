"""Points of two collections as those of one: pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain

from tidegauge_exporter_datadog.points import Count, Distribution, Point, Tags


def merged(earlier: Sequence[Point], later: Sequence[Point]) -> Sequence[Point]:
    """Return one point a series: counts and distributions add up, of gauges the later one stays."""
    if not earlier:
        return later
    found: dict[tuple[type[Point], str, Tags], Point] = {}
    for point in chain(earlier, later):
        key = type(point), point.name, point.tags
        before = found.get(key)
        if isinstance(before, Count) and isinstance(point, Count):
            value, interval_s = before.value + point.value, before.interval_s + point.interval_s
            found[key] = replace(point, value=value, interval_s=interval_s)
        elif isinstance(before, Distribution) and isinstance(point, Distribution):
            values, counts = before.values + point.values, before.counts + point.counts
            found[key] = replace(point, values=values, counts=counts)
        else:
            found[key] = point
    return list(found.values())

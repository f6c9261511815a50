"""Counters of a device, counted from when they were first read.

A device counts since its driver was loaded, which nobody knows the time of. A reader of deltas
would be told all of that as if it had happened just now.
"""

from __future__ import annotations

import math

from tidegauge.batch import CountPoint
from tidegauge_semconv import MetricSpec


class Since:
    """Where each counter stood when its counting began, and when that was."""

    def __init__(self) -> None:
        self._began: dict[tuple[MetricSpec, tuple[str, ...]], tuple[float, float]] = {}
        self._last: dict[tuple[MetricSpec, tuple[str, ...]], float] = {}

    def point(
        self, spec: MetricSpec, attributes: tuple[str, ...], value: float, now_s: float
    ) -> CountPoint:
        """Return how far a counter has come; one that has fallen was reset and begins anew."""
        key = (spec, attributes)
        began, start_s = self._began.get(key, (value, now_s))
        if value < self._last.get(key, value):
            # Later than the last start even if the clock stands still.
            began, start_s = value, max(now_s, math.nextafter(start_s, math.inf))
        self._began[key], self._last[key] = (began, start_s), value
        return CountPoint(spec, attributes, value - began, start_s)

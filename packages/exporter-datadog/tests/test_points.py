"""Points are values: what is compared, and what no transport changes."""

from __future__ import annotations

import dataclasses

import pytest
from tidegauge_exporter_datadog.points import Count, Distribution, Gauge, Point

POINTS = (
    Count("model.requests", 3.0, ("model_name:fraud",), 10.0, 1_795_000_000.0),
    Gauge("model.accuracy", 0.9, ("model_name:fraud",), 1_795_000_000.0),
    Distribution("model.request.latency", (0.01,), (7,), (), 1_795_000_000.0),
)


@pytest.mark.parametrize("point", POINTS)
def test_a_point_stays_as_it_is(point: Point) -> None:
    """Both transports may hold one: neither can change it, and equal ones are equal."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        point.name = "other"  # type: ignore[misc]
    assert dataclasses.replace(point) == point
    assert len({*POINTS, dataclasses.replace(point)}) == len(POINTS)

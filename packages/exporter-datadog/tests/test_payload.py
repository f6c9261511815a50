"""What is posted: in the form that Datadog's own client has for it, and every value once."""

from __future__ import annotations

import json
import zlib
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tidegauge_exporter_datadog.payload import (
    DISTRIBUTIONS,
    EVENTS,
    SERIES,
    Parcel,
    halves,
    of_event,
    of_points,
)
from tidegauge_exporter_datadog.points import Count, Distribution, Gauge, Point
from tidegauge_exporter_datadog.transport import DatadogEvent
from tidegauge_testkit.datadog_intake import modelled

AT_S = 1_795_000_000.7
TAGS = ("model_name:fraud", "env:prod")
POINTS: list[Point] = [
    Count("model.requests", 3.0, TAGS, 9.98, AT_S),
    Gauge("drift.psi.value", 0.12, TAGS, AT_S),
    Distribution("model.request.latency", (0.001, 0.5), (3, 2), TAGS, AT_S),
]
SEEN = st.lists(st.tuples(st.floats(1e-6, 1e6), st.integers(1, 40)), min_size=1, max_size=30)


def body(parcel: Parcel) -> Any:
    """Return what a request holds."""
    return json.loads(zlib.decompress(parcel.body) if parcel.compressed else parcel.body)


def of(*points: Point, second: int = 1_795_000_000) -> list[Parcel]:
    """Return the requests of points."""
    return list(of_points(points, "box", second, 60.0))


def values(parcels: list[Parcel]) -> Counter[float]:
    """Count the values of all distributions."""
    return Counter(
        value
        for parcel in parcels
        for series in body(parcel)["series"]
        for _, seen in series["points"]
        for value in seen
    )


def test_counts_gauges_and_distributions_are_what_datadogs_models_take() -> None:
    """One request a kind, compressed, each series with its type, host and tags."""
    series, distributions = of(*POINTS)
    assert [SERIES, DISTRIBUTIONS] == [series.path, distributions.path]
    assert {
        "series": [
            {
                "metric": "model.requests", "type": "count", "interval": 10, "host": "box",
                "points": [[1_795_000_000, 3.0]], "tags": list(TAGS),
            },
            {
                "metric": "drift.psi.value", "type": "gauge", "host": "box",
                "points": [[1_795_000_000, 0.12]], "tags": list(TAGS),
            },
        ]
    } == body(series)  # fmt: skip
    assert {
        "series": [
            {
                "metric": "model.request.latency", "type": "distribution", "host": "box",
                "points": [[1_795_000_000, [0.001, 0.001, 0.001, 0.5, 0.5]]], "tags": list(TAGS),
            }
        ]
    } == body(distributions)  # fmt: skip
    for parcel in (series, distributions):
        modelled(parcel.path, body(parcel))


def test_the_models_refuse_what_the_api_would() -> None:
    """Otherwise the test above would pass on anything."""
    (parcel,) = of(POINTS[0])
    for key, value in (("points", [["now", 3.0]]), ("tags", "a:b"), ("color", "red")):
        found = body(parcel)
        found["series"][0][key] = value
        with pytest.raises(ValueError, match=r"Invalid type|got keys"):
            modelled(SERIES, found)
    event = body(of_event(DatadogEvent("t", "x", "loud", "k", (), AT_S), "box", 60.0))
    with pytest.raises(ValueError, match="not among those allowed"):
        modelled(EVENTS, event)
    with pytest.raises(ValueError, match="length"):
        modelled(EVENTS, {**event, "alert_type": "info", "aggregation_key": "k" * 101})


def test_an_event_is_what_datadogs_model_takes() -> None:
    """As it is, not compressed: the API takes no other."""
    event = DatadogEvent("t", "text\nof it", "warning", "key", TAGS, AT_S)
    parcel = of_event(event, "box", 60.0)
    assert (EVENTS, False) == (parcel.path, parcel.compressed)
    assert {
        "title": "t", "text": "text\nof it", "alert_type": "warning", "aggregation_key": "key",
        "date_happened": 1_795_000_000, "host": "box", "tags": list(TAGS),
    } == body(parcel)  # fmt: skip
    assert "warning" == str(modelled(EVENTS, body(parcel)).alert_type)


@settings(max_examples=50, deadline=None)
@given(SEEN)
def test_each_value_stands_there_as_often_as_it_was_seen(seen: list[tuple[float, int]]) -> None:
    """To six digits, which is more than a bucket knows."""
    point = Distribution("d", tuple(v for v, _ in seen), tuple(c for _, c in seen), (), AT_S)
    expected: Counter[float] = Counter()
    for value, count in seen:
        expected[float(f"{value:.6g}")] += count
    assert expected == values(of(point))


@settings(max_examples=50, deadline=None)
@given(SEEN, st.integers(0, 5))
def test_halves_hold_what_the_whole_held(seen: list[tuple[float, int]], gauges: int) -> None:
    """Cut until nothing can be cut any more: no value is lost, none is there twice."""
    point = Distribution("d", tuple(v for v, _ in seen), tuple(c for _, c in seen), (), AT_S)
    others = [Gauge(f"g{i}", float(i), (), AT_S) for i in range(gauges)]
    for points in ((point, Distribution("e", (7.0,), (3,), (), AT_S)), others):
        whole = of(*points)
        ends: list[Parcel] = []
        todo = list(whole)
        while todo:
            parcel = todo.pop()
            parts = halves(parcel)
            todo += parts
            ends += [] if parts else [parcel]
        assert all(len(body(end)["series"]) == 1 for end in ends)
        if points is others:
            assert {f"g{i}" for i in range(gauges)} == {
                body(end)["series"][0]["metric"] for end in ends
            }
            assert gauges == len(ends)
        else:
            assert values(whole) == values(ends)
            assert values(ends).total() == len(ends)


def test_an_event_is_not_cut() -> None:
    """Half a sentence helps nobody."""
    assert () == halves(of_event(DatadogEvent("t", "x", "info", "k", (), AT_S), "box", 60.0))


def test_a_million_values_are_several_requests_of_which_each_is_small() -> None:
    """Datadog takes 3.2 MB; the memory of what waits is that of what is sent."""
    parcels = of(Distribution("d", (0.25, 0.5), (600_000, 400_000), (), AT_S))
    assert {0.25: 600_000, 0.5: 400_000} == values(parcels)
    assert max(len(zlib.decompress(parcel.body)) for parcel in parcels) <= 2_100_000
    assert sum(parcel.size_bytes for parcel in parcels) < 100_000


def test_many_series_are_several_requests() -> None:
    """None is larger than Datadog takes before it is compressed."""
    points = [Gauge(f"gauge.{i}", 1.0, (f"feature:{'x' * 150}",), AT_S) for i in range(20_000)]
    parcels = of(*points)
    assert 20_000 == sum(len(body(parcel)["series"]) for parcel in parcels)
    assert 2 <= len(parcels) <= 4
    assert max(len(zlib.decompress(parcel.body)) for parcel in parcels) <= 2_100_000


def test_the_key_of_nobody_is_in_a_repr() -> None:
    """A body may be long and is nobody's business in a log."""
    (parcel,) = of(POINTS[0])
    assert "body" not in repr(parcel)


def test_a_count_of_a_moment_has_an_interval() -> None:
    """Datadog divides by it."""
    (parcel,) = of(Count("c", 1.0, (), 0.01, AT_S))
    assert 1 == body(parcel)["series"][0]["interval"]

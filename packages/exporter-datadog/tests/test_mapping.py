"""What a reader collects becomes points; what Datadog cannot take is left out and said once."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    InMemoryMetricReader,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.metrics.export import Gauge as GaugeData
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from tidegauge import guard
from tidegauge_exporter_datadog.exporter import DatadogExporter
from tidegauge_exporter_datadog.mapping import points
from tidegauge_exporter_datadog.points import Count, Distribution, Gauge, Point
from tidegauge_exporter_datadog.unified import UnifiedTags

NOW_S = 1_795_000_000.0
NOTHING = UnifiedTags()


def data(*metrics: Metric, resource: Mapping[str, str] | None = None) -> MetricsData:
    """Return what a reader hands over."""
    scopes = [ScopeMetrics(InstrumentationScope("app"), list(metrics), "")]
    return MetricsData([ResourceMetrics(Resource(resource or {}), scopes, "")])


def gauge(name: str, *values: float, **attributes: str) -> Metric:
    """Return a gauge of one point a value."""
    found = [NumberDataPoint(attributes, 0, int(NOW_S * 1e9), value) for value in values]
    return Metric(name, "", "", GaugeData(found))


def counter(value: float, temporality: AggregationTemporality, *, rises: bool = True) -> Metric:
    """Return a sum over the ten seconds before now."""
    end = int(NOW_S * 1e9)
    return Metric(
        "c", "", "", Sum([NumberDataPoint({}, end - 10**10, end, value)], temporality, rises)
    )


DELTA, CUMULATIVE = AggregationTemporality.DELTA, AggregationTemporality.CUMULATIVE


def collected(reader: InMemoryMetricReader) -> dict[str, list[Point]]:
    """Return the points of a real collection by name."""
    found: dict[str, list[Point]] = {}
    got = reader.get_metrics_data()
    assert got is not None
    for point in points(got, NOTHING, NOW_S):
        found.setdefault(point.name, []).append(point)
    return found


@pytest.fixture
def reader() -> InMemoryMetricReader:
    """Return a reader that prefers what the exporter prefers."""
    exporter: Any = DatadogExporter()
    return InMemoryMetricReader(exporter._preferred_temporality, exporter._preferred_aggregation)


def test_instruments_of_an_app(reader: InMemoryMetricReader) -> None:
    """Each kind comes out as what it is in Datadog, as the change since the last time."""

    def seats(_: CallbackOptions) -> Iterable[Observation]:
        yield Observation(7)

    def sold(_: CallbackOptions) -> Iterable[Observation]:
        yield Observation(100)

    meter = MeterProvider([reader]).get_meter("app")
    meter.create_observable_gauge("seats", [seats])
    meter.create_observable_counter("sold", [sold])
    queue = meter.create_up_down_counter("queue")
    hits = meter.create_counter("hits")
    sizes = meter.create_histogram("sizes")
    for _ in range(2):
        hits.add(2, {"route": "/a,b"})
        queue.add(3)
        sizes.record(5.0)
        found = collected(reader)
    (one,) = found["hits"]
    assert isinstance(one, Count)
    assert (2.0, ("route:/a_b",)) == (one.value, one.tags)
    assert 0 < one.interval_s < 60
    assert [Gauge("queue", 6.0, (), one.at_s)] == found["queue"]
    assert [Gauge("seats", 7.0, (), one.at_s)] == found["seats"]
    assert "sold" not in found, "it did not grow"
    (size,) = found["sizes"]
    assert isinstance(size, Distribution)
    assert (1,) == size.counts
    assert pytest.approx(5.0, rel=0.006) == size.values[0]


def test_six_orders_of_magnitude_stay_fine(reader: InMemoryMetricReader) -> None:
    """The buckets of an app's histograms do not widen where it has fast and slow calls."""
    sizes = MeterProvider([reader]).get_meter("app").create_histogram("sizes")
    wanted = [1e-5 * 10 ** (number / 20) for number in range(121)]
    for value in wanted:
        sizes.record(value)
    (found,) = collected(reader)["sizes"]
    assert isinstance(found, Distribution)
    assert [1] * len(wanted) == list(found.counts)
    assert wanted == [pytest.approx(value, rel=0.006) for value in found.values]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_left_out(value: float, caplog: pytest.LogCaptureFixture) -> None:
    """Counted each time, said once, and the rest goes."""
    for _ in range(2):
        found = points(data(gauge("a", value), gauge("b", 1.0)), NOTHING, NOW_S)
        assert ["b"] == [point.name for point in found]
    (record,) = caplog.records
    assert (
        f"metric 'a': got {value}; expected a number. It is left out, and so are others like it. "
        "Let its callback return nothing where there is no value."
    ) == record.getMessage()
    assert {"datadog.not_finite": 2} == guard.counts()


def test_cumulative_counts_are_left_out(caplog: pytest.LogCaptureFixture) -> None:
    """Sent as they are they would be added up again and again."""
    found = points(data(counter(5, CUMULATIVE), gauge("b", 1.0)), NOTHING, NOW_S)
    assert ["b"] == [point.name for point in found]
    assert [logging.WARNING] == [record.levelno for record in caplog.records]
    assert "expected" not in caplog.text
    assert (
        "metric 'c' of scope 'app': ValueError: cumulative temporality; Datadog needs delta values."
        in caplog.text
    )


def test_a_sum_that_may_fall_is_a_gauge() -> None:
    """What it stands at is what is shown."""
    (found,) = points(data(counter(-5, CUMULATIVE, rises=False)), NOTHING, NOW_S)
    assert Gauge("c", -5.0, (), NOW_S) == found


def test_a_count_says_over_which_time() -> None:
    """Without an Agent, Datadog wants to know."""
    assert [Count("c", 5.0, (), 10.0, NOW_S)] == points(data(counter(5, DELTA)), NOTHING, NOW_S)


def test_no_point_is_in_the_future() -> None:
    """Datadog drops what is; a clock that was set back would hide everything for as long."""
    (found,) = points(data(gauge("a", 1.0)), NOTHING, NOW_S - 7200)
    assert NOW_S - 7200 == found.at_s


def test_gauges_that_become_one_are_said(caplog: pytest.LogCaptureFixture) -> None:
    """Of two features whose names differ in what Datadog does not take, the first is shown."""
    metrics = (gauge("a", 1.0, feature="age (y)"), gauge("a", 2.0, feature="age [y]"))
    assert [Gauge("a", 1.0, ("feature:age_y_",), NOW_S)] == points(data(*metrics), NOTHING, NOW_S)
    assert "two gauges become one in Datadog" in caplog.text


def test_a_name_of_which_nothing_is_left_is_said(caplog: pytest.LogCaptureFixture) -> None:
    """And the others go."""
    found = points(data(gauge("日本", 1.0), gauge("b", 1.0)), NOTHING, NOW_S)
    assert ["b"] == [point.name for point in found]
    assert "metric name: got '日本'; expected a letter in it. Rename the metric." in caplog.text


RESOURCE = {
    "service.name": "scoring",
    "service.version": "1.4",
    "deployment.environment.name": "prod",
    "host.name": "box",
}


@pytest.mark.parametrize(
    ("unified", "resource", "expected"),
    [
        (UnifiedTags(), RESOURCE, ("env:prod", "service:scoring", "version:1.4")),
        (UnifiedTags(), {"deployment.environment": "old"}, ("env:old",)),
        (UnifiedTags(), {"service.name": "unknown_service:python"}, ()),
        (
            UnifiedTags("dev", "risk", "2", ("team:risk",)),
            RESOURCE,
            ("team:risk", "env:dev", "service:risk", "version:2"),
        ),
        (
            UnifiedTags(tags=("env:tagged",)),
            RESOURCE,
            ("env:tagged", "service:scoring", "version:1.4"),
        ),
    ],
)
def test_unified_service_tags(
    unified: UnifiedTags, resource: Mapping[str, str], expected: tuple[str, ...]
) -> None:
    """Datadog's settings first, else what OpenTelemetry knows of the service."""
    (found,) = points(data(gauge("a", 1.0), resource=resource), unified, NOW_S)
    assert expected == found.tags


def test_a_points_own_tag_goes_before_the_users() -> None:
    """A key has one value."""
    unified = UnifiedTags(tags=("feature:all", "team:risk"))
    (found,) = points(data(gauge("a", 1.0, feature="age")), unified, NOW_S)
    assert ("feature:age", "team:risk") == found.tags

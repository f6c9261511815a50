"""Our counts in OpenTelemetry's data model, for every kind of reader."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    ExponentialHistogramDataPoint,
    HistogramDataPoint,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
)
from opentelemetry.sdk.resources import Resource
from tidegauge import guard
from tidegauge.batch import CountPoint, GaugePoint
from tidegauge.channel import Channel, Trace
from tidegauge.info import ModelInfo
from tidegauge.producer import Producer, with_group, with_produced
from tidegauge.request import Request
from tidegauge.runtime import shared
from tidegauge.snapshot import take
from tidegauge_semconv import all_metrics, metrics

DELTA, CUMULATIVE = AggregationTemporality.DELTA, AggregationTemporality.CUMULATIVE
INFO = ModelInfo("f", "C", "m", "1")


def points(scope: Any) -> dict[tuple[Any, ...], Any]:
    """Return a scope's data points by metric and attributes."""
    if scope is None:
        return {}
    return {
        (metric.name, *point.attributes.values()): point
        for metric in scope.metrics
        for point in metric.data.data_points
    }


def record(core: Any, seconds: float, value: float, **more: Any) -> None:
    """Record one call of model ``m``, with the latency that the test says."""
    operation = more.get("operation", "predict")
    channel: Channel = shared.channels.get(core.key, operation, INFO)
    output = take(np.array([[value]]), 0, 1)
    channel.append(
        (core.clock(), seconds, 1, more.get("failure"), None, output, 1, more.get("trace"))
    )


@pytest.fixture
def core(core: Any) -> Any:
    """Provide a core with the key of its one model."""
    from tidegauge.batch import ModelKey

    core.key = ModelKey("m", "1")
    return core


def totals(point: Any) -> Any:
    """Return what adds up over the intervals of a delta reader."""
    if isinstance(point, NumberDataPoint):
        return Counter(value=int(point.value))
    found: Counter[Any] = Counter(count=point.count)
    if isinstance(point, ExponentialHistogramDataPoint):
        found["zero"] = point.zero_count
        for i, number in enumerate(point.positive.bucket_counts):
            found[point.positive.offset + i] = number
    else:
        found.update(dict(enumerate(point.bucket_counts)))
    return +found


CALL = st.tuples(
    st.just("call"),
    st.sampled_from([0.0, 0.0003, 0.002, 0.7, 3.0, 30.0]),
    st.sampled_from([-5.5, 0.25, 3.0]),
    st.sampled_from([None, None, "KeyError", "<cancelled>"]),
    st.sampled_from(["predict", "predict", "decision_function"]),
)
STEP = (
    CALL
    | st.tuples(st.just("collect"), st.integers(0, 3))
    | st.tuples(st.just("clock"), st.sampled_from([-3600.0, -1.0, 0.5, 10.0, 3600.0]))
)


class Reading:
    """One reader: what it has been told, and that its times are in order."""

    def __init__(self, **more: Any) -> None:
        self.producer = Producer(**more)
        self.sums: dict[Any, Counter[Any]] = {}
        self._deltas = {
            kind: more.get(keyword) is DELTA
            for kind, keyword in ((NumberDataPoint, "sums"), (HistogramDataPoint, "histograms"))
        }
        self._starts: dict[Any, int] = {}
        self._end = 0

    def collect(self) -> None:
        """Collect once."""
        found = points(self.producer.produce())
        for key, point in found.items():
            assert self._end <= point.time_unix_nano
            assert point.start_time_unix_nano <= point.time_unix_nano
            if self._deltas[NumberDataPoint if "value" in vars(point) else HistogramDataPoint]:
                assert self._end <= point.start_time_unix_nano  # later after an idle interval
                self.sums[key] = self.sums.get(key, Counter()) + totals(point)
            else:
                start = self._starts.setdefault(key, point.start_time_unix_nano)
                assert start == point.start_time_unix_nano
                self.sums[key] = totals(point)
        ends = {point.time_unix_nano for point in found.values()}
        assert len(ends) <= 1
        self._end = max(ends, default=self._end)

    def told(self) -> dict[Any, Counter[Any]]:
        """Return the sums, without what is counted while collecting."""
        return {k: v for k, v in self.sums.items() if k[0] != metrics.TIDEGAUGE_ERRORS.name}


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(STEP, max_size=40))
def test_deltas_add_up_to_the_cumulative(core: Any, steps: list[Any]) -> None:
    """Whatever the order of calls and collections, and wherever the clock goes.

    Each reader has its own baseline. Times never run backwards, and an interval begins where the
    one before it has ended.
    """
    core.use([])
    shared.channels = type(shared.channels)()
    guard.reset()
    record(core, 0.1, 1.0)  # predict is the higher operation: its values stand from the start
    readings = [
        Reading(),
        Reading(sums=DELTA, histograms=DELTA),
        Reading(sums=DELTA, histograms=CUMULATIVE),
        Reading(sums=DELTA, histograms=DELTA, exponential=True),
    ]
    for step in [*steps, *(("collect", i) for i in range(4))]:
        if step[0] == "call":
            record(core, step[1], step[2], failure=step[3], operation=step[4])
        elif step[0] == "clock":
            core.clock.now_s += step[1]
        else:
            readings[step[1]].collect()
    expected = readings[0].told()
    assert expected == readings[1].told() == readings[2].told()
    exponential = readings[3].told()
    for key, value in expected.items():
        if key[0] == metrics.MODEL_REQUEST_LATENCY.name:
            assert value["count"] == exponential[key].total() - exponential[key]["count"]
            assert value["count"] == exponential[key]["count"]
        else:
            assert value == exponential[key]


def test_nothing_recorded_is_nothing_produced(core: Any) -> None:
    """No series before the first model."""
    assert Producer().produce() is None


def test_every_point_has_its_metrics_attributes(core: Any) -> None:
    """Name, kind, unit, text and attributes are those of the specification."""
    record(core, 0.1, 1.0)
    record(core, 0.1, 1.0, failure="KeyError")
    guard.fault("x")
    core.recorder.gauges = [GaugePoint(metrics.DRIFT_PSI_VALUE, ("m", "1", "r", "f", "w"), 0.5)]
    specs = {spec.name: spec for spec in all_metrics()}
    scope = Producer().produce()
    assert scope is not None
    assert ("tidegauge", 9) == (scope.scope.name, len(scope.metrics))
    for metric in scope.metrics:
        spec = specs[metric.name]
        assert (spec.unit, spec.description) == (metric.unit, metric.description)
        for point in metric.data.data_points:
            found = dict(point.attributes or {})
            assert spec.attributes == tuple(found)
            assert {str} == set(map(type, found.values()))


def test_what_became_of_the_rows_is_exported(core: Any) -> None:
    """Seen, used and dropped, each its own number."""
    record(core, 0.1, 1.0)
    channel = shared.channels.get(core.key, "predict", INFO)
    for rows in (np.ones((2, 3)), np.ones((3, 3))):
        channel.append((core.clock(), 0.1, len(rows), None, take(rows, 0, 1), None, 1, None))
    found = points(Producer().produce())
    expected = {"seen": 6, "used": 5, "dropped": 1}
    assert expected == {s: found["tidegauge.rows", "m", "1", s].value for s in expected}


def test_success_and_error_begin_at_zero(core: Any) -> None:
    """With the model, so that a rate sees the first error."""
    shared.channels.get(core.key, "predict", INFO)
    found = points(Producer().produce())
    for status in ("success", "error"):
        assert 0 == found["model.requests", "m", "1", "predict", status].value
    latency = found["model.request.latency", "m", "1", "predict"]
    assert (0, None, None) == (latency.count, latency.min, latency.max)


def test_an_idle_delta_reader_repeats_nothing(core: Any) -> None:
    """A series without change has no point."""
    producer = Producer(sums=DELTA, histograms=DELTA)
    record(core, 0.1, 1.0)
    assert producer.produce() is not None
    assert producer.produce() is None


def test_extremes_of_a_delta_are_unset(core: Any) -> None:
    """They are not known of the interval, and unset is the truth; all readers take that."""
    otlp = pytest.importorskip("opentelemetry.exporter.otlp.proto.common.metrics_encoder")
    record(core, 0.5, 1.0)
    for producer in (
        Producer(histograms=DELTA),
        Producer(histograms=DELTA, exponential=True),
        Producer(),
    ):
        scope = producer.produce()
        assert scope is not None
        latency = points(scope)["model.request.latency", "m", "1", "predict"]
        known = producer._histograms is CUMULATIVE
        assert ((0.5, 0.5) if known else (None, None)) == (latency.min, latency.max)
        data = MetricsData([ResourceMetrics(Resource({}), [scope], "")])
        assert "resource_metrics" in data.to_json()
        encoded = otlp.encode_metrics(data)
        (metric,) = [
            m
            for m in encoded.resource_metrics[0].scope_metrics[0].metrics
            if m.name == "model.request.latency"
        ]
        kind = "exponential_histogram" if producer._exponential else "histogram"
        (point,) = getattr(metric, kind).data_points
        assert known == point.HasField("max") == point.HasField("min")
        assert (1, 0.5) == (point.count, point.sum)


def test_negative_values_have_a_negative_sum(core: Any) -> None:
    """OpenTelemetry's own instrument would refuse them."""
    for value in (-5.5, -0.25, 0.5):
        record(core, 0.1, value)
    value = points(Producer().produce())["model.prediction.value", "m", "1", ""]
    assert isinstance(value, HistogramDataPoint)
    assert (3, -5.25, -5.5, 0.5) == (value.count, value.sum, value.min, value.max)


def test_the_exponential_form_holds_every_value(core: Any) -> None:
    """Each latency lies in a bucket of its own ratio; zero has its own count."""
    draw = random.Random(5)
    values = [draw.lognormvariate(-5, 2) for _ in range(500)]
    for value in [*values, 0.0]:
        record(core, value, 1.0)
    found = points(Producer(exponential=True).produce())
    point = found["model.request.latency", "m", "1", "predict"]
    assert isinstance(point, ExponentialHistogramDataPoint)
    base = 2**2 ** -float(point.scale)
    assert (501, 1) == (point.count, point.zero_count)
    assert 500 == sum(point.positive.bucket_counts)
    for i, number in enumerate(point.positive.bucket_counts, point.positive.offset):
        assert number == sum(base**i < value <= base ** (i + 1) for value in values)
    # What has no fine form stays explicit.
    assert isinstance(found["model.prediction.value", "m", "1", ""], HistogramDataPoint)


@pytest.mark.parametrize("pause_s", [0.0, 10.0])
def test_values_that_start_anew_are_no_negative_change(core: Any, pause_s: float) -> None:
    """With a higher operation the old values are gone: the new ones begin later, from zero."""
    delta, cumulative = Producer(histograms=DELTA), Producer()
    key = ("model.prediction.value", "m", "1", "")
    for _ in range(5):
        record(core, 0.1, 1.0, operation="decision_function")
    first = points(cumulative.produce())[key]
    points(delta.produce())
    core.clock.now_s += pause_s
    record(core, 0.1, 2.0, operation="predict")
    core.pipeline.flush()
    core.clock.now_s += 10.0
    changed, whole = points(delta.produce())[key], points(cumulative.produce())[key]
    assert (1, 2.0) == (changed.count, changed.sum) == (whole.count, whole.sum)
    assert min(changed.bucket_counts) >= 0
    assert first.start_time_unix_nano < whole.start_time_unix_nano <= whole.time_unix_nano
    record(core, 0.1, 3.0, operation="predict")
    changed = points(delta.produce())[key]
    assert (1, 3.0) == (changed.count, changed.sum)


def test_an_exemplar_of_a_request_has_no_ids_of_a_span(core: Any) -> None:
    """Ids of zeros are invalid: the exemplar has route and request id, and no more."""
    record(core, 0.5, 1.0, trace=Trace(0, 0, "", Request("/r/{i}", "r-1")))
    key = ("model.request.latency", "m", "1", "predict")
    (exemplar,) = points(Producer().produce())[key].exemplars
    assert (None, None) == (exemplar.trace_id, exemplar.span_id)
    assert {"http_route": "/r/{i}", "request_id": "r-1"} == exemplar.filtered_attributes


def test_an_exemplar_is_exported_once_to_a_delta_reader(core: Any) -> None:
    """With its trace; a cumulative reader shows it as long as it stands."""
    delta, cumulative = Producer(histograms=DELTA), Producer()
    key = ("model.request.latency", "m", "1", "predict")
    record(core, 0.5, 1.0, trace=Trace(0xABC, 0xDEF, "p-1"))
    for producer, later in ((delta, 0), (cumulative, 1)):
        (exemplar,) = points(producer.produce())[key].exemplars
        assert (0.5, 0xABC, 0xDEF) == (exemplar.value, exemplar.trace_id, exemplar.span_id)
        assert {"prediction_id": "p-1"} == exemplar.filtered_attributes
        record(core, 0.6, 1.0)
        assert later == len(points(producer.produce())[key].exemplars)


def test_gauges_are_shown_as_they_stand(core: Any) -> None:
    """To every reader, each time; a gauge that is gone is gone."""
    core.recorder.gauges = [GaugePoint(metrics.DRIFT_PSI_VALUE, ("m", "1", "r", "f", "w"), 0.5)]
    producer = Producer(sums=DELTA, histograms=DELTA)
    key = ("drift.psi.value", "m", "1", "r", "f", "w")
    assert [0.5, 0.5] == [points(producer.produce())[key].value for _ in range(2)]
    core.recorder.gauges = []
    assert producer.produce() is None


def test_a_processors_count_is_a_sum(core: Any) -> None:
    """Whole or as the change, as the reader has the requests; begun anew it is counted whole."""
    key, start = ("tidegauge.rows", "m", "1", "binned"), core.clock()

    def count(value: float, start_s: float) -> None:
        core.recorder.gauges = [CountPoint(metrics.TIDEGAUGE_ROWS, key[1:], value, start_s)]

    whole, change = Producer(), Producer(sums=DELTA, histograms=DELTA)
    seen = []
    starts = set()
    for value, start_s in ((5, start), (7, start), (7, start), (2, start + 20)):
        core.clock.now_s += 10.0
        count(value, start_s)
        found = [points(producer.produce()).get(key) for producer in (whole, change)]
        seen.append([point and point.value for point in found])
        starts.add(getattr(found[0], "start_time_unix_nano", None))
    assert {int(start * 1e9), int((start + 20) * 1e9)} == starts
    assert [[5, 5], [7, 2], [7, None], [2, 2]] == seen
    (metric,) = whole.produce().metrics  # type: ignore[union-attr]
    assert metric.data.is_monotonic  # type: ignore[union-attr]


def test_a_clock_that_is_set_back_between_collections(core: Any) -> None:
    """No point is older than the one before it."""
    record(core, 0.1, 1.0)
    producer = Producer()
    core.clock.now_s += 100.0
    first = {p.time_unix_nano for p in points(producer.produce()).values()}
    core.clock.now_s -= 50.0
    assert first == {p.time_unix_nano for p in points(producer.produce()).values()}


def test_a_clock_that_is_set_back_before_the_first_collection(core: Any) -> None:
    """The start stays the start."""
    record(core, 0.1, 1.0)
    producer = Producer()
    core.clock.now_s -= 3600
    first = points(producer.produce())
    core.clock.now_s += 7200
    second = points(producer.produce())
    starts = {p.start_time_unix_nano for p in [*first.values(), *second.values()]}
    assert 1 == len(starts)


def test_ours_join_the_providers_metrics() -> None:
    """Under its resource; without any of its own, under the resource that it would have."""
    from opentelemetry.sdk.metrics.export import ScopeMetrics
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

    def scope(name: str) -> ScopeMetrics:
        return ScopeMetrics(InstrumentationScope(name), [], "")

    ours, app = scope("tidegauge"), scope("app")
    resource, other = Resource({"service.name": "a"}), Resource({"service.name": "b"})
    data = MetricsData([ResourceMetrics(resource, [app], "url"), ResourceMetrics(other, [app], "")])
    joined = with_produced(data, ours, None).resource_metrics
    assert [[app, ours], [app]] == [part.scope_metrics for part in joined]
    assert (resource, "url") == (joined[0].resource, joined[0].schema_url)
    assert [app] == data.resource_metrics[0].scope_metrics  # the provider's own is as it was
    for empty in (None, MetricsData([])):
        (alone,) = with_produced(empty, ours, resource).resource_metrics
        assert (resource, [ours]) == (alone.resource, alone.scope_metrics)
    (alone,) = with_produced(None, ours, None).resource_metrics
    assert isinstance(alone.resource, Resource)


def test_a_group_is_an_instance_of_the_service(core: Any) -> None:
    """Its resource is the provider's but for the instance; where none is known, the process's."""
    record(core, 0.1, 1.0)
    ours = Producer().produce()
    assert ours is not None
    mine = Resource({"service.name": "shop", "service.instance.id": "worker"})
    theirs = MetricsData([ResourceMetrics(mine, [], "")])
    for data, resource, name in (
        (None, mine, "shop"),
        (theirs, None, "shop"),
        (None, None, Resource.create().attributes["service.name"]),
    ):
        *others, own = with_group(data, ours, resource, "group").resource_metrics
        assert others == ([] if data is None else theirs.resource_metrics)
        assert own.scope_metrics == [ours]
        assert (name, "group") == tuple(
            own.resource.attributes[key] for key in ("service.name", "service.instance.id")
        )

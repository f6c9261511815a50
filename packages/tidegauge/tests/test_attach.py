"""Joining any MeterProvider: all its readers, now and later, and nothing of it is lost."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from opentelemetry import metrics as api
from opentelemetry.sdk import metrics as sdk
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    InMemoryMetricReader,
    MetricExporter,
    MetricExportResult,
    MetricReader,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation
from opentelemetry.sdk.resources import Resource
from tidegauge import attach, group, guard, otel_private
from tidegauge.attach import attach_global, attach_reader

ROW = np.ones((1, 3))
REQUESTS = "model.requests"
DELTA: dict[type, Any] = dict.fromkeys((sdk.Counter, sdk.Histogram), AggregationTemporality.DELTA)

Make = Callable[..., sdk.MeterProvider]


@pytest.fixture
def provider() -> Iterator[Make]:
    """Make providers; shut them down at the end."""
    made: list[sdk.MeterProvider] = []

    def make(*readers: MetricReader, **more: Any) -> sdk.MeterProvider:
        made.append(sdk.MeterProvider(list(readers), shutdown_on_exit=False, **more))
        return made[-1]

    yield make
    for found in made:
        found.shutdown()


@pytest.fixture
def model(core: Any) -> Any:
    """Provide a watched model that has predicted once."""
    model = core.model()
    model.predict(ROW)
    return model


def read(reader: InMemoryMetricReader) -> dict[str, dict[tuple[Any, ...], Any]]:
    """Return what a reader sees, by metric."""
    data = reader.get_metrics_data()
    if data is None:
        return {}
    return {
        metric.name: {tuple((p.attributes or {}).values()): p for p in metric.data.data_points}
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }


def requests(reader: InMemoryMetricReader) -> int | float | None:
    """Return the successful requests that a reader sees."""
    found = read(reader).get(REQUESTS, {})
    return next((p.value for a, p in found.items() if a[-1] == "success"), None)


def test_two_providers_in_one_process(provider: Make, model: Any) -> None:
    """Each has all of ours, and its own app's instruments alone."""
    readers = [InMemoryMetricReader(), InMemoryMetricReader()]
    for i, reader in enumerate(readers):
        made = provider(reader)
        assert attach(made)
        made.get_meter("app").create_counter(f"app{i}").add(i + 1)
    model.predict(ROW)
    found = [read(reader) for reader in readers]
    assert [2, 2] == [requests(reader) for reader in readers]
    assert [1] == [p.value for p in found[0]["app0"].values()]
    assert [2] == [p.value for p in found[1]["app1"].values()]
    assert ("app1" in found[0], "app0" in found[1]) == (False, False)


def test_attaching_twice_is_attaching_once(provider: Make, model: Any) -> None:
    """However often, and by whichever way."""
    reader = InMemoryMetricReader()
    made = provider(reader)
    for _ in range(3):
        assert attach(made)
        attach_reader(reader)
    made.get_meter("app").create_counter("app").add(1)
    data = reader.get_metrics_data()
    assert data is not None
    scopes = [s.scope.name for s in data.resource_metrics[0].scope_metrics]
    assert ["app", "tidegauge"] == scopes


@pytest.mark.skipif(
    not hasattr(sdk.MeterProvider, "add_metric_reader"), reason="this SDK adds no readers later"
)
def test_a_reader_that_is_added_later(provider: Make, model: Any) -> None:
    """It sees all that was recorded, ours from the beginning."""
    made = provider(InMemoryMetricReader())
    attach(made)
    add = made.add_metric_reader
    attach(made)
    assert made.add_metric_reader is add
    late = InMemoryMetricReader()
    made.add_metric_reader(late)
    assert 1 == requests(late)


def test_delta_and_cumulative_readers_side_by_side(provider: Make, model: Any) -> None:
    """Each has the temporality and the form of histograms that it prefers."""
    cumulative = InMemoryMetricReader()
    delta = InMemoryMetricReader(
        preferred_temporality=DELTA,
        preferred_aggregation={sdk.Histogram: ExponentialBucketHistogramAggregation()},
    )
    attach(provider(cumulative, delta))
    assert (1, 1) == (requests(cumulative), requests(delta))
    model.predict(ROW)
    model.predict(ROW)
    assert (3, 2, None) == (requests(cumulative), requests(delta), requests(delta))
    model.predict(ROW)
    kinds = [
        type(next(iter(read(reader)["model.request.latency"].values()))).__name__
        for reader in (cumulative, delta)
    ]
    assert ["HistogramDataPoint", "ExponentialHistogramDataPoint"] == kinds


def test_without_anything_of_ours_the_providers_data_is_passed_on(
    core: Any, provider: Make
) -> None:
    """The very object that it returned, nothing where it has nothing."""
    reader = InMemoryMetricReader()
    made = provider(reader)
    original = otel_private.collect_callback(reader)
    assert original is not None
    attach(made)
    assert reader.get_metrics_data() is None
    given: list[Any] = []

    def collect(*args: Any, **kwargs: Any) -> Any:
        given.append(original(*args, **kwargs))
        return given[-1]

    otel_private.set_collect_callback(reader, collect)
    attach_reader(reader)
    made.get_meter("app").create_counter("app").add(1)
    assert reader.get_metrics_data() is given[-1]


def test_ours_alone_have_the_providers_resource(provider: Make, model: Any) -> None:
    """As it is at each collection: it changes at a fork."""
    reader = InMemoryMetricReader()
    made = provider(reader, resource=Resource({"service.name": "shop"}))
    attach(made)

    def resource() -> Any:
        data = reader.get_metrics_data()
        assert data is not None
        return data.resource_metrics[0].resource.attributes["service.name"]

    assert "shop" == resource()
    made._measurement_consumer._sdk_config.resource = Resource({"service.name": "child"})
    assert "child" == resource()


class Kept(MetricExporter):
    """Keeps what a periodic reader exports."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[Any] = []

    def export(self, metrics_data: Any, timeout_millis: float = 0, **_: Any) -> Any:
        """Keep it."""
        self.batches.append(metrics_data)
        return MetricExportResult.SUCCESS

    def force_flush(self, timeout_millis: float = 0) -> bool:
        """Do nothing."""
        return True

    def shutdown(self, timeout_millis: float = 0, **_: Any) -> None:
        """Do nothing."""

    def names(self) -> list[set[str]]:
        """Return the metrics of each export."""
        return [
            {m.name for s in b.resource_metrics[0].scope_metrics for m in s.metrics}
            for b in list(self.batches)
        ]


def test_a_fault_of_ours_does_not_end_a_periodic_reader(
    provider: Make,
    model: Any,
    until: Callable[[Callable[[], object]], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its thread goes on with the app's own instruments; when we are well again, with ours."""
    exporter = Kept()
    made = provider(PeriodicExportingMetricReader(exporter, export_interval_millis=10))
    made.get_meter("app").create_counter("app").add(1)
    attach(made)
    until(lambda: {"app", REQUESTS} <= set().union(*exporter.names()))

    def boom(_: object) -> None:
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr("tidegauge.standing.of_tally", boom)
        until(lambda: guard.counts().get("producer:RuntimeError", 0) >= 3)
        until(lambda: exporter.names()[-1] == {"app"})
    until(lambda: {"app", REQUESTS} <= exporter.names()[-1])


def test_a_fault_of_the_provider_costs_its_own_metrics_alone(
    provider: Make,
    model: Any,
    until: Callable[[Callable[[], object]], None],
    warnings_of: Callable[[], list[str]],
) -> None:
    """Ours are exported, the fault is said once and counted each time."""
    exporter = Kept()
    reader = PeriodicExportingMetricReader(exporter, export_interval_millis=10)
    made = provider(reader)
    original = otel_private.collect_callback(reader)
    assert original is not None
    broken = threading.Event()
    broken.set()

    def collect(*args: Any, **kwargs: Any) -> Any:
        if broken.is_set():
            raise ZeroDivisionError
        return original(*args, **kwargs)

    otel_private.set_collect_callback(reader, collect)
    made.get_meter("app").create_counter("app").add(1)
    attach(made)
    cause = "attach.provider:ZeroDivisionError"
    until(lambda: guard.counts().get(cause, 0) >= 3 and len(exporter.batches) >= 3)
    assert all(REQUESTS in names and "app" not in names for names in exporter.names()[:3])
    assert [
        "The MeterProvider's own metrics could not be collected (ZeroDivisionError): this export "
        "holds Tidegauge's alone. Look at the app's readers, views and observable instruments."
    ] == warnings_of()
    broken.clear()
    until(lambda: {"app", REQUESTS} <= exporter.names()[-1])


@pytest.mark.parametrize(
    "other", [api.NoOpMeterProvider(), api.get_meter_provider, object(), None, "text"]
)
def test_what_is_not_the_sdks_provider_cannot_be_attached_to(other: object) -> None:
    """It says so, and raises nothing."""
    assert not attach(other)


def test_there_is_no_global_provider_yet(core: Any) -> None:
    """The proxy that stands for it is none to attach to."""
    assert not attach_global()
    assert {} == guard.counts()


def test_a_reader_without_a_provider_is_left_alone() -> None:
    """It has no callback that could be wrapped."""
    reader = InMemoryMetricReader()
    attach_reader(reader)
    assert otel_private.collect_callback(reader) is None


def test_a_fault_while_attaching_is_ours(core: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The background thread lives on."""

    def boom() -> None:
        raise RuntimeError

    # The module: ``tidegauge.attach`` itself is the function.
    monkeypatch.setattr(sys.modules["tidegauge.attach"], "get_meter_provider", boom)
    assert not attach_global()
    assert {"attach.global:RuntimeError": 1} == guard.counts()


def test_the_global_provider_is_found_whenever_it_is_set(python: Callable[..., Any]) -> None:
    """After the first predictions too; at the end all of them are in the export."""
    done = python(
        """
import time
import tidegauge
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
model = tidegauge.Model("m")
def predict():
    with model.prediction([1.0]) as p:
        p.output = 1.0
predict()
reader = InMemoryMetricReader()
metrics.set_meter_provider(MeterProvider([reader]))
deadline = time.monotonic() + 20
while reader.get_metrics_data() is None and time.monotonic() < deadline:
    predict()
    time.sleep(0.01)
data = reader.get_metrics_data().resource_metrics[0].scope_metrics[-1]
print(data.scope.name, *(m.name for m in data.metrics if m.name == "model.cancelled"))
"""
    )
    assert ("tidegauge model.cancelled\n", "") == (done.stdout, done.stderr)


def test_an_sdk_that_keeps_its_readers_elsewhere(core: Any) -> None:
    """Old ones hold them in their configuration."""

    class Config:
        metric_readers = ("a", "b")

    class Old:
        _sdk_config = Config()

    assert ("a", "b") == otel_private.readers(Old())


def test_whether_instruments_are_asked_is_known(provider: Make) -> None:
    """Who collects more often than the app's exporters do spares its callbacks; unknown is yes."""
    reader = InMemoryMetricReader()
    made = provider(reader)
    callback = otel_private.collect_callback(reader)
    assert otel_private.has_callbacks(callback) is False
    made.get_meter("opentelemetry-sdk").create_observable_gauge("its.own", [lambda _: []])
    assert otel_private.has_callbacks(callback) is False
    made.get_meter("app").create_observable_gauge("g", [lambda _: []])
    assert otel_private.has_callbacks(callback) is True
    assert otel_private.has_callbacks(None) is True


def test_a_provider_that_is_not_the_global_one_is_listening(
    core: Any,
    provider: Make,
    warnings_of: Callable[[], list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever has attached to one of the app's own is told nothing."""
    monkeypatch.setattr("tidegauge.pipeline.attach_global", lambda: False)
    monkeypatch.setattr(group.current(), "attached", False)
    assert attach(provider(InMemoryMetricReader()))
    model = core.model()
    for _ in range(100):
        model.predict(ROW)
    core.pipeline.flush()
    core.pipeline._attach()
    assert [] == warnings_of()

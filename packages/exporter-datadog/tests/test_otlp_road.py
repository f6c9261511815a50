"""The other road to Datadog's Agent, OTLP: what arrives is what arrives by DogStatsD."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tidegauge
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from tidegauge import pipeline
from tidegauge_exporter_datadog import DatadogExporter
from tidegauge_semconv import Kind, all_metrics, metrics
from tidegauge_testkit.backends import TestAgent, wait_until
from tidegauge_testkit.backends.dogstatsd_server import DogStatsDServer, quantile

pytestmark = pytest.mark.backends

SOON_S = 60.0
NEVER_MS = 3_600_000
CALLS = 40
REQUESTS = metrics.MODEL_REQUESTS.name
SPECS = {spec.name: spec for spec in all_metrics()}
TYPES = {
    Kind.COUNTER: "count",
    Kind.GAUGE: "gauge",
    Kind.HISTOGRAM: "distribution",
    Kind.UPDOWN: "gauge",
}
# The two exporters look at the process one after the other.
OF_PROCESS = metrics.PROCESS_CPU_TIME.name
OF_APP = {"app.level": "gauge", "app.hits": "count"}
# As Datadog's Agent makes tags of a resource.
OF_RESOURCE = {
    "service.name": "service",
    "deployment.environment.name": "env",
    "service.version": "version",
}


@pytest.fixture(scope="module")
def otlp_agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestAgent]:
    """Start Datadog's own test agent, which takes OTLP."""
    with TestAgent(tmp_path_factory.mktemp("otlp")) as started:
        yield started


@pytest.fixture
def dogstatsd_agent(tmp_path: Path) -> Iterator[DogStatsDServer]:
    """Start what takes DogStatsD, strictly."""
    with DogStatsDServer("unix", tmp_path) as started:
        yield started


@pytest.fixture
def both(
    otlp_agent: TestAgent, dogstatsd_agent: DogStatsDServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[MeterProvider]:
    """Return a provider that exports both ways, as the how-to page sets them up."""
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter

    monkeypatch.setenv("DD_DOGSTATSD_URL", dogstatsd_agent.url)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta")
    monkeypatch.setenv(
        "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
        "base2_exponential_bucket_histogram",
    )
    readers = [
        PeriodicExportingMetricReader(exporter, export_interval_millis=NEVER_MS)
        for exporter in (
            DatadogExporter(),
            OTLPMetricExporter(endpoint=f"{otlp_agent.http_url}/v1/metrics"),
        )
    ]
    resource = Resource(
        {
            "service.name": "scoring",
            "service.version": "1.2",
            "deployment.environment.name": "prod",
        }
    )
    provider = MeterProvider(readers, resource=resource, shutdown_on_exit=False)
    yield provider
    provider.shutdown()


def by_otlp(agent: TestAgent) -> dict[tuple[str, tuple[str, ...]], list[Any]]:
    """Return the points of each metric and its tags, as the Agent would make them."""
    found: dict[tuple[str, tuple[str, ...]], list[Any]] = {}
    for point in agent.points():
        tags = {f"{key}:{value}" for key, value in point.attributes.items() if value}
        tags |= {
            f"{key}:{point.resource[name]}"
            for name, key in OF_RESOURCE.items()
            if name in point.resource
        }
        found.setdefault((point.name, tuple(sorted(tags))), []).append(point)
    return found


def test_names_units_temporality_and_tags_are_the_same(
    both: MeterProvider, otlp_agent: TestAgent, dogstatsd_agent: DogStatsDServer
) -> None:
    """And so are counts and the median latency: one set of dashboards serves both."""
    otlp_agent.clear()
    tidegauge.attach(both)
    app = both.get_meter("app")
    level, hits = app.create_gauge("app.level"), app.create_counter("app.hits")
    model = tidegauge.Model("both_roads", version="3")
    for _ in range(2):  # a second interval tells deltas from totals
        for number in range(CALLS):
            with model.prediction([1.0, 2.0]) as prediction:
                prediction.output = number / 7
        level.set(0.5, {"route": "/a"})
        hits.add(3, {"route": "/a"})
        pipeline.flush(SOON_S)
        both.force_flush()
    own = {"model_name:both_roads", "status:success"}

    def arrived() -> bool:
        by_tags = by_otlp(otlp_agent)
        there = sum(
            point.value
            for (name, tags), points in by_tags.items()
            if name == REQUESTS and own <= set(tags)
            for point in points
        )
        counts = dogstatsd_agent.counts(REQUESTS)
        here = sum(count for tags, count in counts.items() if own <= set(tags))
        return [2 * CALLS] * 2 == [there, here]

    wait_until(arrived, "all requests, both ways", SOON_S)
    assert [] == dogstatsd_agent.refused
    otlp = by_otlp(otlp_agent)
    sent = {
        (metric.name, tuple(sorted(metric.tags))): metric.kind
        for metric in dogstatsd_agent.metrics()
    }
    # A count of nothing is a point by OTLP, and none by DogStatsD.
    said = {key: points for key, points in otlp.items() if any(map(_says, points))}
    assert set(sent) == set(said)
    for (name, tags), points in said.items():
        spec = SPECS.get(name)
        expected = OF_APP[name] if spec is None else TYPES[spec.kind]
        assert expected == sent[name, tags]
        assert {spec.unit if spec else ""} == {point.unit for point in points}
        if expected != "gauge":
            assert {"delta"} == {point.temporality for point in points}
        if expected == "count" and name != OF_PROCESS:
            total = sum(point.value for point in points)
            assert total == dogstatsd_agent.counts(name)[tags]
        if expected == "distribution":
            total = sum(int(point.data["count"]) for point in points)
            assert total == dogstatsd_agent.seen(name)[tags].total()
    assert {"exponential_histogram"} == {
        point.kind
        for (name, _), points in said.items()
        if name == metrics.MODEL_REQUEST_LATENCY.name
        for point in points
    }
    latencies = dogstatsd_agent.seen(metrics.MODEL_REQUEST_LATENCY.name)
    assert all(0 < quantile(seen, 0.5) < SOON_S for seen in latencies.values())


def _says(point: Any) -> bool:
    """Whether a point is more than a count of nothing."""
    return bool(point.value or int(point.data.get("count", 0))) or point.kind == "gauge"

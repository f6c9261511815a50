"""An app's own instruments look as OpenTelemetry's own exporter shows them."""

from __future__ import annotations

from inspect import signature
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from tidegauge_exporter_prometheus.exposition import TEXT, encode
from tidegauge_exporter_prometheus.readers import expose

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import Metric as Family

Shown = dict[str, tuple[str, str, dict[tuple[str, frozenset[tuple[str, str]]], float]]]


def observe(options: CallbackOptions) -> Iterator[Observation]:
    yield Observation(-2.5, {"cpu": 0, "state": "idle"})


def record(provider: MeterProvider) -> None:
    """Use every instrument, with the names, units and attributes that apps have."""
    meter = provider.get_meter("app.db", "1.2", "https://example.test/schema", {"team": "x"})
    meter.create_counter("http.requests", "{request}", "Requests.").add(3, {"http.method": "GET"})
    meter.create_counter("sent_total", "By", 'Sent\nbytes \\ "q".').add(1.5)
    meter.create_up_down_counter("queue-length", "1", "Length.").add(-2, {"ratio": 0.5})
    meter.create_gauge("room.temperature", "Cel", "Heat.").set(21.5, {"ok": True, "n": 1})
    meter.create_gauge("cpu.utilization", "1", "No ratio.").set(0.5)
    meter.create_gauge("speed", "m/s", "Speed.").set(7)
    meter.create_observable_gauge("load", [observe], "%", "Load.")
    latency = meter.create_histogram(
        "request.duration", "s", "Time.", explicit_bucket_boundaries_advisory=[0.005, 0.5, 2.5]
    )
    for value in (0.001, 0.4, 9.0):
        latency.record(value, {"route": '/a"b\\c\nd'})
    other = provider.get_meter("app.web")
    other.create_counter("other", "", "Other.").add(1, {"k": "v"})


@pytest.fixture
def both(make_reader: Any) -> Iterator[tuple[list[Family], list[Family]]]:
    """Show the same provider through upstream's exporter and through ours."""
    if "scope_info_enabled" not in signature(PrometheusMetricReader.__init__).parameters:
        pytest.skip("this upstream exporter is too old to show scopes")
    registry = CollectorRegistry()
    upstream = PrometheusMetricReader(registry=registry)
    reader = make_reader(listen=False)
    resource = Resource({"service.name": "shop", "deployment.environment": "prod", "n": 3})
    provider = MeterProvider([upstream, reader], resource=resource, shutdown_on_exit=False)
    record(provider)
    expected = text_string_to_metric_families(generate_latest(registry).decode())
    actual = text_string_to_metric_families(encode(expose([reader]), TEXT).decode())
    yield list(expected), list(actual)
    provider.shutdown()


def shown(families: list[Family]) -> Shown:
    return {
        family.name: (
            family.type,
            family.documentation,
            {(s.name, frozenset(s.labels.items())): s.value for s in family.samples},
        )
        for family in families
        # Nor what models of other tests in this process were asked.
        if not family.name.startswith(
            ("tidegauge", "model_", "drift_", "process_", "container_", "hw_", "otel_sdk")
        )
    }


def test_foreign_instruments_are_shown_as_upstream_shows_them(
    both: tuple[list[Family], list[Family]],
) -> None:
    """Names, kinds, help, labels (scope and target too) and values are upstream's."""
    expected, actual = map(shown, both)
    assert len(expected) >= 10
    assert actual == expected

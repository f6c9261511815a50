"""The exporter behind a real MeterProvider: what an app and Tidegauge count arrives at an Agent."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tidegauge
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    MetricExportResult,
    MetricsData,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.resources import Resource
from tidegauge import guard, pipeline, unsent
from tidegauge.batch import ModelKey
from tidegauge_exporter_datadog import DatadogExporter, transport
from tidegauge_testkit.backends.dogstatsd_server import DogStatsDServer, quantile
from tidegauge_testkit.recording import Recording

MODEL = ("env:prod", "model_name:fraud", "model_version:3", "operation:predict", "service:scoring")


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DogStatsDServer]:
    """Return a strict Agent whose address is in the environment."""
    with DogStatsDServer("unix", tmp_path) as server:
        monkeypatch.setenv("DD_DOGSTATSD_URL", server.url)
        yield server


@pytest.fixture
def provider(agent: DogStatsDServer) -> Iterator[MeterProvider]:
    """Return a provider with the exporter in a periodic reader."""
    reader = PeriodicExportingMetricReader(DatadogExporter(), export_interval_millis=3_600_000)
    resource = Resource({"service.name": "scoring", "deployment.environment.name": "prod"})
    made = MeterProvider([reader], resource=resource, shutdown_on_exit=False)
    with Recording():  # apart from what other tests of the process have predicted
        yield made
        made.shutdown()


def test_an_app_and_its_models(provider: MeterProvider, agent: DogStatsDServer) -> None:
    """Each interval says what changed in it, and the unified tags are on everything."""
    tidegauge.attach(provider)
    hits = provider.get_meter("app").create_counter("hits")
    model = tidegauge.Model("fraud", version="3")
    for _ in range(2):
        agent.clear()
        hits.add(2, {"route": "/"})
        for _ in range(5):
            with model.prediction([1.0, 2.0]) as prediction:
                prediction.output = 0.25
        pipeline.flush(10.0)
        provider.force_flush()
        agent.wait_for(lambda: bool(agent.counts("hits")), "the metrics of the app")
        assert {("env:prod", "route:/", "service:scoring"): 2} == agent.counts("hits")
        requests = agent.counts("model.requests")
        assert {(*MODEL, "status:success"): 5} == requests
        latency = agent.seen("model.request.latency")
        assert {MODEL: 5} == {tags: seen.total() for tags, seen in latency.items()}
        assert 5 == sum(seen.total() for seen in agent.seen("model.prediction.value").values())
    assert [] == agent.refused
    assert {} == unsent.counts()


@pytest.mark.parametrize(("median_s", "sigma"), [(0.0005, 1.0), (0.02, 1.5), (0.5, 0.8)])
def test_quantiles_of_latencies(
    median_s: float, sigma: float, provider: MeterProvider, agent: DogStatsDServer
) -> None:
    """From 0.05 ms to 5 s, within 2 % of the exact ones after the Agent's own sketch."""
    tidegauge.attach(provider)
    rng = np.random.default_rng(11)
    seconds = np.clip(rng.lognormal(np.log(median_s), sigma, 10_000), 5e-5, 5.0)
    with pipeline.current().frozen() as tally:
        counts = tally.touch(ModelKey(f"at {median_s}", "1"), "predict")
        counts.success += len(seconds)
        counts.add_latency(seconds)
    provider.force_flush()
    tags = ("env:prod", f"model_name:at_{median_s}", "model_version:1", "operation:predict")
    key = (*tags, "service:scoring")
    agent.wait_for(
        lambda: agent.seen("model.request.latency").get(key, Counter()).total() == len(seconds),
        "all latencies",
    )
    seen = agent.seen("model.request.latency")[key]
    for q in (0.5, 0.95, 0.99):
        assert pytest.approx(np.quantile(seconds, q), rel=0.02) == quantile(seen, q)
    mean = sum(value * count for value, count in seen.items()) / len(seconds)
    assert pytest.approx(seconds.mean(), rel=0.006) == mean
    assert [] == agent.refused


def test_whatever_an_app_calls_its_own_is_taken(
    provider: MeterProvider, agent: DogStatsDServer
) -> None:
    """Names, keys and values with separators, line breaks, 300 characters and unicode."""
    meter = provider.get_meter("app")
    values = [
        "a,b",
        "a|b",
        "a\nb",
        "#a",
        "@0.5",
        "x" * 300,
        "Größe",
        "年齢",
        "😀",
        "",
        "a:b:",
        "\x00",
    ]
    for number, value in enumerate(values):
        meter.create_counter(f"c{number}.a-b/{number}").add(1, {value or "k": value, "host": value})
    meter.create_gauge("g").set(1.0, {"long": ("a", "b"), "n": 3, "yes": True})
    meter.create_counter("last").add(1)
    provider.force_flush()
    agent.wait_for(lambda: bool(agent.counts("last")), "all of them")
    assert [] == agent.refused
    names = {metric.name for metric in agent.metrics()}
    assert {f"c{number}.a_b_{number}" for number in range(len(values))} <= names
    (tags,) = agent.gauges("g")
    assert {"long:a_b", "n:3", "yes:true"} <= set(tags)


def test_a_bad_setting_is_one_error(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The exporter is built, and nothing goes to Datadog."""
    monkeypatch.setenv("DD_DOGSTATSD_PORT", "many")
    exporter = DatadogExporter()
    (record,) = caplog.records
    assert (logging.ERROR, "tidegauge_exporter_datadog.exporter") == (record.levelno, record.name)
    assert (
        "DD_DOGSTATSD_PORT: got 'many' from the environment; expected an integer in [1, 65535]. "
        "Unset it to use 8125. Metrics do not go to Datadog."
    ) == record.getMessage()
    assert MetricExportResult.FAILURE == exporter.export(MetricsData([]))
    assert exporter.force_flush()
    exporter.shutdown()


def test_an_unknown_option_is_one_error(caplog: pytest.LogCaptureFixture) -> None:
    """A declarative configuration may hold any; the exporter works."""
    exporter = DatadogExporter(colour="red")
    assert ["datadog: got the unknown options colour; expected none."] == [
        record.getMessage().partition(" They")[0] for record in caplog.records
    ]
    exporter.shutdown()


def test_a_fault_of_ours_is_counted(agent: DogStatsDServer) -> None:
    """It reaches neither the reader nor the app."""
    exporter = DatadogExporter()
    broken: MetricsData = None  # type: ignore[assignment]
    assert MetricExportResult.FAILURE == exporter.export(broken)
    assert {"datadog.export:AttributeError": 1} == guard.counts()
    exporter.shutdown()


def test_after_the_end_nothing_is_sent(provider: MeterProvider, agent: DogStatsDServer) -> None:
    """The end sends what was counted last; events have no way any more."""
    way = transport.in_use()
    assert way is not None
    provider.get_meter("app").create_counter("last").add(1)
    provider.shutdown()
    agent.wait_for(lambda: bool(agent.counts("last")), "what was counted last")
    assert transport.in_use() is None

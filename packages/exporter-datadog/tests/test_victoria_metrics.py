"""A real receiver of Datadog's series API: what was sent is there when it is queried."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import tidegauge
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from tidegauge import pipeline, unsent
from tidegauge_exporter_datadog import DatadogExporter
from tidegauge_exporter_datadog.intake import Intake
from tidegauge_exporter_datadog.points import Count, Gauge
from tidegauge_exporter_datadog.post import Destination
from tidegauge_testkit.backends import VictoriaMetrics, wait_until

pytestmark = pytest.mark.backends

# Of a series that it has not seen before it may not know for 10 s.
SOON_S = 120.0
KEY = "0123456789abcdef0123456789abcdef"


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VictoriaMetrics]:
    """Start one for all."""
    with VictoriaMetrics(tmp_path_factory.mktemp("victoria"), {}) as started:
        yield started


@pytest.fixture
def provider(database: VictoriaMetrics, monkeypatch: pytest.MonkeyPatch) -> Iterator[MeterProvider]:
    """Return a provider that exports there, without an Agent."""
    monkeypatch.setenv("DD_API_KEY", KEY)
    monkeypatch.setenv("DD_HOSTNAME", "box")
    monkeypatch.setenv("TIDEGAUGE_DATADOG_URL", f"{database.url}/datadog")
    reader = PeriodicExportingMetricReader(DatadogExporter(), export_interval_millis=3_600_000)
    resource = Resource({"service.name": "scoring", "deployment.environment.name": "prod"})
    made = MeterProvider([reader], resource=resource, shutdown_on_exit=False)
    yield made
    made.shutdown()


def shows(database: VictoriaMetrics, query: str, expected: float) -> bool:
    """Whether a query has this value now."""
    return database.value(query) == expected


def test_what_an_app_and_its_models_count_is_there(
    provider: MeterProvider, database: VictoriaMetrics
) -> None:
    """Names with their dots, tags as labels, and all intervals of a count add up."""
    tidegauge.attach(provider)
    meter = provider.get_meter("app")
    hits, level = meter.create_counter("app.hits"), meter.create_gauge("app.level")
    model = tidegauge.Model("in_victoria", version="3")
    for number in range(1, 4):
        hits.add(number, {"route": "/scöre"})
        level.set(number / 2)
        for _ in range(5):
            with model.prediction([1.0, 2.0]) as prediction:
                prediction.output = 0.25
        pipeline.flush(SOON_S)
        assert provider.force_flush()
    common = 'env="prod",service="scoring",host="box"'
    for query, expected in {
        f'sum_over_time({{__name__="app.hits",route="/scöre",{common}}}[1h])': 6.0,
        f'last_over_time({{__name__="app.level",{common}}}[1h])': 1.5,
        'sum_over_time({__name__="model.requests",model_name="in_victoria",model_version="3",'
        f'operation="predict",status="success",{common}}}[1h])': 15.0,
    }.items():
        # Points of several flushes in one second stand at the seconds after it.
        wait_until(partial(shows, database, query, expected), f"{expected} of {query}", SOON_S)


def test_what_it_does_not_take_is_refused_once_and_counted(
    provider: MeterProvider, database: VictoriaMetrics, caplog: pytest.LogCaptureFixture
) -> None:
    """It has no distributions: the counts arrive, and one line says what does not."""
    meter = provider.get_meter("app")
    meter.create_histogram("app.seconds").record(0.5)
    meter.create_counter("app.starts").add(1)
    provider.force_flush()
    meter.create_histogram("app.seconds").record(0.5)
    provider.force_flush()
    wait_until(
        lambda: database.value('sum_over_time({__name__="app.starts"}[1h])') == 1.0,
        "the count",
        SOON_S,
    )
    (line,) = [r.getMessage() for r in caplog.records if r.levelno == logging.ERROR]
    assert line.startswith(f"Datadog {database.url}/datadog: got HTTP 400 ")
    assert "distribution_points" in line
    assert {"datadog.refused": 2} == unsent.counts()


def test_what_waited_for_it_is_there_after_an_outage(tmp_path: Path) -> None:
    """At the times that it was of; nothing twice."""
    database = VictoriaMetrics(tmp_path, {})
    intake = Intake(Destination(f"{database.url}/datadog", KEY), host="box", first_wait_s=0.05)
    now_s = int(time.time()) - 30
    for number in range(10):
        at_s = float(now_s + number)
        intake.send([Count("late.count", 1.0, (), 1.0, at_s), Gauge("late", at_s, (), at_s)])
    wait_until(lambda: intake._failures > 1, "failures", SOON_S)
    with database:
        assert intake.flush(SOON_S)
        wait_until(
            lambda: database.value('count_over_time({__name__="late"}[5m])') == 10.0,
            "ten points",
            SOON_S,
        )
        assert 10.0 == database.value('sum_over_time({__name__="late.count"}[5m])')
        assert float(now_s + 9) == database.value('last_over_time({__name__="late"}[5m])')
        assert float(now_s) == database.value('first_over_time({__name__="late"}[5m])')
    intake.close(0.0)
    assert {} == unsent.counts()

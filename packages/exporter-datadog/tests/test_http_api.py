"""Where the HTTP API is: Datadog's variables, what is wrong in them, and when they are used."""

from __future__ import annotations

import contextlib
import logging
import os
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from tidegauge.settings import SettingError
from tidegauge_exporter_datadog import DatadogExporter, transport
from tidegauge_exporter_datadog.http_api import parse_key, parse_site, parse_url
from tidegauge_exporter_datadog.post import Destination
from tidegauge_exporter_datadog.settings import read
from tidegauge_testkit.datadog_intake import DatadogIntake
from tidegauge_testkit.forks import in_child

KEY = "0123456789abcdef0123456789abcdef"
WITH_KEY = {"DD_API_KEY": KEY}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        (WITH_KEY, "https://api.datadoghq.com"),
        ({**WITH_KEY, "DD_SITE": "us5.datadoghq.com"}, "https://api.us5.datadoghq.com"),
        ({**WITH_KEY, "DD_SITE": " DataDogHQ.eu. "}, "https://api.datadoghq.eu"),
        (
            {**WITH_KEY, "TIDEGAUGE_DATADOG_URL": "http://victoria:8428/datadog/"},
            "http://victoria:8428/datadog",
        ),
        # An Agent that is named takes all.
        ({**WITH_KEY, "DD_AGENT_HOST": "agent"}, None),
        ({**WITH_KEY, "DD_DOGSTATSD_URL": "unix:///var/run/dsd.socket"}, None),
    ],
)
def test_when_there_is_no_agent(
    environment: dict[str, str], expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key, and nobody named who would take metrics here."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    found = read().destination
    assert (None if expected is None else Destination(expected, KEY)) == found


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DD_SITE", "https://app.datadoghq.com"),
        ("DD_SITE", "app.datadoghq.com"),
        ("DD_SITE", "api.datadoghq.eu"),
        ("DD_SITE", "us5"),
        ("DD_SITE", "datadoghq.com/api"),
        ("DD_SITE", "datadoghq..com"),
        ("TIDEGAUGE_DATADOG_URL", "victoria:8428"),
        ("TIDEGAUGE_DATADOG_URL", "ftp://victoria"),
        ("TIDEGAUGE_DATADOG_URL", "http://"),
        ("TIDEGAUGE_DATADOG_URL", "http://a:b"),
        ("TIDEGAUGE_DATADOG_URL", "http://a?key=b"),
        ("TIDEGAUGE_DATADOG_URL", "http://a..b"),
        ("TIDEGAUGE_DATADOG_TIMEOUT_S", "0"),
        ("TIDEGAUGE_DATADOG_QUEUE_BYTES", "1"),
    ],
)
def test_what_is_wrong_is_said_at_the_start(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One ERROR that names the variable; the app starts."""
    monkeypatch.setenv("DD_API_KEY", KEY)
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingError, match=f"{name}: got "):
        read()
    DatadogExporter().shutdown()
    (record,) = caplog.records
    assert logging.ERROR == record.levelno
    assert KEY not in record.getMessage()


@pytest.mark.parametrize("key", ["a key", "clé", "key\nHost: evil"])
def test_a_key_that_fits_no_header_is_refused_and_not_shown(
    key: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The HTTP library would put it into an exception's text."""
    monkeypatch.setenv("DD_API_KEY", key)
    DatadogExporter().shutdown()
    assert [
        "DD_API_KEY: got a secret value from the environment; expected letters and digits without "
        "blanks. Unset it to use the default. Metrics do not go to Datadog."
    ] == [record.getMessage() for record in caplog.records]


def test_a_url_with_a_user_is_refused_and_its_password_not_shown(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Every message names the URL, so that nothing secret may stand in it."""
    monkeypatch.setenv("DD_API_KEY", KEY)
    monkeypatch.setenv("TIDEGAUGE_DATADOG_URL", "https://me:swordfish@proxy")
    DatadogExporter().shutdown()
    (record,) = caplog.records
    assert "TIDEGAUGE_DATADOG_URL: got a secret value" in record.getMessage()
    assert "swordfish" not in caplog.text


@given(st.text(max_size=60))
def test_any_text_is_a_value_or_refused(text: str) -> None:
    """Nothing else is raised: what is raised at the start would end the app's telemetry."""
    for parse in (parse_site, parse_key, parse_url):
        with contextlib.suppress(ValueError):
            assert parse(text)


def test_the_key_is_in_no_repr(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the settings, nor of what is made of them."""
    monkeypatch.setenv("DD_API_KEY", KEY)
    assert KEY not in repr(read()) + repr(read().destination)


def test_the_host_has_its_systems_name_unless_it_is_given_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without any, two hosts would overwrite each other's counts."""
    assert socket.gethostname() == read().host
    monkeypatch.setenv("DD_HOSTNAME", "box")
    assert "box" == read().host


def test_an_app_without_an_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it counts arrives at the end, and events have its tags while it runs."""
    with DatadogIntake() as api:
        monkeypatch.setenv("DD_API_KEY", KEY)
        monkeypatch.setenv("DD_HOSTNAME", "box")
        monkeypatch.setenv("TIDEGAUGE_DATADOG_URL", api.url)
        reader = PeriodicExportingMetricReader(DatadogExporter(), export_interval_millis=3_600_000)
        resource = Resource({"service.name": "scoring", "deployment.environment.name": "prod"})
        provider = MeterProvider([reader], resource=resource, shutdown_on_exit=False)
        provider.get_meter("app").create_counter("hits").add(2, {"route": "/"})
        provider.force_flush()
        way = transport.in_use()
        provider.get_meter("app").create_histogram("seconds").record(0.5)
        provider.shutdown()
    assert way is not None
    assert {"env:prod", "service:scoring"} == set(way.tags)
    assert transport.in_use() is None
    (hits,) = api.series("/api/v1/series")
    assert ("hits", "box", "count", 2.0) == (
        hits["metric"],
        hits["host"],
        hits["type"],
        hits["points"][0][1],
    )
    assert {"route:/", "env:prod", "service:scoring"} == set(hits["tags"])
    (seconds,) = api.series("/api/v1/distribution_points")
    assert [pytest.approx(0.5, rel=0.01)] == seconds["points"][0][1]
    assert [] == api.faults


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_workers_without_an_agent_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Datadog would keep one worker's count of a second; what is Tidegauge's is of all anyway."""
    monkeypatch.setenv("DD_API_KEY", KEY)
    with DatadogIntake() as api:
        monkeypatch.setenv("TIDEGAUGE_DATADOG_URL", api.url)

        def work() -> int:
            reader = PeriodicExportingMetricReader(
                DatadogExporter(), export_interval_millis=3_600_000
            )
            provider = MeterProvider([reader], resource=Resource({}), shutdown_on_exit=False)
            provider.get_meter("app").create_counter("hits").add(2)
            provider.get_meter("tidegauge").create_counter("ours").add(1)
            provider.shutdown()
            return os.getpid()

        pid = in_child(work)
        tags = {series["metric"]: series["tags"] for series in api.series("/api/v1/series")}
    assert {"hits": [f"worker:{pid}"], "ours": []} == {
        name: [tag for tag in found if tag.startswith("worker:")] for name, found in tags.items()
    }

"""Services that nobody has changed, with a Datadog Agent or without: zero-code, real servers."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from tidegauge_semconv import metrics
from tidegauge_testkit.backends import ServedApp, free_port
from tidegauge_testkit.backends.binaries import find
from tidegauge_testkit.backends.dogstatsd_server import DogStatsDServer
from tidegauge_testkit.datadog_intake import DatadogIntake, Reply

pytestmark = pytest.mark.backends

LAUNCHED = Path(__file__).parent / "launched"
REQUESTS = metrics.MODEL_REQUESTS.name
LATENCY = metrics.MODEL_REQUEST_LATENCY.name
FAILURES = metrics.TIDEGAUGE_EXPORT_FAILURES.name
UNIFIED = {"env:prod", "service:scoring", "version:1.4", "team:risk"}
SENT = 120
LIMIT_S = 90.0
SETTINGS = {
    "OTEL_PYTHON_DISTRO": "tidegauge_distro",
    "OTEL_PYTHON_CONFIGURATOR": "tidegauge_configurator",
    "OTEL_METRICS_EXPORTER": "datadog",
    "OTEL_TRACES_EXPORTER": "none",
    "OTEL_LOGS_EXPORTER": "none",
    "OTEL_METRIC_EXPORT_INTERVAL": "500",
    "DD_SERVICE": "scoring",
    "DD_ENV": "prod",
    "DD_VERSION": "1.4",
    "DD_TAGS": "team:risk",
    "TIDEGAUGE_MODEL_NAME": "score",
    "TIDEGAUGE_MODEL_VERSION": "3",
    # On a busy machine too the end takes the time that it needs.
    "TIDEGAUGE_SHUTDOWN_TIMEOUT_S": "20",
}


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[DogStatsDServer]:
    """Return a strict Agent on a Unix socket; at the end it has refused nothing."""
    with DogStatsDServer("unix", tmp_path) as server:
        yield server
    assert [] == server.refused


def served(
    workshop: Any, folder: Path, program: list[str], environment: Mapping[str, str]
) -> ServedApp:
    """Return a service in a copy of the workshop, that was not started yet."""
    shutil.copytree(workshop.folder, folder)
    port = free_port()
    words = [word.format(port=port, apps=LAUNCHED) for word in program]
    inherited = {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}
    return ServedApp(
        folder,
        [find("opentelemetry-instrument"), find(words[0]), *words[1:]],
        port,
        {**inherited, **SETTINGS, **environment},
    )


UVICORN = ["uvicorn", "--app-dir", "{apps}", "asgi:app", "--port", "{port}", "--log-level", "error"]
GUNICORN = [
    "gunicorn", "--chdir", ".", "--pythonpath", "{apps}", "wsgi:app", "--workers", "2",
    "--bind", "127.0.0.1:{port}", "--log-level", "error",
]  # fmt: skip


def ask(app: ServedApp, count: int, seed: int, workshop: Any) -> set[int]:
    """Have rows scored, each request by a connection of its own; return who did."""
    rows = workshop.rows(count, seed).to_numpy().tolist()
    answers = [
        httpx.post(f"{app.url}/score", json={"rows": [row]}, timeout=LIMIT_S) for row in rows
    ]
    return {answer.raise_for_status().json()["worker"] for answer in answers}


def requests(agent: DogStatsDServer) -> float:
    """Return the sum of the requests that arrived, of one series with the unified tags."""
    found = agent.counts(REQUESTS)
    assert len(found) <= 1
    assert all(set(tags) > UNIFIED for tags in found)
    return sum(found.values())


@pytest.mark.parametrize("program", [UVICORN, GUNICORN], ids=["uvicorn", "gunicorn"])
def test_every_request_arrives_once(
    program: list[str], workshop: Any, agent: DogStatsDServer, tmp_path: Path
) -> None:
    """Of several workers one sends for all; SIGTERM loses nothing of the last interval."""
    app = served(workshop, tmp_path / "app", program, {"DD_DOGSTATSD_URL": agent.url})
    with app:
        ask(app, SENT, 1, workshop)
        agent.wait_for(lambda: requests(agent) == SENT, "the first requests")
        ask(app, SENT, 2, workshop)
        app.terminate(LIMIT_S)
    agent.wait_for(lambda: requests(agent) == 2 * SENT, "all requests")
    (latency,) = agent.seen(LATENCY).values()
    assert 2 * SENT == latency.total()
    assert {} == agent.counts(FAILURES)
    assert "WARNING" not in app.output()
    assert "lost" not in app.output().lower()


def test_an_agent_that_comes_later_is_found(workshop: Any, tmp_path: Path) -> None:
    """Until then one line says that nobody listens, and every request is answered."""
    agent = DogStatsDServer("unix", tmp_path)
    app = served(workshop, tmp_path / "app", UVICORN, {"DD_DOGSTATSD_URL": agent.url})
    with app:
        ask(app, SENT, 1, workshop)
        app.wait_for(lambda: app.output().count(agent.url), "the line", LIMIT_S)
        with agent:
            agent.wait_for(lambda: bool(agent.counts(FAILURES)), "a count of what was lost")
            ask(app, SENT, 2, workshop)
            app.terminate(LIMIT_S)
            # Of those before, it gets what was counted since the last export that was lost.
            agent.wait_for(lambda: SENT <= requests(agent) <= 2 * SENT, "all requests since")
            assert [] == agent.refused
    assert 1 == app.output().count(f"DogStatsD at {agent.url}: got No such file or directory;")


def kept(api: DatadogIntake, name: str) -> float:
    """Return the sum of a count as Datadog keeps it: of one second and set of tags, the last."""
    points: dict[tuple[Any, ...], float] = {}
    for series in api.series("/api/v1/series"):
        if series["metric"] == name:
            for second, value in series["points"]:
                points[(second, series["host"], *sorted(series["tags"]))] = value
    return sum(points.values())


@pytest.mark.parametrize("program", [UVICORN, GUNICORN], ids=["uvicorn", "gunicorn"])
def test_without_an_agent_every_request_arrives_once(
    program: list[str], workshop: Any, tmp_path: Path
) -> None:
    """Through an outage, from one of several workers, until SIGTERM; trouble is an event."""
    with DatadogIntake() as api:
        api.replies += [Reply(503)] * 3
        environment = {
            "DD_API_KEY": "0123456789abcdef0123456789abcdef",
            "TIDEGAUGE_DATADOG_URL": api.url,
            "TIDEGAUGE_REFERENCE": "lost.reference.json",
        }
        app = served(workshop, tmp_path / "app", program, environment)
        with app:
            ask(app, SENT, 1, workshop)
            app.wait_for(lambda: kept(api, REQUESTS) == SENT, "the first requests", LIMIT_S)
            ask(app, SENT, 2, workshop)
            app.terminate(LIMIT_S)
        assert 2 * SENT == kept(api, REQUESTS)
        latencies = [
            value
            for series in api.series("/api/v1/distribution_points")
            if series["metric"] == LATENCY
            for _, values in series["points"]
            for value in values
        ]
        (event,) = api.taken("/api/v1/events")
    assert 2 * SENT == len(latencies)
    assert "Tidegauge: lost.reference.json is set up wrongly" == event.body["title"]
    assert UNIFIED <= set(event.body["tags"])
    assert [] == api.faults
    assert 1 == app.output().count(f"Datadog {api.url}: got HTTP 503 Service Unavailable;")
    assert environment["DD_API_KEY"] not in app.output()

"""What Tidegauge sends by OTLP, as a real receiver reads it."""

from __future__ import annotations

import http.client
import json
import signal
from pathlib import Path
from typing import Any

import pytest
from tidegauge_semconv import Kind, all_metrics, metrics
from tidegauge_testkit.backends import ServedApp, TestAgent, wait_until

pytestmark = pytest.mark.backends

REQUESTS = 23
FAILURES = 4
ROWS = 3
SOON_S = 30.0
NEVER_MS = "3600000"

KINDS = {
    Kind.COUNTER: {"sum"},
    Kind.GAUGE: {"gauge"},
    Kind.UPDOWN: {"sum"},
    Kind.HISTOGRAM: {"histogram", "exponential_histogram"},
}

each_protocol = pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
# A user has OpenTelemetry's own distro, ours, or both, and then chance decides.
each_distro = pytest.mark.parametrize(
    "starter",
    [("tidegauge_distro", "tidegauge_configurator"), ("distro", "configurator")],
    ids=["ours", "upstream"],
)


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Start one receiver for all; each test clears it first."""
    with TestAgent(tmp_path_factory.mktemp("agent")) as started:
        yield started


def started_by(distro: str, configurator: str) -> dict[str, str]:
    """Return the environment that chooses who sets OpenTelemetry up."""
    return {"OTEL_PYTHON_DISTRO": distro, "OTEL_PYTHON_CONFIGURATOR": configurator}


def exporting(agent: TestAgent, protocol: str, interval_ms: str) -> dict[str, str]:
    """Return the environment that sends metrics to the receiver."""
    return {
        "OTEL_METRICS_EXPORTER": "otlp",
        "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
        "OTEL_EXPORTER_OTLP_ENDPOINT": agent.grpc_url if protocol == "grpc" else agent.http_url,
        "OTEL_EXPORTER_OTLP_INSECURE": "true",
        "OTEL_METRIC_EXPORT_INTERVAL": interval_ms,
    }


def score(app: ServedApp, rows: list[dict[str, float]]) -> int:
    """Ask for scores and return the HTTP status."""
    connection = http.client.HTTPConnection("127.0.0.1", app.port, timeout=10)
    try:
        body = json.dumps({"rows": rows})
        connection.request("POST", "/score", body, {"Content-Type": "application/json"})
        with connection.getresponse() as answer:
            answer.read()
            return answer.status
    finally:
        connection.close()


def send(app: ServedApp, rows: list[dict[str, float]], *, requests: int, failures: int = 0) -> None:
    """Ask for scores, and for some that the model refuses: it misses a feature."""
    for _ in range(requests):
        assert score(app, rows) == http.HTTPStatus.OK
    for _ in range(failures):
        assert score(app, [{"age": 1.0}]) == http.HTTPStatus.INTERNAL_SERVER_ERROR


def counted(agent: TestAgent, name: str, **attributes: str) -> float:
    """Return the sum of a counter's newest points that have these attributes."""
    return sum(
        point.value or 0.0
        for point in agent.last(name).values()
        if attributes.items() <= point.attributes.items()
    )


@each_distro
@each_protocol
def test_names_units_attributes_and_counts_arrive(
    workshop: Any,
    agent: TestAgent,
    protocol: str,
    starter: tuple[str, str],
    tmp_path: Path,
) -> None:
    """Every point of ours is what the conventions say, and the counts are exact."""
    agent.clear()
    rows = workshop.rows(ROWS, seed=7).to_dict("records")
    environment = {
        **exporting(agent, protocol, "500"),
        **started_by(*starter),
        "TIDEGAUGE_REFERENCE": "score.reference.json",
    }
    requests, errors = metrics.MODEL_REQUESTS.name, metrics.MODEL_ERRORS.name
    with workshop.serve(tmp_path / "app", environment) as app:
        send(app, rows, requests=REQUESTS, failures=FAILURES)
        wait_until(
            lambda: (
                counted(agent, requests, status="success") == REQUESTS
                and counted(agent, requests, status="error") == FAILURES
            ),
            f"{REQUESTS} and {FAILURES} requests at the receiver",
            SOON_S,
        )
        assert counted(agent, metrics.MODEL_PREDICTIONS.name) == REQUESTS * ROWS
        assert counted(agent, errors, error_type="ValueError") == FAILURES
        (latency,) = agent.last(metrics.MODEL_REQUEST_LATENCY.name).values()
        assert int(latency.data["count"]) == REQUESTS + FAILURES
        assert 0 < latency.data["sum"] < 10 * (REQUESTS + FAILURES)

    specs = {spec.name: spec for spec in all_metrics()}
    ours = [point for point in agent.points() if point.name in specs]
    assert {requests, metrics.MODEL_REQUEST_LATENCY.name} <= {point.name for point in ours}
    assert {point.scope for point in ours} == {"tidegauge"}
    assert {point.resource["service.name"] for point in ours} == {"scoring"}
    for point in ours:
        spec = specs[point.name]
        assert (point.name, point.unit) == (spec.name, spec.unit)
        assert point.kind in KINDS[spec.kind]
        assert set(point.attributes) == set(spec.attributes)
        assert point.start_ns <= point.time_ns
        if "model_name" in spec.attributes:
            assert (point.attributes["model_name"], point.attributes.get("model_version", "3")) == (
                "score",
                "3",
            )
    assert [p.name for p in agent.points() if p.scope == "tidegauge" and p.name not in specs] == []


@each_distro
@each_protocol
def test_sigterm_sends_the_last_interval(
    workshop: Any,
    agent: TestAgent,
    protocol: str,
    starter: tuple[str, str],
    tmp_path: Path,
) -> None:
    """What was counted since the last export arrives, and the exit status is uvicorn's own."""
    agent.clear()
    rows = workshop.rows(ROWS, seed=8).to_dict("records")
    with workshop.serve(tmp_path / "plain", {}, instrumented=False) as plain:
        send(plain, rows, requests=1)
        own_status = plain.terminate()
    environment = exporting(agent, protocol, NEVER_MS) | started_by(*starter)
    with workshop.serve(tmp_path / "app", environment) as app:
        send(app, rows, requests=REQUESTS)
        assert agent.points() == []
        app.signal(signal.SIGTERM)
        status = app.wait_exit(SOON_S)
    name = metrics.MODEL_REQUESTS.name
    assert counted(agent, name, status="success") == REQUESTS
    assert counted(agent, metrics.MODEL_PREDICTIONS.name) == REQUESTS * ROWS
    assert status == own_status
    print(
        f"\n{protocol}, {starter[0]}: {REQUESTS} of {REQUESTS} requests after SIGTERM, "
        f"exit status {status}"
    )

"""From a slow prediction to the line of the access log: real servers, started without code."""

from __future__ import annotations

import json
import os
import sys
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from tidegauge_exporter_prometheus import prometheus_name
from tidegauge_semconv import metrics
from tidegauge_testkit.backends import ServedApp, free_ports, wait_until

pytestmark = pytest.mark.backends

WEB = Path(__file__).parent / "web"
BIN = Path(sys.executable).parent
REQUESTS = prometheus_name(metrics.MODEL_REQUESTS)
LATENCY = prometheus_name(metrics.MODEL_REQUEST_LATENCY)
# Fast ones, of four clients at a time, and one that a tired engineer looks for.
FAST, SLOW_S = 40, 0.3
PATIENCE_S = 60.0
BUCKET = "0.5"

GUNICORN = (
    "gunicorn", "-w", "2", "-k", "gthread", "--threads", "4", "-b", "127.0.0.1:{port}",
    "--access-logfile", "-", "--access-logformat", "%({{x-request-id}}i)s %(L)s s",
)  # fmt: skip
UVICORN = ("uvicorn", "--port", "{port}", "--log-level", "warning")


@dataclass(frozen=True)
class Served:
    """An app, its server, and what its framework calls the route."""

    command: tuple[str, ...]
    route: str
    logs_ids: bool = False
    sampler: str = ""


SERVED = {
    "FastAPI, uvicorn": Served((*UVICORN, "fastapi_app:app"), "/v1/score/{customer}"),
    "FastAPI without its spans, uvicorn": Served(
        (*UVICORN, "fastapi_app:app"), "/v1/score/{customer}", sampler="always_off"
    ),
    "Flask, gunicorn gthread": Served(
        (*GUNICORN, "flask_app:app"), "/v1/score/<customer>", logs_ids=True
    ),
    "Django, gunicorn gthread": Served(
        (*GUNICORN, "django_app:app"), "v1/score/<str:customer>", logs_ids=True
    ),
    "Django, uvicorn": Served((*UVICORN, "django_app:asgi"), "v1/score/<str:customer>"),
}


def serve(folder: Path, command: tuple[str, ...], ports: tuple[int, int], **more: str) -> ServedApp:
    """Return an app started without code, whose metrics are at the second port."""
    program, *rest = (word.format(port=ports[0]) for word in command)
    inherited = {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}
    return ServedApp(
        folder,
        [str(BIN / "opentelemetry-instrument"), str(BIN / program), *rest],
        ports[0],
        {
            **inherited,
            "PYTHONPATH": str(WEB),
            "OTEL_PYTHON_DISTRO": "tidegauge_distro",
            "OTEL_PYTHON_CONFIGURATOR": "tidegauge_configurator",
            "OTEL_METRICS_EXPORTER": "tidegauge_prometheus",
            "OTEL_EXPORTER_PROMETHEUS_PORT": str(ports[1]),
            "TIDEGAUGE_GROUP_DIR": str(folder / "group"),
            **more,
        },
    )


def ask(url: str, headers: dict[str, str], body: object = None) -> str:
    """Return an answer with a status below 400."""
    if body is not None:
        headers = {**headers, "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(url, data, headers)  # noqa: S310 - loopback
    with urllib.request.urlopen(asked, timeout=PATIENCE_S) as answer:  # noqa: S310 - loopback
        text: str = answer.read().decode()
    return text


def scrape(port: int) -> dict[str, Metric]:
    """Return the families of a scrape, as Prometheus asks for it."""
    text = ask(
        f"http://127.0.0.1:{port}/metrics",
        {"Accept": "application/openmetrics-text; version=1.0.0"},
    )
    return {family.name: family for family in text_string_to_metric_families(text)}


def counted(families: dict[str, Metric]) -> dict[str, float]:
    """Return how many calls each model has answered."""
    found = families.get(REQUESTS.removesuffix("_total"))
    return {
        sample.labels["model_name"]: sample.value
        for sample in (found.samples if found else ())
        if sample.name == REQUESTS and sample.labels["status"] == "success" and sample.value
    }


def settled(port: int, expected: int) -> dict[str, Metric]:
    """Return the scrape that has counted what was sent: workers tell each other once a second."""

    def ask_once() -> dict[str, Metric] | None:
        families = scrape(port)
        return families if sum(counted(families).values()) >= expected else None

    return wait_until(ask_once, f"{expected} calls", PATIENCE_S)


@pytest.mark.parametrize("name", SERVED)
def test_a_slow_call_leads_to_its_line_in_the_access_log(name: str, tmp_path: Path) -> None:
    """Each exemplar names a request that was sent and its route; the slow one is the slow one."""
    served, ports = SERVED[name], free_ports(2)
    sampler = {"OTEL_TRACES_SAMPLER": served.sampler} if served.sampler else {}
    with serve(tmp_path, served.command, (ports[0], ports[1]), **sampler) as app:
        score = f"{app.url}/v1/score/secret?seconds="

        def send(number: int) -> str:
            return ask(f"{score}0", {"X-Request-Id": f"fast-{number}"})

        with ThreadPoolExecutor(4) as pool:
            assert set(pool.map(send, range(FAST))) == {"0"}
        ask(f"{score}{SLOW_S}", {"X-Request-Id": "slow-1"})
        families = settled(ports[1], FAST + 1)
        assert counted(families) == {"Patient": FAST + 1}
        pointers = {
            sample.labels["le"]: sample.exemplar.labels
            for sample in families[LATENCY].samples
            if sample.exemplar
        }
        sent = {f"fast-{number}" for number in range(FAST)} | {"slow-1"}
        assert {labels["request_id"] for labels in pointers.values()} <= sent
        assert pointers[BUCKET]["request_id"] == "slow-1"
        # A framework with spans of its own leaves no room for the route, which the trace has then.
        alone = [labels for labels in pointers.values() if "trace_id" not in labels]
        assert {labels["http_route"] for labels in alone} <= {served.route}
        assert alone or name == "FastAPI, uvicorn"
        if served.logs_ids:
            app.wait_for(lambda: "slow-1 0.3" in app.output(), "its line in the log", PATIENCE_S)
        assert "Traceback" not in app.output()


LITSERVE = {
    "the library in the worker": ({}, "Patient"),
    "named by the environment": ({"TIDEGAUGE_MODEL_NAME": "fraud"}, "fraud"),
    "the API itself": ({"TIDEGAUGE_LITSERVE_CLASSES": "Scoring"}, "Scoring"),
}


@pytest.mark.parametrize("name", LITSERVE)
def test_litserves_workers_count_every_request(name: str, tmp_path: Path) -> None:
    """Two workers, processes without any request: exactly what was sent, and the API's path."""
    (environment, model), ports = LITSERVE[name], free_ports(2)
    command = ("python", str(WEB / "lit_app.py"), "{port}")
    with serve(tmp_path, command, (ports[0], ports[1]), **environment) as app:

        def send(number: int) -> str:
            return ask(f"{app.url}/score", {"X-Request-Id": f"r-{number}"}, {"seconds": 0.0})

        with ThreadPoolExecutor(4) as pool:
            assert set(pool.map(send, range(FAST))) == {"0"}
        families = settled(ports[1], FAST)
        assert counted(families) == {model: FAST}
        found = [sample.exemplar.labels for sample in families[LATENCY].samples if sample.exemplar]
        assert found
        assert all(labels == {"http_route": "/score"} for labels in found)

"""MLflow's own model server, started as its users start it, with one worker and with two."""

from __future__ import annotations

import json
import os
import re
import sys
import urllib.error
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest
from tidegauge_testkit.backends import ServedApp, free_port
from tidegauge_testkit.backends.process import wait_until
from tidegauge_testkit.backends.web import get_text
from tidegauge_testkit.recording import Recording

from .conftest import Registry, fill

pytestmark = pytest.mark.backends

BIN = Path(sys.executable).parent
GOOD = {"dataframe_split": {"columns": ["age", "income"], "data": [[1.0, 2.0], [3.0, 4.0]]}}
BAD = {"dataframe_split": {"columns": ["age"], "data": [[1.0]]}}
ROUNDS, REFUSED = 30, 5
# MLflow starts uvicorn by its name.
ENVIRONMENT = {
    key: value
    for key, value in os.environ.items()
    if not key.startswith(("OTEL_", "TIDEGAUGE_", "PYTHON"))
} | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
SAMPLE = re.compile(r"^(\w+)\{(.*)\} (\S+)$", re.MULTILINE)


def post(url: str, body: object) -> int:
    """Return the status of one request."""
    request = urllib.request.Request(  # noqa: S310 - loopback
        url, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - loopback
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def samples(page: str, name: str) -> dict[tuple[str, ...], float]:
    """Return the values of one metric by model, version, operation and status."""
    found: dict[tuple[str, ...], float] = {}
    for family, text, value in SAMPLE.findall(page):
        if family == name:
            labels = dict(re.findall(r'(\w+)="([^"]*)"', text))
            key = (labels["model_name"], labels["model_version"], labels.get("status", ""))
            found[key] = float(value)
    return found


@pytest.mark.parametrize(
    ("uri", "version", "workers"),
    [("models:/fraud/3", "3", 1), ("models:/fraud@champion", "2", 2)],
)
def test_the_model_server_counts_every_request(
    registry: Registry, tmp_path: Path, uri: str, version: str, workers: int
) -> None:
    """Exactly those that were sent, by the registry's name and the version that was served."""
    port, metrics_port = free_port(), free_port()
    environment = ENVIRONMENT | {
        "MLFLOW_TRACKING_URI": registry.uri,
        "OTEL_PYTHON_DISTRO": "tidegauge_distro",
        "OTEL_PYTHON_CONFIGURATOR": "tidegauge_configurator",
        "OTEL_METRICS_EXPORTER": "tidegauge_prometheus",
        "OTEL_TRACES_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        "OTEL_EXPORTER_PROMETHEUS_PORT": str(metrics_port),
    }
    command = [
        str(BIN / "opentelemetry-instrument"), str(BIN / "mlflow"), "models", "serve",
        "-m", uri, "-p", str(port), "-h", "127.0.0.1", "-w", str(workers),
        "--env-manager", "local",
    ]  # fmt: skip
    with ServedApp(tmp_path, command, port, environment, "/ping") as server:
        url = f"{server.url}/invocations"
        with ThreadPoolExecutor(4) as pool:
            statuses = Counter(pool.map(lambda _: post(url, GOOD), range(ROUNDS)))
            statuses += Counter(pool.map(lambda _: post(url, BAD), range(REFUSED)))
        assert statuses == {200: ROUNDS, 400: REFUSED}
        page = f"http://127.0.0.1:{metrics_port}/metrics"

        def complete() -> dict[tuple[str, ...], float] | None:
            found = samples(get_text(page), "model_requests_total")
            return found if sum(found.values()) >= ROUNDS + REFUSED else None

        # What another worker has counted is in its file within a second.
        found = wait_until(complete, "the requests", 60)
        assert found == {
            ("fraud", version, "success"): ROUNDS,
            ("fraud", version, "error"): REFUSED,
        }
        assert samples(get_text(page), "model_errors_total") != {}
        assert server.terminate() is not None
        for complaint in ("Traceback", "Prometheus endpoint cannot listen", "shutdown can only"):
            assert complaint not in server.output()


def test_a_registry_elsewhere_names_what_it_sends(
    registry: Registry, recording: Recording, rows: pd.DataFrame, tmp_path: Path
) -> None:
    """Models come from MLflow's tracking server by HTTP, into folders that MLflow makes up."""
    pytest.importorskip("flask", reason="MLflow's tracking server wants all of MLflow")
    pytest.importorskip("sqlalchemy", reason="MLflow's tracking server wants all of MLflow")
    port = free_port()
    command = [
        str(BIN / "mlflow"), "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
        "--backend-store-uri", f"sqlite:///{tmp_path}/mlflow.db",
        "--artifacts-destination", str(tmp_path / "artifacts"),
    ]  # fmt: skip
    mlflow = registry.mlflow
    with ServedApp(tmp_path, command, port, ENVIRONMENT, "/health") as server:
        try:
            remote = fill(mlflow, server.url, tmp_path)
            uris = ["models:/fraud@champion", "models:/fraud/1", f"models:/{remote.model_id}"]
            models = [mlflow.pyfunc.load_model(uri) for uri in uris]
            folder = mlflow.artifacts.download_artifacts("models:/fraud/2")
            models.append(mlflow.pyfunc.load_model(folder))
            models.append(mlflow.pyfunc.load_model(f"runs:/{remote.unregistered}/scores"))
        finally:
            mlflow.set_tracking_uri(registry.uri)
    found = []
    for model in models:
        model.predict(rows)
        found.append(recording.versions())
    assert found == [
        {("fraud", "2")},
        {("fraud", "2"), ("fraud", "1")},
        {("fraud", "2"), ("fraud", "1"), ("fraud", "3")},
        {("fraud", "2"), ("fraud", "1"), ("fraud", "3")},
        {("fraud", "2"), ("fraud", "1"), ("fraud", "3"), ("scores", "")},
    ]
    assert recording.faults() == {}

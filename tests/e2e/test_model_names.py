"""Models of one service, each by the name of its file, counted to the call."""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import joblib
import pytest
import skops.io
from prometheus_client.parser import text_string_to_metric_families
from sklearn.linear_model import LinearRegression
from tidegauge_exporter_prometheus import prometheus_name
from tidegauge_semconv import metrics
from tidegauge_testkit import onnx_models
from tidegauge_testkit.backends import ServedApp, free_ports, web

pytestmark = pytest.mark.backends

SERVED = Path(__file__).parent / "served"
BIN = Path(sys.executable).parent
EACH = 40
ROWS = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]
# Which model answers a path, and by which method.
PATHS = {
    "/fraud": ("fraud_v3", "predict"),
    "/region/eu": ("model.eu", "predict"),
    "/region/us": ("america", "predict"),
    "/churn": ("churn", "predict"),
    "/price": ("prices", "run"),
    "/bound": ("prices", "run_with_iobinding"),
    "/later": ("prices", "run_async"),
}


def post(url: str, rows: list[list[float]]) -> int:
    """Send one request; return its status."""
    request = urllib.request.Request(  # noqa: S310 - loopback
        url, json.dumps({"rows": rows}).encode(), {"Content-Type": "application/json"}
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=30) as answer:
            assert len(json.loads(answer.read())) == len(rows)
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def scrape(port: int) -> tuple[Counter[Any], Counter[Any]]:
    """Return the requests by model, operation and status, and the rows by model."""
    requests: Counter[Any] = Counter()
    rows: Counter[Any] = Counter()
    for family in text_string_to_metric_families(web.get_text(f"http://127.0.0.1:{port}/metrics")):
        for sample in family.samples:
            labels = sample.labels
            if sample.name == prometheus_name(metrics.MODEL_REQUESTS):
                key = labels["model_name"], labels["operation"], labels["status"]
                requests[key] += int(sample.value)
            elif sample.name == prometheus_name(metrics.MODEL_PREDICTIONS):
                rows[labels["model_name"]] += int(sample.value)
    return +requests, +rows


def models(folder: Path) -> None:
    """Write the files that the service loads."""
    folder.mkdir()
    one, two = (LinearRegression().fit(ROWS, target) for target in ([1, 2, 3], [3, 1, 2]))
    joblib.dump(one, folder / "fraud_v3.joblib")
    joblib.dump({"eu": one, "us": two}, folder / "model.joblib")
    skops.io.dump(two, folder / "churn.skops")
    (folder / "house_prices.onnx").write_bytes(onnx_models.linear((1.0, 2.0)))


def test_each_model_is_counted_by_its_own_name(tmp_path: Path) -> None:
    """Under uvicorn, many requests at a time: exactly those that were sent, by model and method."""
    models(tmp_path / "models")
    port, metrics_port = free_ports(2)
    command = [
        str(BIN / "opentelemetry-instrument"), str(BIN / "uvicorn"), "--app-dir", str(SERVED),
        "named:app", "--port", str(port), "--log-level", "critical",
    ]  # fmt: skip
    inherited = {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}
    environment = {
        **inherited,
        "OTEL_PYTHON_DISTRO": "tidegauge_distro",
        "OTEL_PYTHON_CONFIGURATOR": "tidegauge_configurator",
        "OTEL_METRICS_EXPORTER": "tidegauge_prometheus",
        "OTEL_EXPORTER_PROMETHEUS_PORT": str(metrics_port),
        "OTEL_TRACES_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        "TIDEGAUGE_MODEL_NAME": "house_prices.onnx=prices,model.us=america",
    }
    with ServedApp(tmp_path, command, port, environment) as app, ThreadPoolExecutor(8) as pool:
        urls = [app.url + path for path in PATHS] * EACH
        assert set(pool.map(lambda url: post(url, ROWS), urls)) == {200}
        assert post(f"{app.url}/price", [[1.0]]) == 500
        requests, rows = scrape(metrics_port)
    expected = Counter({(*what, "success"): EACH for what in PATHS.values()})
    expected["prices", "run", "error"] = 1
    assert requests == expected
    assert rows == {
        name: EACH * len(ROWS) * [model for model, _ in PATHS.values()].count(name)
        for name in {model for model, _ in PATHS.values()}
    }

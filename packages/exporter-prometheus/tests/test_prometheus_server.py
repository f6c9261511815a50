"""A real Prometheus scrapes the endpoint, in OpenMetrics as it prefers."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.metrics._internal.exemplar import Exemplar
from tidegauge_exporter_prometheus.naming import prometheus_name
from tidegauge_exporter_prometheus.transport import Listener
from tidegauge_exporter_prometheus.wsgi import METRICS_PATH, application
from tidegauge_semconv import Kind, all_metrics, metrics

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Query = Callable[[str], Any]


@pytest.fixture
def query(tmp_path: Path, build: Any, wait_for: Any) -> Iterator[Query]:
    """Ask a Prometheus that scrapes the whole suite; exemplars included."""
    program = shutil.which("prometheus")
    if program is None:
        pytest.fail("prometheus is not installed: apt-get install prometheus")
    spec = metrics.MODEL_REQUEST_LATENCY
    found = [Exemplar({"prediction_id": "p-1"}, 0.0002, 1_600_000_000, span_id=1, trace_id=2)]
    counts = [1] * (len(spec.buckets) + 1)
    labels = dict.fromkeys(spec.attributes, "with exemplar")
    point = build.histogram_point(list(spec.buckets), counts, labels, exemplars=found)
    data = [
        build.suite(3),
        build.data(build.scope(build.histogram("app.time", point, unit="s"), name="app")),
    ]
    listener = Listener(application(lambda: build.families(data), METRICS_PATH), "127.0.0.1", 0)
    listener.start()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = {
        "global": {"scrape_interval": "1s"},
        "scrape_configs": [
            {"job_name": "m", "static_configs": [{"targets": [f"127.0.0.1:{listener.port}"]}]}
        ],
    }
    (tmp_path / "prometheus.yml").write_text(json.dumps(config))
    server = subprocess.Popen(
        [
            program,
            f"--config.file={tmp_path}/prometheus.yml",
            f"--storage.tsdb.path={tmp_path}/data",
            f"--web.listen-address=127.0.0.1:{port}",
            "--enable-feature=exemplar-storage",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def ask(path: str) -> Any:
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{port}/api/v1/{path}", timeout=5
            ) as found:
                return json.load(found)["data"]
        except OSError:
            return None

    def value(expression: str) -> Any:
        return ask("query?query=" + urllib.parse.quote(expression))

    try:
        wait_for(lambda: (value("up") or {"result": []})["result"], 30)
        wait_for(lambda: value("up == 1")["result"], 10)
        yield ask
    finally:
        server.terminate()
        server.wait(20)
        listener.close()


@pytest.mark.backends
def test_prometheus_has_every_series_of_the_suite(query: Query) -> None:
    """All names of the table are there, with the count of a histogram that has no sum."""
    stored = set(query("label/__name__/values"))
    expected = {
        prometheus_name(spec) + suffix
        for spec in all_metrics()
        for suffix in (("_bucket", "_count") if spec.kind is Kind.HISTOGRAM else ("",))
    }
    assert expected <= stored
    assert "model_request_latency_seconds_sum" in stored
    assert "model_prediction_value_sum" not in stored
    exemplars = query("query_exemplars?query=app_time_seconds_bucket&start=0&end=4000000000")
    assert [found["exemplars"][0]["labels"]["prediction_id"] for found in exemplars] == ["p-1"]

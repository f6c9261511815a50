"""What leaves a process by each road, and what it leaves on disk, holds no value of a row."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Self

import numpy as np
import pandas as pd
import pytest
from tidegauge_drift import build, save

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.backends  # for it takes a while

LIMIT_S = 120.0
MODEL, TEXT, NUMBER = "privy", "Undisclosed", 987_654.25

# Rows of ten minutes of a clock that goes when it is told to.
JOB = f"""
import json, logging, sys, urllib.request
import numpy as np, pandas as pd
import tidegauge
from opentelemetry import _logs, trace
from opentelemetry.sdk._logs import LoggerProvider, export
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from tidegauge.runtime import shared
from tidegauge_distro import configure
from tidegauge_exporter_datadog import DatadogExporter
from tidegauge_exporter_prometheus import PrometheusReader

class Events:
    def __init__(self): self.seen = []
    def export(self, batch):
        self.seen += [(each.log_record.body, dict(each.log_record.attributes)) for each in batch]
    def shutdown(self): pass
    def force_flush(self, timeout_millis=0): return True

logging.basicConfig(level=logging.INFO)
TEXT, NUMBER = {TEXT!r}, {NUMBER!r}
events, spans = Events(), InMemorySpanExporter()
logs, traces = LoggerProvider(), TracerProvider()
logs.add_log_record_processor(export.SimpleLogRecordProcessor(events))
traces.add_span_processor(SimpleSpanProcessor(spans))
_logs.set_logger_provider(logs)
trace.set_tracer_provider(traces)
now_s = 1_700_000_000.0
shared.clock = lambda: now_s
page, memory = PrometheusReader(port=0), InMemoryMetricReader()
datadog = PeriodicExportingMetricReader(DatadogExporter(), export_interval_millis=3_600_000)
configure(MeterProvider([page, memory, datadog]))

class Unreadable:
    def __float__(self): raise ValueError(TEXT)
    def __len__(self): raise ValueError(TEXT)
    def __array__(self, *_, **__): raise ValueError(TEXT)
    def __repr__(self): return TEXT

rng = np.random.default_rng(1)
train = pd.DataFrame({{"amount": rng.normal(size=200), "country": rng.choice(["a", "b"], 200)}})
encoder = OneHotEncoder(handle_unknown="ignore")
columns = make_column_transformer((encoder, ["country"]), remainder="passthrough")
fitted = make_pipeline(columns, LogisticRegression()).fit(train, rng.choice(["yes", "no"], 200))
tidegauge.set_model_info(fitted, {MODEL!r}, version="2")
by_hand = tidegauge.Model("by hand")
for i in range(60):
    rows = pd.DataFrame({{"amount": rng.normal(size=100), "country": rng.choice(["a", "b"], 100)}})
    if i >= 30:
        rows.loc[::2, "country"] = TEXT
        rows.loc[::3, "amount"] = NUMBER
    with traces.get_tracer("app").start_as_current_span("request"):
        fitted.predict_proba(rows)
    for wrong in (TEXT, [[TEXT, NUMBER]], pd.DataFrame({{"amount": [TEXT], "country": [NUMBER]}})):
        try:
            fitted.predict_proba(wrong)
        except Exception:
            pass
    for value in ({{"a": TEXT, "b": NUMBER}}, [TEXT], TEXT, Unreadable(), {{"a": Unreadable()}}):
        try:
            with by_hand.prediction(value) as prediction:
                prediction.output = 0.5 if isinstance(value, dict) else value
                if i % 2:
                    raise ValueError(TEXT)
        except ValueError:
            pass
    now_s += 10
    tidegauge.flush()

def scraped(accept):
    url = f"http://127.0.0.1:{{page.port}}/metrics"
    return urllib.request.urlopen(urllib.request.Request(url, headers={{"Accept": accept}})).read()

datadog.force_flush()
print(json.dumps({{
    "metrics": memory.get_metrics_data().to_json(),
    "text": scraped("text/plain").decode(),
    "openmetrics": scraped("application/openmetrics-text; version=1.0.0").decode(),
    "spans": [span.to_json() for span in spans.get_finished_spans()],
    "events": events.seen,
}}))
"""


class Agent:
    """Takes what is sent to Datadog's Agent, until an empty datagram; a context manager."""

    def __init__(self, path: Path) -> None:
        self.packets: list[str] = []
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
            last.sendto(b"", str(self._path))
        self._thread.join()
        self._socket.close()

    def _run(self) -> None:
        while packet := self._socket.recv(65_536):
            self.packets.append(packet.decode())


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return what a process has told on each road, and the files that it has left."""
    folder = tmp_path_factory.mktemp("privacy")
    rng = np.random.default_rng(0)
    normal = pd.DataFrame(
        {"amount": rng.normal(size=2000), "country": rng.choice(["a", "b"], 2000)}
    )
    save(build(normal), folder / f"{MODEL}.reference.json")
    environ = {
        **{k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "TIDEGAUGE_", "DD_"))},
        "TMPDIR": str(folder),
        "TIDEGAUGE_STATE_DIR": str(folder / "state"),
        "TIDEGAUGE_REFERENCE": str(folder),
        "TIDEGAUGE_DRIFT_WINDOWS": "300rows",
        "TIDEGAUGE_DRIFT_FLEET": "true",
        "TIDEGAUGE_DRIFT_EXPORT": "psi,ks.statistic,detected,data_quality",
    }
    with Agent(folder / "agent") as agent:
        done = subprocess.run(
            [sys.executable, "-c", JOB],
            env={**environ, "DD_DOGSTATSD_URL": f"unix://{folder / 'agent'}"},
            cwd=folder, capture_output=True, text=True, timeout=LIMIT_S, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    files = {str(path): path.read_text() for path in folder.rglob("*") if path.is_file()}
    return {"told": done.stdout, "log": done.stderr, "datadog": "\n".join(agent.packets), **files}


def test_each_road_was_taken(left: dict[str, str]) -> None:
    """Else the next test would find nothing in nothing."""
    for road in ("told", "datadog"):
        assert MODEL in left[road]
    assert "record.predict:ValueError: Tidegauge met a fault" in left["log"]
    for found in ("drift_psi_value", "family", "error_type", "drifted", "prediction_id"):
        assert found in left["told"]
    assert [True] == [
        "new_category" in text for name, text in left.items() if name.endswith(".status.json")
    ]
    assert "_e{" in left["datadog"]


@pytest.mark.parametrize("value", [TEXT, f"{NUMBER:.0f}"])
def test_no_value_of_a_row_has_left(left: dict[str, str], value: str) -> None:
    """Neither a text nor a number, also where the model or the app could not read it."""
    assert [] == [road for road, text in left.items() if value in text]

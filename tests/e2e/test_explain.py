"""An alarm from end to end: a process drifts, logs the change, ends, and is explained."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tidegauge_drift import build, save

if TYPE_CHECKING:
    from pathlib import Path

LIMIT_S = 120.0

# Rows of ten minutes of a clock that goes when it is told to; the end is the process's own.
JOB = """
import json, os, signal, sys
import numpy as np
import tidegauge
from opentelemetry import _logs
from opentelemetry.sdk._logs import LoggerProvider, export
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from tidegauge.runtime import shared
from tidegauge_distro import configure

class Lines:
    def export(self, batch):
        for each in batch:
            record = each.log_record
            name = getattr(record, "event_name", None) or record.attributes["event.name"]
            print(json.dumps([name, dict(record.attributes)]), flush=True)
        return getattr(export, "LogRecordExportResult", None) or export.LogExportResult
    def shutdown(self): pass
    def force_flush(self, timeout_millis=0): return True

logs = LoggerProvider()
logs.add_log_record_processor(export.BatchLogRecordProcessor(Lines()))
_logs.set_logger_provider(logs)
now_s = 1_700_000_000.0
shared.clock = lambda: now_s
configure(MeterProvider([InMemoryMetricReader()]))
model = tidegauge.Model("churn_of_the_test", version="2")
rng = np.random.default_rng(1)
for i in range(60):
    rows = rng.normal(size=(100, 3))
    rows[:, 1] += 1.0 if i >= 30 else 0.0
    with model.prediction(rows) as prediction:
        prediction.output = np.zeros(100)
    now_s += 10
    tidegauge.flush()
if sys.argv[1] == "SIGTERM":
    print("ready", flush=True)
    signal.pause()
"""


@pytest.mark.parametrize("end", ["exit", "SIGTERM"])
def test_an_alarm_is_logged_and_explained_after_the_process_has_ended(
    tmp_path: Path, end: str
) -> None:
    """Nothing is set but the reference: the command finds what the process has left."""
    save(build(np.random.default_rng(0).normal(size=(2000, 3))), tmp_path / "a.reference.json")
    environ = {
        **{k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "TIDEGAUGE_"))},
        "TMPDIR": str(tmp_path),
        "COLUMNS": "80",
    }
    told = {
        "TIDEGAUGE_REFERENCE": str(tmp_path / "a.reference.json"),
        "TIDEGAUGE_DRIFT_WINDOWS": "300rows",
    }
    lines: list[Any] = []
    with subprocess.Popen(
        [sys.executable, "-c", JOB, end], env={**environ, **told}, stdout=subprocess.PIPE, text=True
    ) as job:
        assert job.stdout is not None
        for line in job.stdout:
            if line == "ready\n":
                job.send_signal(signal.SIGTERM)
            else:
                lines.append(json.loads(line))
        job.wait(LIMIT_S)
    done = subprocess.run(
        [sys.executable, "-m", "tidegauge_distro", "explain", "churn_of_the_test"],
        env=environ, capture_output=True, text=True, check=True, timeout=LIMIT_S,
    )  # fmt: skip

    names, changes = zip(*lines, strict=True)
    assert set(names) == {"model.drift.detected"}
    assert [(c["feature"], c["state"]) for c in changes if c["family"] == "inputs"] == [
        ("", "drifted"), ("x1", "drifted"),
    ]  # fmt: skip
    assert {c["model_name"] for c in changes} == {"churn_of_the_test"}
    first = done.stdout.splitlines()[0]
    assert first.startswith("churn_of_the_test 2: ALARM since 2023-11-14 22:1")
    assert first.endswith("inputs")
    assert "1. x1 (input): alarm" in done.stdout
    assert done.stderr == ""

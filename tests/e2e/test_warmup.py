"""A service without training data, deployed anew again and again: it learns, then it watches."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

LIMIT_S = 120.0

# Rows of some minutes of a clock that goes when it is told to; it says what is exported.
LIFE = """
import json, os, signal, sys, time
import numpy as np
import tidegauge
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from tidegauge.runtime import shared
from tidegauge_distro import configure

life, end = int(sys.argv[1]), sys.argv[2]
now_s = 1_700_000_000.0 + 7200 * life
shared.clock = lambda: now_s
reader = InMemoryMetricReader()
configure(MeterProvider([reader]))
model = tidegauge.Model("unknown", version="1")
rng = np.random.default_rng(life)

def serve(calls, shift=0.0):
    global now_s
    for _ in range(calls):
        rows = rng.normal(size=(50, 3)) + [0, shift, 0]
        with model.prediction(rows) as prediction:
            prediction.output = rows[:, 0]
        now_s += 5
        tidegauge.flush()

serve(24)
if end == "learnt":
    path = os.environ["TIDEGAUGE_STATE_DIR"] + "/unknown.1.reference.json"
    deadline = time.monotonic() + 60
    while not os.path.exists(path) and time.monotonic() < deadline:
        time.sleep(0.1)
        serve(1)
    serve(60)
    serve(60, shift=1.0)
found = {}
data = reader.get_metrics_data()
for resource in data.resource_metrics if data else ():
    for scope in resource.scope_metrics:
        for metric in scope.metrics:
            if metric.name.startswith("drift."):
                found[metric.name] = [
                    [dict(p.attributes), p.value] for p in metric.data.data_points
                ]
print(json.dumps(found), flush=True)
if end == "SIGTERM":
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(60)
"""


@pytest.mark.backends  # needs no service, but long
def test_a_service_that_is_deployed_anew_learns_and_then_watches(tmp_path: Path) -> None:
    """Three lives of two minutes leave what they have learnt; the fourth goes on from there."""
    environ = {
        **{k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "TIDEGAUGE_"))},
        "TMPDIR": str(tmp_path),
        "COLUMNS": "80",
        "TIDEGAUGE_STATE_DIR": str(tmp_path / "state"),
    }
    told = {"TIDEGAUGE_REFERENCE": "warmup:3000,5m", "TIDEGAUGE_DRIFT_WINDOWS": "1000rows"}

    def live(life: int, end: str) -> tuple[int, dict[str, list[list[object]]]]:
        done = subprocess.run(
            [sys.executable, "-c", LIFE, str(life), end], env={**environ, **told},
            stdout=subprocess.PIPE, text=True, check=False, timeout=LIMIT_S,
        )  # fmt: skip
        return done.returncode, json.loads(done.stdout)

    ends = [live(life, end) for life, end in enumerate(("exit", "SIGTERM", "exit"))]
    assert [code for code, _ in ends] == [0, -signal.SIGTERM, 0]
    assert [found for _, found in ends] == [{}, {}, {}]
    assert len(list((tmp_path / "state").glob("unknown.1.*.warmup"))) == 3

    code, found = live(3, "learnt")
    (info,) = found["drift.reference.info"]
    on = {
        attributes["feature"]: value
        for attributes, value in found["drift.detected"]
        if isinstance(attributes, dict) and attributes["family"] in ("inputs", "outputs")
    }
    explained = subprocess.run(
        [sys.executable, "-m", "tidegauge_distro", "explain", "unknown"],
        env=environ, capture_output=True, text=True, check=True, timeout=LIMIT_S,
    )  # fmt: skip

    assert code == 0
    assert str(info[0]).count("warmup of 0.") == 1
    assert on["x1"] == 1
    assert (on["x0"], on["x2"]) == (0, 0)
    assert list((tmp_path / "state").glob("*.warmup")) == []
    assert explained.stdout.startswith("unknown 1: ALARM")
    assert "rows of warmup of 0." in explained.stdout

"""Boosters and estimators behind uvicorn, started as their users start it."""

from __future__ import annotations

import os
import re
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import joblib
import lightgbm
import pytest
from tidegauge_testkit.backends import ServedApp, free_port
from tidegauge_testkit.backends.process import wait_until
from tidegauge_testkit.backends.web import get_text

pytestmark = pytest.mark.backends

BIN = Path(sys.executable).parent
REQUESTS = 60
APP = """
import joblib
import lightgbm
import numpy as np
from fastapi import FastAPI

app = FastAPI()
booster = lightgbm.Booster(model_file="fraud_v3.txt")
churn = joblib.load("churn.joblib")
rows = np.random.default_rng(0).normal(size=(100, 4))

@app.get("/fraud/{at}")
def fraud(at: int) -> float:
    return float(booster.predict(rows[at : at + 2], num_threads=1)[0])

@app.get("/churn/{at}")
def churned(at: int) -> float:
    return float(churn.predict_proba(rows[at : at + 1])[0, 1])
"""
SAMPLE = re.compile(r"^(\w+)\{(.*)\} (\S+)$", re.MULTILINE)


def samples(page: str, name: str) -> dict[tuple[str, ...], float]:
    """Return the values of one metric by model, operation and what else its labels say."""
    return {
        tuple(value for _, value in re.findall(r'(\w+)="([^"]+)"', labels)): float(value)
        for family, labels, value in SAMPLE.findall(page)
        if family == name
    }


@pytest.mark.parametrize("workers", [1, 2])
def test_every_request_counts(
    tmp_path: Path, booster: Any, rows: Any, labels: Any, workers: int
) -> None:
    """Exactly those that were sent, by the names of the files, in whatever worker."""
    booster.save_model(tmp_path / "fraud_v3.txt")
    churn = lightgbm.LGBMClassifier(n_estimators=2, n_jobs=1, verbosity=-1).fit(rows, labels)
    joblib.dump(churn, tmp_path / "churn.joblib")
    (tmp_path / "app.py").write_text(APP)
    port, metrics_port = free_port(), free_port()
    environment = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("OTEL_", "TIDEGAUGE_", "PYTHON"))
    } | {
        "OTEL_PYTHON_DISTRO": "tidegauge_distro",
        "OTEL_PYTHON_CONFIGURATOR": "tidegauge_configurator",
        "OTEL_METRICS_EXPORTER": "tidegauge_prometheus",
        "OTEL_TRACES_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        "OTEL_EXPORTER_PROMETHEUS_PORT": str(metrics_port),
    }
    command = [
        str(BIN / "opentelemetry-instrument"), str(BIN / "uvicorn"), "app:app",
        "--host", "127.0.0.1", "--port", str(port), "--workers", str(workers),
    ]  # fmt: skip
    with ServedApp(tmp_path, command, port, environment, "/docs") as server:
        urls = [f"{server.url}/{('fraud', 'churn')[at % 2]}/{at}" for at in range(REQUESTS)]
        with ThreadPoolExecutor(4) as pool:
            answers = Counter(0 <= float(text) <= 1 for text in pool.map(get_text, urls))
        assert {True: REQUESTS} == answers
        page = f"http://127.0.0.1:{metrics_port}/metrics"

        def complete() -> dict[tuple[str, ...], float] | None:
            found = samples(get_text(page), "model_requests_total")
            return found if sum(found.values()) >= REQUESTS else None

        # What another worker has counted is in its file within a second.
        found = wait_until(complete, "the requests", 60)
        half = REQUESTS / 2
        assert found == {
            ("fraud_v3", "predict", "success"): half,
            ("fraud_v3", "predict", "error"): 0,
            ("churn", "predict_proba", "success"): half,
            ("churn", "predict_proba", "error"): 0,
        }
        values = samples(get_text(page), "model_prediction_value_count")
        assert {("fraud_v3",): REQUESTS, ("churn", "1"): half} == values
        assert server.terminate() is not None
        assert "Traceback" not in server.output()

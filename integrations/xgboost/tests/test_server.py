"""Boosters and estimators behind uvicorn, started as their users start it."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import xgboost
from tidegauge_testkit.backends.web import get_text
from tidegauge_testkit.backends.zero_code import ZeroCodeApp

pytestmark = pytest.mark.backends

REQUESTS = 60
APP = """
import numpy as np
import xgboost
from fastapi import FastAPI

app = FastAPI()
booster = xgboost.Booster({"nthread": 1}, model_file="fraud_v3.ubj")
churn = xgboost.XGBClassifier(n_jobs=1)
churn.load_model("churn.json")
rows = np.random.default_rng(0).normal(size=(100, 4))

@app.get("/fraud/{at}")
def fraud(at: int) -> float:
    return float(booster.predict(xgboost.DMatrix(rows[at : at + 2]))[0])

@app.get("/churn/{at}")
def churned(at: int) -> float:
    return float(churn.predict_proba(rows[at : at + 1])[0, 1])
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_every_request_counts(
    tmp_path: Path, booster: Any, rows: Any, labels: Any, workers: int
) -> None:
    """Exactly those that were sent, by the names of the files, in whatever worker."""
    booster.save_model(tmp_path / "fraud_v3.ubj")
    xgboost.XGBClassifier(n_estimators=2, n_jobs=1).fit(rows, labels).save_model(
        tmp_path / "churn.json"
    )
    with ZeroCodeApp(tmp_path, APP, workers=workers) as server:
        urls = [f"{server.url}/{('fraud', 'churn')[at % 2]}/{at}" for at in range(REQUESTS)]
        with ThreadPoolExecutor(4) as pool:
            answers = Counter(0 <= float(text) <= 1 for text in pool.map(get_text, urls))
        assert {True: REQUESTS} == answers
        half = REQUESTS / 2
        assert server.requests(REQUESTS) == {
            ("fraud_v3", "predict", "success"): half,
            ("fraud_v3", "predict", "error"): 0,
            ("churn", "predict_proba", "success"): half,
            ("churn", "predict_proba", "error"): 0,
        }
        values = server.samples("model_prediction_value_count")
        assert {("fraud_v3",): REQUESTS, ("churn", "1"): half} == values
        assert server.terminate() is not None
        assert "Traceback" not in server.output()

"""CatBoost models behind uvicorn, started as their users start it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tidegauge_testkit.backends.web import get_text
from tidegauge_testkit.backends.zero_code import ZeroCodeApp

pytestmark = pytest.mark.backends

REQUESTS = 60
APP = """
import numpy as np
from catboost import CatBoostClassifier, CatBoostRegressor, Pool
from fastapi import FastAPI

app = FastAPI()
fraud = CatBoostClassifier().load_model("fraud_v3.cbm")
price = CatBoostRegressor()
price.load_model("price.cbm")
rows = np.random.default_rng(0).normal(size=(100, 4))

@app.get("/fraud/{at}")
def score(at: int) -> float:
    return float(fraud.predict_proba(rows[at : at + 2])[0, 1])

@app.get("/price/{at}")
def estimate(at: int) -> float:
    return float(price.predict(Pool(rows[at : at + 1]))[0])
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_every_request_counts(tmp_path: Path, binary: Any, regressor: Any, workers: int) -> None:
    """Exactly those that were sent, by the names of the files, in whatever worker."""
    binary.save_model(str(tmp_path / "fraud_v3.cbm"))
    regressor.save_model(str(tmp_path / "price.cbm"))
    with ZeroCodeApp(tmp_path, APP, workers=workers) as server:
        urls = [f"{server.url}/{('fraud', 'price')[at % 2]}/{at}" for at in range(REQUESTS)]
        with ThreadPoolExecutor(4) as pool:
            assert REQUESTS == len([float(text) for text in pool.map(get_text, urls)])
        half = REQUESTS / 2
        assert server.requests(REQUESTS) == {
            ("fraud_v3", "predict_proba", "success"): half,
            ("fraud_v3", "predict_proba", "error"): 0,
            ("price", "predict", "success"): half,
            ("price", "predict", "error"): 0,
        }
        values = server.samples("model_prediction_value_count")
        assert {("fraud_v3", "1"): REQUESTS, ("price",): half} == values
        assert "Traceback" not in server.output()

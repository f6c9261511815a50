"""A pipeline of transformers behind uvicorn, started as its users start it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tidegauge_testkit.backends.web import get_text
from tidegauge_testkit.backends.zero_code import ZeroCodeApp

pytestmark = pytest.mark.backends

REQUESTS = 40
APP = """
from fastapi import FastAPI
from transformers import pipeline

app = FastAPI()
classify = pipeline("text-classification", "tide-v1.5", device="cpu")

@app.get("/tide/{text}")
def tide(text: str) -> float:
    return classify([text, "low"])[0]["score"]
"""
NAME = "text-classification[tide-v1.5]"


def test_every_request_counts(tmp_path: Path, workshop: Any) -> None:
    """Exactly those that were sent, by task and folder, and no word of them is scraped."""
    workshop.pipeline("text-classification").save_pretrained(tmp_path / "tide-v1.5")
    with ZeroCodeApp(tmp_path, APP, {"HF_HUB_OFFLINE": "1"}) as server:
        urls = [f"{server.url}/tide/secret{at}" for at in range(REQUESTS)]
        with ThreadPoolExecutor(4) as pool:
            assert REQUESTS == len([float(text) for text in pool.map(get_text, urls)])
        assert server.requests(REQUESTS) == {
            (NAME, "__call__", "success"): REQUESTS,
            (NAME, "__call__", "error"): 0,
        }
        values = server.samples("model_prediction_value_count")
        assert {(NAME, "score"): 2 * REQUESTS} == values
        assert "secret" not in server.metrics()
        assert "Traceback" not in server.output()

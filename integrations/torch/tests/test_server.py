"""A compiled PyTorch model behind uvicorn, started as its users start it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tidegauge_testkit.backends.web import get_text
from tidegauge_testkit.backends.zero_code import ZeroCodeApp

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.backends

REQUESTS = 40
APP = """
import torch
from fastapi import FastAPI

class Fraud(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(3, 1)

    def forward(self, rows):
        return self.layer(rows)

app = FastAPI()
fraud = Fraud()
fraud.load_state_dict(torch.load("fraud_v3.pt", weights_only=True))
fraud = torch.compile(fraud.eval(), backend="eager", fullgraph=True)

@app.get("/fraud/{at}")
def score(at: int) -> float:
    with torch.inference_mode():
        return float(fraud(torch.full((2, 3), float(at)))[0])
"""


def test_every_request_counts(tmp_path: Path) -> None:
    """Exactly those that were sent, by the name of the weights' file."""
    layer = torch.nn.Linear(3, 1)
    weights = {f"layer.{name}": value for name, value in layer.state_dict().items()}
    torch.save(type(layer.state_dict())(weights), tmp_path / "fraud_v3.pt")
    with ZeroCodeApp(tmp_path, APP, {"TIDEGAUGE_TORCH_CLASSES": "Fraud"}) as server:
        urls = [f"{server.url}/fraud/{at}" for at in range(REQUESTS)]
        with ThreadPoolExecutor(4) as pool:
            assert REQUESTS == len([float(text) for text in pool.map(get_text, urls)])
        assert server.requests(REQUESTS) == {
            ("fraud_v3", "__call__", "success"): REQUESTS,
            ("fraud_v3", "__call__", "error"): 0,
        }
        assert {("fraud_v3",): 2 * REQUESTS} == server.samples("model_prediction_value_count")
        assert "Traceback" not in server.output()

"""A service that answers with models of three kinds of files: nothing in it knows of Tidegauge."""

from __future__ import annotations

import asyncio
from typing import Any

import joblib
import numpy as np
import onnxruntime
import skops.io
from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()
fraud = joblib.load("models/fraud_v3.joblib")
regions = joblib.load("models/model.joblib")
churn = skops.io.load("models/churn.skops")
price = onnxruntime.InferenceSession("models/house_prices.onnx")


class Rows(BaseModel):
    """The rows to score."""

    rows: list[list[float]]


@app.post("/fraud")
def score_fraud(body: Rows) -> list[float]:
    """Ask scikit-learn's model of a file of joblib."""
    return [float(value) for value in fraud.predict(body.rows)]


@app.post("/region/{name}")
def score_region(name: str, body: Rows) -> list[float]:
    """Ask one of several models of one file."""
    return [float(value) for value in regions[name].predict(body.rows)]


@app.post("/churn")
def score_churn(body: Rows) -> list[float]:
    """Ask scikit-learn's model of a file of skops."""
    return [float(value) for value in churn.predict(body.rows)]


@app.post("/price")
def score_price(body: Rows) -> list[float]:
    """Ask ONNX Runtime, which refuses rows of another width."""
    (answer,) = price.run(None, {"X": np.array(body.rows, dtype=np.float32)})
    return [float(value) for value in answer.ravel()]


@app.post("/bound")
def score_bound(body: Rows) -> list[float]:
    """Ask it with values that are bound."""
    binding = price.io_binding()
    binding.bind_cpu_input("X", np.array(body.rows, dtype=np.float32))
    binding.bind_output("Y")
    price.run_with_iobinding(binding)
    return [float(value) for value in binding.copy_outputs_to_cpu()[0].ravel()]


@app.post("/later")
async def score_later(body: Rows) -> list[float]:
    """Ask it without waiting for the answer on the event loop."""
    loop = asyncio.get_running_loop()
    answered: asyncio.Future[Any] = loop.create_future()

    def tell(results: Any, _: Any, error: str) -> None:
        loop.call_soon_threadsafe(answered.set_result, None if error else results[0])

    price.run_async(None, {"X": np.array(body.rows, dtype=np.float32)}, tell, None)
    return [float(value) for value in (await answered).ravel()]

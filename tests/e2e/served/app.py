"""A scoring service as anybody writes it: nothing in it knows that it is watched."""

from __future__ import annotations

import joblib
import pandas as pd
from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()
model = joblib.load("model.joblib")


class Rows(BaseModel):
    """The rows to score: a value for each feature."""

    rows: list[dict[str, float]]


@app.post("/score")
def score(body: Rows) -> list[float]:
    """Return one score a row."""
    scores: list[float] = model.predict(pd.DataFrame(body.rows)).tolist()
    return scores

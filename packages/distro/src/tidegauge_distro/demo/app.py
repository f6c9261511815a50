"""Predicts how many bikes will be rented in an hour."""

from __future__ import annotations

from typing import Any

import joblib
import pandas as pd
from fastapi import FastAPI

model = joblib.load("bikes.joblib")
app = FastAPI()


@app.post("/predict")
def predict(hour: dict[str, Any]) -> dict[str, float]:
    """Predict from the weather and the clock."""
    return {"bikers": float(model.predict(pd.DataFrame([hour]))[0])}

"""A model and a function that scores with it; nothing here knows that it is watched."""

from __future__ import annotations

import os
from typing import Any

import joblib
import numpy as np

model = joblib.load("model.joblib")


def score(body: dict[str, Any]) -> dict[str, Any]:
    """Return one score a row, and which process made them."""
    scores = model.predict(np.asarray(body["rows"])).tolist()
    return {"scores": scores, "worker": os.getpid()}

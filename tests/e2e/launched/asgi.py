"""A scoring service in FastAPI."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from scoring import score

app = FastAPI()


@app.post("/score")
def scored(body: dict[str, Any]) -> dict[str, Any]:
    """Return one score a row, and which process made them."""
    return score(body)

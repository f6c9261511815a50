"""FastAPI, as anybody writes it: a router that is included, and an endpoint in a thread."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI
from scorer import score

router = APIRouter(prefix="/score")


@router.get("/{customer}")
def scored(customer: str, seconds: float) -> int:
    """Return a score."""
    return score(seconds)


app = FastAPI()
app.include_router(router, prefix="/v1")

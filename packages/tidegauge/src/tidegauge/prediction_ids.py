"""Ids of predictions: what an outcome that comes later refers to."""

from __future__ import annotations

from itertools import count
from os import urandom

_prediction_ids = count()
_process_id = urandom(6).hex()


def new() -> str:
    """Return an id that no other process uses, cheaper than a UUID."""
    return f"{_process_id}-{next(_prediction_ids):x}"


def renew_process() -> None:
    """Give a forked child ids of its own."""
    global _process_id  # noqa: PLW0603 - one value a process
    _process_id = urandom(6).hex()

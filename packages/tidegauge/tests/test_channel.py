"""What waits: how much memory it is taken for."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse
from tidegauge import Model
from tidegauge.channel import MAX_OPERATIONS, payload_bytes
from tidegauge.snapshot import take

ROWS, COLUMNS = 200, 50
NAMES = [f"f{i}" for i in range(COLUMNS)]


def frame() -> pd.DataFrame:
    """Return numbers and texts."""
    return pd.DataFrame(np.random.default_rng(7).random((ROWS, COLUMNS)), columns=NAMES)


FORMS: dict[str, Callable[[], Any]] = {
    "array": lambda: np.random.default_rng(7).random((ROWS, COLUMNS)),
    "lists": lambda: np.random.default_rng(7).random((ROWS, COLUMNS)).tolist(),
    "dict": lambda: dict(
        zip(NAMES, np.random.default_rng(7).random(COLUMNS).tolist(), strict=True)
    ),
    "frame": frame,
    "mixed frame": lambda: frame().assign(n=range(ROWS), t=[str(i) for i in range(ROWS)]),
    "long texts": lambda: [[1.0, str(i) * 5_000] for i in range(10)],
    "dict of a long text": lambda: {"a": 1.0, "text": str(ROWS) * 50_000},
    "dicts of long texts": lambda: [{"a": 1.0, "text": str(i) * 5_000} for i in range(10)],
    "frame of long texts": lambda: pd.DataFrame(
        {"a": 1.0, "text": np.array([str(i) * 5_000 for i in range(10)], object)}
    ).astype({"text": object}),
    "sparse": lambda: scipy.sparse.csr_array(np.random.default_rng(7).random((ROWS, COLUMNS))),
}


@pytest.mark.parametrize("form", FORMS)
def test_the_estimate_is_near_the_truth(form: str) -> None:
    """Within a factor of three either way, the caller's own objects included."""
    take(FORMS[form](), 0, 1)  # what is made once is made
    tracemalloc.start()
    try:
        data = FORMS[form]()
        snapshot = take(data, 0, 1)
        del data
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken / 3 < payload_bytes(snapshot) < taken * 3


def test_what_is_not_there_takes_nothing() -> None:
    """An input that could not be read; what does not tell its size, a little."""
    assert 0 == payload_bytes(None)
    assert payload_bytes(take(pl.DataFrame({"a": [1]}), 0, 1)) >= 1000
    assert payload_bytes(take(pl.DataFrame({"a": ["x" * 9_000]}), 0, 1)) > 9_000  # not traced


def test_operations_are_bounded(core: Any, warnings_of: Callable[[], list[str]]) -> None:
    """An app that makes one up for each call: all are counted, and memory stays bounded."""
    for number in range(MAX_OPERATIONS + 30):
        with Model("m", operation=f"op{number}").prediction([1.0]) as p:
            p.output = 1.0
    core.pipeline.flush()
    found = {operation: c.success for (_, operation), c in core.pipeline.tally.calls.items()}
    assert {"op0": 1, "other": 30} == {name: found[name] for name in ("op0", "other")}
    assert MAX_OPERATIONS + 1 == len(found)
    assert [
        f"More than {MAX_OPERATIONS} operations in this process: further ones are counted as "
        "operation 'other'. Name operations by what they do, not by call."
    ] == warnings_of()

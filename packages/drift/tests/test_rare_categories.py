"""Categories that a reference has once, never, or has by luck: clean rows do not seem to move."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from tidegauge.batch import Table
from tidegauge_drift import build
from tidegauge_drift.judge import Check, Finding, judge_feature, judge_quality
from tidegauge_drift.layout import Layout

WINDOWS = 5


def _zipf(levels: int) -> NDArray[Any]:
    shares: NDArray[Any] = 1 / np.arange(1, levels + 1)
    return np.asarray(shares / shares.sum())


def _draw(
    shares: NDArray[Any],
    reference_rows: int,
    rows: int,
    moved: NDArray[Any] | None = None,
    references: int = 40,
) -> tuple[list[Finding], list[Check]]:
    """Judge windows of the same shares, or of others, against references drawn anew."""
    rng = np.random.default_rng(9)
    levels = np.array([f"c{i}" for i in range(shares.size)], object)
    findings, checks = [], []
    for _ in range(references):
        known = rng.choice(levels, size=reference_rows, p=shares)
        layout = Layout(build(pd.DataFrame({"c": known})))
        slot, reference = layout.slots[0], layout.counts.astype(np.int64)
        matched = layout.match_inputs(_table(known))
        for _ in range(WINDOWS):
            table = _table(rng.choice(levels, size=rows, p=shares if moved is None else moved))
            current = layout.inputs.count(table, matched.columns)
            findings.append(judge_feature(slot, reference, current, layout.bins, 1.0))
            found = {c.name: c for c in judge_quality(slot, reference, current, 1.0).checks}
            checks.append(found["new_category"])
    return findings, checks


def _table(column: NDArray[Any]) -> Table:
    return Table(column.size, ("c",), columns=(column,))


def _share(found: list[Finding] | list[Check], level: float) -> float:
    return float(np.mean([f.p_value is not None and f.p_value <= level for f in found]))


@pytest.mark.parametrize(
    ("shares", "reference_rows", "rows"),
    [
        (_zipf(100), 1000, 1200),  # some are in the reference once, some never
        (np.full(500, 1 / 500), 10_000, 1200),  # luck alone chooses the hundred that have a cell
        (np.full(150, 1 / 150), 1000, 300),
    ],
)
def test_clean_rows_keep_the_level(shares: NDArray[Any], reference_rows: int, rows: int) -> None:
    """200 clean windows at .05: at most .09 below it, the upper end for a true .05."""
    findings, checks = _draw(shares, reference_rows, rows)

    assert _share(findings, 0.05) <= 0.09
    assert _share(checks, 0.05) <= 0.09


def test_drift_of_rare_categories_is_still_found() -> None:
    """Half of the rows move to the rarest twenty of 500; or to categories never seen."""
    moved = np.full(500, 0.5 / 480)
    moved[-20:] = 0.5 / 20
    findings, _ = _draw(np.full(500, 1 / 500), 10_000, 1200, moved, 4)
    unseen = np.append(_zipf(100) * 0.9, 0.1)
    _, checks = _draw(np.append(_zipf(100), 0.0), 1000, 1200, unseen, 8)

    assert _share(findings, 1e-6) == 1.0
    assert _share(checks, 1e-3) >= 0.9


def test_fewer_new_categories_are_no_fault() -> None:
    """A window without the tail is drift of the values, not of their quality."""
    shares = _zipf(1000)
    head = np.where(np.arange(1000) < 30, shares, 0.0)
    findings, checks = _draw(shares, 1000, 1200, head / head.sum(), 8)

    assert _share(checks, 0.99) == 0.0
    assert _share(findings, 1e-6) == 1.0

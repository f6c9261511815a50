"""What the comparison of one feature yields before all features are judged together."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from tidegauge_drift.judge import FLOOR_DISTANCE, FLOOR_H, FLOOR_PSI, MINIMUM_ROWS, Check
from tidegauge_drift.proportions import cohens_h
from tidegauge_drift.psi import FLOOR
from tidegauge_drift.report.result import NO_SUMMARY, Bin, Histogram, Statistic, Summary

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tidegauge_drift.chi_square import ChiSquareResult
    from tidegauge_drift.counts import Counts

ROWS = f"a verdict needs {MINIMUM_ROWS}"


@dataclass(frozen=True, slots=True, eq=False)
class Test:
    """The test of one feature: a p-value, and how large the change is in units of the floor."""

    p_value: float | None = None
    effect: float = 0.0
    effect_of: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Share:
    """A share of rows on both sides, with the check of one against the other."""

    reference: float
    check: Check


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """All that is known of one feature."""

    name: str
    family: str
    kind: str
    test: Test
    reference: Summary = NO_SUMMARY
    current: Summary = NO_SUMMARY
    effective_rows: tuple[float, float] = (0.0, 0.0)
    statistics: dict[str, Statistic] = field(default_factory=dict)
    shares: tuple[Share, ...] = ()
    bins: tuple[Bin, ...] = ()
    histogram: Histogram | None = None
    deff: float = 1.0


def too_few(reference: int, current: int, deff: float) -> str:
    """Return why these rows with a value get no verdict, empty if they do."""
    if current == 0:
        return "the current rows have no value that can be compared"
    if reference == 0:
        return "the reference has no value that can be compared"
    side, rows = min((("reference", reference), ("current", current)), key=lambda pair: pair[1])
    if rows / deff >= MINIMUM_ROWS:
        return ""
    if rows < MINIMUM_ROWS:
        return f"{side} has {rows} rows with a value; {ROWS}"
    worth = f"{rows / deff:.1f}"
    return (
        f"dependent rows: those of {side} with a value are worth {worth} independent ones; {ROWS}"
    )


def largest_effect(
    p: Counts, q: Counts, psi: float, *, ks: float = 0.0, shares: Iterable[tuple[float, float]] = ()
) -> tuple[float, str]:
    """Return the largest change in units of its floor, and what it is a change of.

    ``p`` and ``q`` are counts on bins, ``shares`` pairs of the shares of single values.
    """
    change = float(np.abs(p / p.sum() - q / q.sum()).max())
    h = max((cohens_h(a, b) for a, b in shares), default=0.0)
    return max(
        (ks / FLOOR_DISTANCE, "ks"),
        (change / FLOOR_DISTANCE, "share"),
        (psi / FLOOR_PSI, "psi"),
        (h / FLOOR_H, "cohens_h"),
    )


def statistic(compute: Callable[[], float], *, from_cells: bool = False) -> Statistic:
    """Return what is computed, or the reason why it cannot be."""
    try:
        value = compute()
    except (ValueError, TypeError, ArithmeticError) as error:
        return Statistic(None, str(error))
    if not math.isfinite(value):
        return Statistic(None, "beyond float64")
    return Statistic(float(value), from_cells=from_cells)


def chi_square_statistic(found: ChiSquareResult, *, from_cells: bool = False) -> Statistic:
    """Return the test's statistic; a single cell has none."""
    if found.degrees_of_freedom == 0:
        return Statistic(None, "all rows are in one bin")
    return Statistic(found.statistic, "", found.p_value, from_cells)


def psi_bins(labels: Sequence[str], p: Counts, q: Counts) -> tuple[Bin, ...]:
    """Return each bin's shares and what it adds to PSI, bins without a row left out."""
    p, q = p / p.sum(), q / q.sum()
    a, b = np.maximum(p, FLOOR), np.maximum(q, FLOOR)
    added = (b - a) * np.log(b / a)
    rows = zip(labels, p.tolist(), q.tolist(), added.tolist(), strict=True)
    return tuple(Bin(*row) for row in rows if row[1] or row[2])

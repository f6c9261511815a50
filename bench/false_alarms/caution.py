"""What is won and lost by taking dependence for more than was measured, and by counting all tests.

The same windows of AR(1) rows are judged with the design effect as it was measured, with 1.645
standard errors more, with its upper bound, and as the product takes it: what chance explains as the
median of all features is taken for that first.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from counting import Dependent
from paging import Case, Model, shape
from results import complete
from sieve import Sieve
from tidegauge_drift import following
from tidegauge_drift.block import INPUTS
from tidegauge_drift.dependence import cautious, cautious_together
from tidegauge_drift.window_judge import paging_levels

if TYPE_CHECKING:
    import argparse

    from numpy.typing import NDArray

# A pane a window, so that a month has as many as can be.
CASES = [
    Case(0.9, 30, 300, 10_000), Case(0.9, 50, 500, 10_000), Case(0.9, 90, 900, 10_000),
    Case(0.5, 30, 300, 1000), Case(0.9, 30, 300, 1000), Case(0.9, 60, 600, 1000),
]  # fmt: skip
_MODELS, _WINDOWS, _MOVED = 20, 1000, 40
_SHIFT = 1.0


@dataclass(frozen=True, slots=True)
class Rule:
    """What is taken for design effects that were measured; whether undecided features are tests."""

    taken: Callable[[Sequence[float], Sequence[int]], list[float]]
    all_tests: bool = True


def measured(deffs: Sequence[float], _: Sequence[int]) -> list[float]:
    """Return them as they were measured."""
    return list(deffs)


def more(deffs: Sequence[float], rows: Sequence[int]) -> list[float]:
    """Return 1.645 standard errors more, as if their number were large."""
    pairs = zip(deffs, rows, strict=True)
    return [d * (1 + 1.645 * float(np.sqrt(20 * d / m))) if d > 1 else d for d, m in pairs]


def bound(deffs: Sequence[float], rows: Sequence[int]) -> list[float]:
    """Return the upper bound of each by itself."""
    return list(map(cautious, deffs, rows))


RULES = {
    "as measured": Rule(measured, all_tests=False), "1.645 errors more": Rule(more),
    "upper bound": Rule(bound), "upper bound, all alike": Rule(cautious_together),
}  # fmt: skip


def judged(case: Case, model: int) -> dict[str, Any]:
    """Return the onsets to be expected of clean windows, and how many show a shift, by rule."""
    made = shape(case)
    drawn = _measured(case.rho, case.reference, model)
    rng = np.random.default_rng((29, round(100 * case.rho), made.rows, case.reference, model))
    series = Dependent(rng, case.rho, drawn.counting.columns)
    clean, moved = (
        series.next([drawn.counting], made.rows, many, shift)[0].astype(np.int64)
        for many, shift in ((_WINDOWS, 0.0), (_MOVED, _SHIFT))
    )
    level = paging_levels(made.window(drawn.layout.counts), drawn.layout, 1)[INPUTS]
    onsets, seen = {}, {}
    for name, rule in RULES.items():
        flags = _flags(drawn, clean, rule, level).sum(axis=0).astype(np.float64)
        pairs = (flags * (flags - 1)).sum() / (_WINDOWS * (_WINDOWS - 1))
        onsets[name] = float(pairs * made.a_month)
        seen[name] = float(_flags(drawn, moved, rule, level)[:, 0].mean())
    return {"case": case.name, "model": model, "onsets": onsets, "seen": seen}


@functools.lru_cache(maxsize=1)
def _measured(rho: float, reference: int, model: int) -> Model:
    following.cautious_together = measured
    return Model(rho, reference, 1000 + model)


def _flags(drawn: Model, windows: NDArray[np.int64], rule: Rule, level: float) -> NDArray[np.bool_]:
    """Return which inputs of each window Benjamini and Hochberg reject."""
    found = []
    slots = [slot for slot in drawn.layout.slots if slot.family == INPUTS]
    counts = [drawn.layout.counts[slot.start : slot.stop].astype(np.int64) for slot in slots]
    rows = [int(reference[:-2].sum()) for reference in counts]
    taken = rule.taken([slot.deff for slot in slots], rows)
    for slot, reference, deff in zip(slots, counts, taken, strict=True):
        raised = replace(slot, deff=deff)
        sieve = Sieve(drawn.layout, {})
        found.append(sieve.values(raised, reference, windows[:, slot.start : slot.stop]))
    p_values = np.stack(found, axis=1)
    many = p_values.shape[1]
    tests = many if rule.all_tests else np.maximum(1, (~np.isnan(p_values)).sum(axis=1))
    known = np.where(np.isnan(p_values), 2.0, p_values)
    ordered = np.sort(known, axis=1)
    limits = level * np.arange(1, many + 1) / np.reshape(tests, (-1, 1))
    last = np.where(ordered <= limits, ordered, -1.0).max(axis=1)
    return np.asarray(known <= last[:, None])


def run(given: argparse.Namespace) -> None:
    """Judge windows of some models of each case."""
    tasks = (
        ({"case": case.name, "model": model}, functools.partial(judged, case, model))
        for model in range(1 if given.quick else _MODELS)
        for case in CASES
        if given.only in case.name
    )
    complete(given.results / "caution.jsonl", tasks, "caution")

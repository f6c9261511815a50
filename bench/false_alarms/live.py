"""The cases of the live verdict, run and summed up."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from paging import Case, clean, delay, shape
from results import complete
from scipy import special

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

# Without an onset in so many months of windows the upper 95 % bound is 1 a month.
_MONTHS = 3.1
# So many references at least, so that rare ones are met.
_MODELS = 40
_WINDOWS = 5000
# 10,000 dependent rows a window: too many to prove anything, a look all the same.
_DEAR, _FEW = 1000, 300
SHIFTS = (0.25, 0.5, 1.0)
_TRIALS = 40


def cases() -> list[Case]:
    """Return the lines of the table, those first that decide most.

    At 1,000 rows/s a pane has more rows than any of the windows: one case stands for all three.
    """
    return [
        Case(rho, rate, rows, reference)
        for reference in (10_000, 1000)
        for rho in (0.0, 0.5, 0.9)
        for rate, rows in (
            (30, 1000), (30, 5000), (1, 300), (1, 1000), (1, 5000), (30, 300), (1000, 1000),
        )
    ]  # fmt: skip


def chosen(given: argparse.Namespace) -> Iterator[Case]:
    """Yield the cases that the command line asks for."""
    return (case for case in cases() if given.only in case.name)


def run(given: argparse.Namespace) -> None:
    """Simulate clean months: one model of each case, then the next of each."""
    wanted = list(chosen(given))
    plan = {case: (1, 20) if given.quick else _plan(case) for case in wanted}
    tasks = (
        (
            {"case": case.name, "model": model, "windows": plan[case][1]},
            functools.partial(clean, case, model, plan[case][1]),
        )
        for model in range(max(models for models, _ in plan.values()))
        for case in wanted
        if model < plan[case][0]
    )
    complete(given.results / "live.jsonl", tasks, "clean months")


def _plan(case: Case) -> tuple[int, int]:
    """Return how many models, and windows of each: together as many as prove the budget."""
    total = math.ceil(_MONTHS * shape(case).a_month)
    models = max(_MODELS, math.ceil(total / _WINDOWS))
    if case.rho and case.rate == _DEAR:
        return _MODELS, _FEW
    return models, math.ceil(total / models)


def run_delays(given: argparse.Namespace) -> None:
    """Simulate shifts of one feature."""
    tasks = (
        ({"case": case.name, "model": model}, functools.partial(delay, case, SHIFTS, model))
        for model in range(1 if given.quick else _TRIALS)
        for case in chosen(given)
    )
    complete(given.results / "delay.jsonl", tasks, "delays")


@dataclass(frozen=True, slots=True)
class Summary:
    """What was seen of one case.

    ``rate`` is onsets a month and ``bound`` its exact upper 95 % bound; ``expected`` what all pairs
    of a model's windows that flag the same feature let expect, in place of neighbours alone.
    """

    months: float
    models: int
    onsets: int
    alarmed: int
    rate: float
    bound: float
    expected: float
    undecided: float


def summarise(case: Case, results: Sequence[dict[str, Any]]) -> Summary:
    """Sum up the models of one case."""
    a_month = shape(case).a_month
    months = sum(result["windows"] for result in results) / a_month
    onsets = [sum(result["onsets"].values()) for result in results]
    pairs = np.array([_pairs(result) for result in results]) * a_month
    return Summary(
        months, len(results), sum(onsets), sum(n > 0 for n in onsets), sum(onsets) / months,
        upper(sum(onsets), months), float(pairs.mean()),
        float(np.mean([result["undecided"] for result in results])),
    )  # fmt: skip


def _pairs(result: dict[str, Any]) -> float:
    """Return how often two windows of a model flag the same feature, summed over features."""
    windows = result["windows"]
    flags = np.concatenate([result["flags"]["values"], result["flags"]["quality"]])
    return float((flags * (flags - 1)).sum() / (windows * (windows - 1)))


def upper(number: int, months: float) -> float:
    """Return the exact upper 95 % bound of a Poisson rate."""
    return float(special.gammaincinv(number + 1, 0.95) / months)

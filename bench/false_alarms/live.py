"""The cases of the live verdict, run and summed up."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any

from paging import Case, clean, delay, shape
from results import complete
from scipy import special
from tidegauge_drift.verdict import FAMILIES

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

# Without an onset in so many months of windows the upper 95 % bound is 1 a month.
_MONTHS = 3.1
# So many references at least, so that rare ones are met.
_MODELS = 100
# 10,000 dependent rows a window: too many to prove anything, a look all the same.
_DEAR, _FEW = 1000, 300
_SHIFTS = (0.25, 0.5, 1.0)
_TRIALS = 100


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
    models = 1 if given.quick else _MODELS
    windows = {case: 20 if given.quick else _windows(case) for case in wanted}
    tasks = (
        (
            {"case": case.name, "model": model, "windows": windows[case]},
            functools.partial(clean, case, model, windows[case]),
        )
        for model in range(models)
        for case in wanted
    )
    complete(given.results / "live.jsonl", tasks, "clean months")


def _windows(case: Case) -> int:
    """Return the windows of each model: of all models as many as prove the budget."""
    if case.rho and case.rate == _DEAR:
        return _FEW
    return math.ceil(_MONTHS * shape(case).a_month / _MODELS)


def run_delays(given: argparse.Namespace) -> None:
    """Simulate shifts of one feature."""
    tasks = (
        (
            {"case": case.name, "shift": shift, "model": model},
            functools.partial(delay, case, shift, model),
        )
        for model in range(1 if given.quick else _TRIALS)
        for case in chosen(given)
        for shift in _SHIFTS
    )
    complete(given.results / "delay.jsonl", tasks, "delays")


def line(case: Case, results: list[dict[str, Any]]) -> str:
    """Return one line of the table: onsets a month with their exact upper 95 % bound."""
    windows = sum(result["windows"] for result in results)
    months = windows / shape(case).a_month
    onsets = {f: sum(result["onsets"][f] for result in results) for f in FAMILIES}
    flagged = {f: sum(result["flagged"][f] for result in results) / windows for f in FAMILIES}
    number = sum(onsets.values())
    bound = upper(number, months)
    alarmed = sum(any(result["onsets"].values()) for result in results)
    shares = ", ".join(f"{share:.2e}" for share in flagged.values())
    return (
        f"| {case.name} | {shape(case).rows} | {len(results)} | {months:.2f} | {number} | "
        f"{alarmed} | {number / months:.3g} | {bound:.3g} | {shares} |"
    )


def upper(number: int, months: float) -> float:
    """Return the exact upper 95 % bound of a Poisson rate."""
    return float(special.gammaincinv(number + 1, 0.95) / months)

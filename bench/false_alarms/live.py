"""The cases of the live verdict, run and summed up."""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from paging import EASES, REFERENCES, RULES, Case, Stream, clean, delay, shape
from results import complete
from scipy import special

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

# So many references, so that rare ones are met.
_MODELS = 60
# Months of all models together: without an onset in 3.1 of them the upper 95 % bound is 1 a month.
_MONTHS = 3.1
# Where a month is too many windows, all pairs of fewer windows tell as much as neighbours do.
_SHORT, _DEAR_SHORT = 0.3, 0.075
_SLOW = 1  # rows a second
SHIFTS = (0.25, 0.5, 1.0)
_TRIALS = 20
_RESAMPLES = 2000
# Of fewer models with a pair drawing again tells nothing.
_FEWEST = 5


def streams() -> list[Stream]:
    """Return the rows that are watched, those first that decide most."""
    return [Stream(rho, rate) for rho in (0.9, 0.5, 0.0) for rate in (30, 1, 1000)]


def cases() -> list[Case]:
    """Return the lines of the table.

    At 1,000 rows/s a pane has more rows than any of the windows: one case stands for all three.
    """
    return [
        case for reference in REFERENCES for stream in streams() for case in stream.cases(reference)
    ]


def run(given: argparse.Namespace) -> None:
    """Simulate clean rows: one model of each stream, then the next; then more months of them.

    What takes longest comes last each time.
    """
    models = range(given.first, given.first + (1 if given.quick else _MODELS))
    tasks = (
        (
            {"case": stream.name, "rule": rule, "model": model},
            functools.partial(
                clean, stream, model, months / _MODELS / (50 if given.quick else 1),
                ladder=rule == RULES[True],
            ),
        )
        for rule, dear in itertools.product(reversed(RULES), (False, True))
        for model in models
        for stream in streams()
        if given.only in stream.name and stream.dear == dear and (months := _months(stream, rule))
    )  # fmt: skip
    complete(given.results / "live.jsonl", tasks, "clean months")


def _months(stream: Stream, rule: str) -> float:
    if rule == RULES[True]:
        return _MONTHS if stream.rate == _SLOW else _DEAR_SHORT if stream.dear else _SHORT
    return 0.0 if stream.dear or stream.rate == _SLOW else _MONTHS


def run_delays(given: argparse.Namespace) -> None:
    """Simulate shifts of one feature."""
    tasks = (
        ({"case": case.name, "model": model}, functools.partial(delay, case, SHIFTS, model))
        for dear in (False, True)
        for model in range(given.first, given.first + (1 if given.quick else _TRIALS))
        for case in sorted(cases(), key=lambda each: each.rho)
        if given.only in case.name and Stream(case.rho, case.rate).dear == dear
    )
    complete(given.results / "delay.jsonl", tasks, "delays")


@dataclass(frozen=True, slots=True)
class Summary:
    """What was seen of one case.

    ``bound`` is the exact upper 95 % bound of onsets a month. ``expected`` is what all pairs of a
    model's windows that flag the same feature let expect, in place of neighbours alone, at a level
    that is laxer than the product's by ``ease``; ``most`` is its upper 95 % bound, from models
    drawn again out of those that were. Both are None where too few models have such a pair. Then
    ``rare`` is how many onsets windows would have that flag something as often as the upper 95 %
    bound of these and know nothing of each other.
    """

    models: int
    windows: int
    months: float
    onsets: int
    bound: float
    ease: int
    expected: float | None
    most: float | None
    rare: float
    undecided: float

    @property
    def proof(self) -> str:
        """Tell what proves that there is at most one onset a month; empty for nothing."""
        if self.bound <= 1:
            return "months"
        if self.most is not None and self.most <= 1:
            return "pairs"
        known = self.most is not None and self.ease == 1
        return "flags" if self.rare <= 1 and not known else ""


def summarise(case: Case, results: Sequence[dict[str, Any]]) -> Summary:
    """Sum up the results of one case."""
    a_month = shape(case).a_month
    windows = sum(result["windows"] for result in results)
    onsets = sum(sum(result["onsets"].values()) for result in results)
    ease, expected, most = _expected(results, a_month)
    return Summary(
        len({result["model"] for result in results}), windows, windows / a_month, onsets,
        upper(onsets, windows / a_month), ease, expected, most,
        a_month * upper(sum(_flags(result) for result in results), windows) ** 2,
        float(np.mean([result["undecided"] for result in results])),
    )  # fmt: skip


def _expected(
    results: Sequence[dict[str, Any]], a_month: float
) -> tuple[int, float | None, float | None]:
    """Return by how much a level is laxer, and what its pairs let expect, and at most.

    At the product's own level all windows of a model count, at laxer ones those judged by it.
    """
    for step, ease in enumerate(EASES):
        models: dict[int, list[tuple[list[int], int]]] = {}
        for result in results:
            if "ladder" in result:
                models.setdefault(result["model"], []).append(
                    (result["ladder"][step], result["windows"])
                )
            elif step == 0:
                flags = result["flags"]["values"] + result["flags"]["quality"]
                models.setdefault(result["model"], []).append((flags, result["windows"]))
        pairs = a_month * np.array([_pairs(parts) for parts in models.values()])
        if (pairs > 0).sum() >= _FEWEST:
            drawn = np.random.default_rng(23).choice(pairs, (_RESAMPLES, pairs.size))
            return ease, float(pairs.mean()), float(np.quantile(drawn.mean(axis=1), 0.95))
    return 1, None, None


def _flags(result: dict[str, Any]) -> int:
    return sum(sum(flags) for flags in result["flags"].values())


def _pairs(parts: Sequence[tuple[list[int], int]]) -> float:
    """Return how often two windows of a model flag the same feature, summed over features."""
    each = np.sum([flags for flags, _ in parts], axis=0, dtype=np.float64)
    windows = sum(many for _, many in parts)
    return float((each * (each - 1)).sum() / (windows * (windows - 1)))


def upper(number: int, months: float) -> float:
    """Return the exact upper 95 % bound of a Poisson rate."""
    return float(special.gammaincinv(number + 1, 0.95) / months)

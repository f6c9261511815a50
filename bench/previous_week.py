"""How often clean rows alarm against the week before, and what a shift costs in rows.

Each model has 20 features whose means follow the hour of the week; given the hour its rows are iid.
Rows are drawn and counted as live ones are, in panes of a minute, and the product judges. Printed
as the docs' table; `--models` chooses how many models of each line there are.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import special
from tidegauge.batch import ModelKey, Table
from tidegauge_drift import build
from tidegauge_drift.evaluator import Evaluator
from tidegauge_drift.layout import Layout
from tidegauge_drift.multiplicity import MONTH_S
from tidegauge_drift.packing import narrow
from tidegauge_drift.pane import Pane
from tidegauge_drift.week import WEEK_S, Week
from tidegauge_drift.window import WindowSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from tidegauge_drift.verdict import WindowVerdict

FEATURES, PANE_S, HOUR_S = 20, 60, 3600
START_S = 1_700_000_000 // WEEK_S * WEEK_S
WEEKS = 5  # the first one has no baseline
SHIFTS = (0.25, 0.5, 1.0)
_MODEL = ModelKey("m")


@dataclass(frozen=True)
class Line:
    """A line of the table."""

    rate: float
    window: str


LINES = (Line(0.2, "300rows"), Line(0.2, "1000rows"), Line(0.2, "1d"), Line(1.0, "1000rows"),
         Line(1.0, "1d"))  # fmt: skip


class Population:
    """One model: the mean of each of its features in each hour of the week."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        hours = np.arange(168)[:, None]
        phase = self.rng.uniform(0, 2 * np.pi, FEATURES)
        size = self.rng.uniform(0, 2, FEATURES)
        weekend = self.rng.normal(size=FEATURES) * (hours // 24 >= 5)
        self._means = size * np.sin(2 * np.pi * hours / 24 + phase) + weekend

    def rows(self, at_s: int, number: int) -> NDArray[np.float64]:
        """Return rows of one time."""
        hour = (at_s // HOUR_S) % 168
        return self._means[hour] + self.rng.normal(size=(number, FEATURES))

    def layout(self) -> Layout:
        """Return the cells: of 10,000 rows of all hours."""
        times = self.rng.integers(0, 168, 10_000) * HOUR_S
        return Layout(build(np.concatenate([self.rows(int(t), 1) for t in times])))


def panes(population: Population, layout: Layout, rate: float, days: float) -> Iterator[Pane]:
    """Yield panes of a steady stream from the start on."""
    columns = tuple(range(FEATURES))
    for at_s in range(START_S, START_S + int(days * 86_400), PANE_S):
        number = int(population.rng.poisson(rate * PANE_S))
        if number:
            table = Table(number, None, matrix=population.rows(at_s, number))
            counts = narrow(layout.inputs.count(table, columns), number)
            pane = Pane(_MODEL, "predict", layout.digest, at_s // PANE_S, PANE_S, counts, number)
            pane.saw_stride(1, 1)
            yield pane


def onsets(line: Line, seed: int, *, weekly: bool) -> tuple[int, int]:
    """Return the onsets of a model's families in four weeks, and the windows."""
    population = Population(seed)
    layout = population.layout()
    seen: list[WindowVerdict] = []
    evaluator = Evaluator(
        _MODEL, layout, (WindowSpec.parse(line.window),), PANE_S,
        listener=lambda _, verdict: seen.append(verdict), week=Week() if weekly else None,
    )  # fmt: skip
    for pane in panes(population, layout, line.rate, 7 * WEEKS):
        evaluator.fold([pane])
    number, on = 0, dict.fromkeys(("inputs", "data_quality"), False)
    judged = [v for v in seen if v.opened_s >= START_S + WEEK_S]
    for verdict in judged:
        for family, detected in verdict.detected.items():
            number += detected and not on[family]
            on[family] = detected
    return number, len(judged)


def main() -> None:
    """Print a line for each case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=5)
    given = parser.parse_args()
    months = given.models * (WEEKS - 1) * WEEK_S / MONTH_S
    print("| rows/s | window | months | windows | false onsets | a month, at most (95 %) |")
    print("| ---: | --- | ---: | ---: | ---: | ---: |")
    for line in LINES:
        found = [onsets(line, seed, weekly=True) for seed in range(given.models)]
        number, windows = (sum(each) for each in zip(*found, strict=True))
        bound = special.gammaincinv(number + 1, 0.95) / months
        print(
            f"| {line.rate:g} | {line.window} | {months:.1f} | {windows} | {number} "
            f"| {bound:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()

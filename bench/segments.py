"""How often clean segments alarm, how soon a change in one is found, and what segments cost.

Models get iid rows of 20 features; a column says which of ten segments each row is of. Each model
has a reference of its own. Rows are drawn, counted and judged as live ones are, in panes of five
minutes. `--models` chooses how many models of each line there are, `--lines` which lines; a model
has four weeks.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special
from tidegauge.batch import Batch, ModelKey, Table
from tidegauge.events import StateChange
from tidegauge_drift import build
from tidegauge_drift.counter import PaneCounter
from tidegauge_drift.evaluator import Evaluator
from tidegauge_drift.layout import Layout
from tidegauge_drift.multiplicity import MONTH_S
from tidegauge_drift.state import dump
from tidegauge_drift.wanted import Wanted
from tidegauge_drift.window import WindowSpec

FEATURES, SEGMENTS, PANE_S, DAYS = 20, 10, 300, 28
START = 1_700_000_000 // PANE_S
MODEL = ModelKey("m", "1")
SHIFTS = (0.5, 1.0)
FAMILIES = ("inputs", "data_quality", "segments")


@dataclass(frozen=True)
class Line:
    """A line of the table: rows a second, the window, and the reference's rows."""

    rate: float
    window: str
    reference: int


LINES = (Line(1, "1000rows", 10_000), Line(1, "3000rows", 10_000),
         Line(1, "1000rows", 3_500))  # fmt: skip


class Stream:
    """One model: rows of equal segments, the first column says which."""

    def __init__(self, line: Line, seed: int, features: int = FEATURES) -> None:
        self._line = line
        self._features = features
        self._rng = np.random.default_rng(seed)
        reference = build(self._rows(line.reference), segment="x0")
        self.layout = Layout(reference, Wanted(segments=True))
        spec = WindowSpec.parse(line.window)
        self.counter = PaneCounter(MODEL, self.layout, PANE_S)
        self.evaluator = Evaluator(MODEL, self.layout, (spec,), PANE_S)

    def _rows(self, number: int, shift: float = 0.0) -> NDArray[np.float64]:
        rows = self._rng.normal(size=(number, self._features + 1))
        rows[:, 0] = self._rng.integers(SEGMENTS, size=number)
        rows[rows[:, 0] == 1, 1] += shift
        return rows

    def news(self) -> list[StateChange]:
        """Return the alarms that went on or off."""
        return [news for news in self.evaluator.news if isinstance(news, StateChange)]

    def step(self, index: int, shift: float = 0.0) -> None:
        """Let a pane of rows come; one feature of one segment is moved by ``shift``."""
        number = int(self._rng.poisson(self._line.rate * PANE_S))
        if number:
            table = Table(number, None, matrix=self._rows(number, shift))
            times = np.full(number, (index + 0.5) * PANE_S)
            self.counter.take(Batch(MODEL, "predict", times, table, None, 1))
            self.evaluator.fold(self.counter.pop(index + 1))


def onsets(line: Line, seed: int) -> list[int]:
    """Return how often each family alarmed."""
    stream = Stream(line, seed)
    for i in range(DAYS * 86_400 // PANE_S):
        stream.step(START + i)
    on = [news.family for news in stream.news() if not news.feature and news.state == "drifted"]
    return [on.count(family) for family in FAMILIES]


def delay(line: Line, seed: int, shift: float) -> float:
    """Return after how many rows of all the segments alarm; infinite if never."""
    stream = Stream(line, seed)
    for i in range(2 * 86_400 // PANE_S):
        stream.step(START + i, shift)
        if any(news.family == "segments" for news in stream.news()):
            return (i + 1) * PANE_S * line.rate
    return np.inf


def cost() -> None:
    """Print what segments cost: 100 features, windows of 1,000 rows."""
    print("\n| 100 features, 10 segments | us a row | ms a window | kB a pane | kB of state |")
    print("| --- | ---: | ---: | ---: | ---: |")
    line = Line(4.3, "1000rows", 10_000)
    for on in (False, True):
        stream = Stream(line, 0, 99)
        if not on:
            stream.layout.segments = None
        counting, folding, sizes = [], [], []
        for i in range(40):
            rows = stream._rows(256)
            times = np.full(256, (i + 0.5) * PANE_S)
            batch = Batch(MODEL, "predict", times, Table(256, None, matrix=rows), None, 1)
            began = time.process_time()
            stream.counter.take(batch)
            counting.append((time.process_time() - began) / 256)
            panes = stream.counter.pop(i + 1)
            sizes.append(sum(len(pane.to_bytes()) for pane in panes))
            began = time.process_time()
            stream.evaluator.fold(panes)
            folding.append(time.process_time() - began)
        name = "with segments" if on else "without"
        state = len(dump(stream.evaluator)) / 1e3
        worst = np.median(np.sort(folding[4:])[-9:])  # those in which a window closed
        print(
            f"| {name} | {np.median(counting) * 1e6:.1f} | {worst * 1e3:.1f} "
            f"| {np.median(sizes) / 1e3:.0f} | {state:.0f} |"
        )


def main() -> None:
    """Print a line for each case, then the cost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=12)
    parser.add_argument("--lines", type=int, nargs="*", default=[*range(len(LINES))])
    given = parser.parse_args()
    months = given.models * DAYS * 86_400 / MONTH_S
    heads = " | ".join(f"rows until {shift:g} sd in one segment" for shift in SHIFTS)
    print("| rows/s | window | reference | model-months | onsets: inputs | quality | segments "
          f"| of all families a month, at most (95 %) | {heads} |")  # fmt: skip
    print("| ---: | --- " + "| ---: " * (6 + len(SHIFTS)) + "|")
    for line in (LINES[i] for i in given.lines):
        numbers = np.sum([onsets(line, seed) for seed in range(given.models)], axis=0)
        bound = special.gammaincinv(numbers.sum() + 1, 0.95) / months
        shown = []
        for shift in SHIFTS:
            found = np.median([delay(line, 100 + n, shift) for n in range(9)])
            shown.append(f"{found:,.0f}" if np.isfinite(found) else "never")
        print(
            f"| {line.rate:g} | {line.window} | {line.reference:,} | {months:.1f} | "
            f"{' | '.join(map(str, numbers))} | {bound:.2f} | {' | '.join(shown)} |",
            flush=True,
        )
    cost()


if __name__ == "__main__":
    main()

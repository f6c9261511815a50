"""How often clean rows alarm where those of one call are alike, and what knowing it costs.

``python bench/calls.py [--months N] [--delays N]`` prints the tables of
docs/explanation/level-of-an-alarm.md. Each model draws a reference anew and then serves calls of 64
rows at one row a second; the product's own code counts and judges, once as it is and once with what
it knows of calls taken away.
"""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from tidegauge.batch import Batch, ModelKey, Table
from tidegauge_drift import build
from tidegauge_drift.counter import PaneCounter
from tidegauge_drift.evaluator import Evaluator
from tidegauge_drift.layout import Layout
from tidegauge_drift.verdict import WindowVerdict
from tidegauge_drift.window import WindowSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEATURES, REFERENCE, CALL, PANE_S = 20, 10_000, 64, 10
MONTH_S = 30 * 86_400
MODEL = ModelKey("m")
START_S = 1_700_000_000
LINES = [(n, r) for n in (1000, 300, 5000) for r in (0.0, 0.05, 0.3, 0.9)]


@dataclass
class Seen:
    """What one evaluator has said of its windows."""

    windows: int = 0
    flagged: int = 0
    undecided: int = 0
    onsets: int = 0
    first: int | None = None
    worth: list[float] = field(default_factory=list)
    _on: dict[str, bool] = field(default_factory=dict)

    def __call__(self, _: ModelKey, verdict: WindowVerdict) -> None:
        """Take a verdict."""
        self.windows += 1
        table = verdict.table
        flags = np.concatenate((table["flagged"], table["quality_flagged"]))
        self.flagged += bool((flags == 1).any())
        self.undecided += bool((table["flagged"] < 0).all())
        self.worth.append(float(np.median(table["effective_rows"])))
        now = verdict.detected
        begun = sum(on and not self._on.get(family, False) for family, on in now.items())
        self.onsets += begun
        if begun and self.first is None:
            self.first = verdict.closed_s
        self._on = now


class Served:
    """One model: its calls counted once, judged by an evaluator that knows of them and another."""

    def __init__(self, rng: np.random.Generator, rows: int) -> None:
        self._rng = rng
        reference = rng.normal(size=(REFERENCE, FEATURES))
        layout = Layout(build(reference, built="2026-01-01"))
        self._counter = PaneCounter(MODEL, layout, PANE_S)
        self._calls = -(-rows // CALL)
        self.rows_per_window = self._calls * CALL
        spec = (WindowSpec.parse(f"{rows}rows"),)
        self.before, self.after = Seen(), Seen()
        self._evaluators = [
            Evaluator(MODEL, layout, spec, PANE_S, listener=seen)
            for seen in (self.before, self.after)
        ]
        self.now_s = START_S

    def serve(self, windows: int, alike: float, shift: float = 0.0) -> None:
        """Serve calls that share an effect: ``alike`` is the correlation of their rows.

        The calls of a window come at once, which makes a simulated month a minute.
        """
        size = (self._calls, CALL, FEATURES)
        for _ in range(windows):
            shared = self._rng.normal(size=(self._calls, 1, FEATURES)) * np.sqrt(alike)
            own = self._rng.normal(size=size) * np.sqrt(1 - alike)
            self._count((shift + shared + own).reshape(-1, FEATURES))

    def _count(self, rows: NDArray[np.float64]) -> None:
        times = np.full(len(rows), float(self.now_s))
        table = Table(len(rows), None, matrix=rows)
        calls = np.full(self._calls, CALL)
        self._counter.take(Batch(MODEL, "predict", times, table, None, 1, calls))
        self.now_s += len(rows)
        limit = self.now_s // PANE_S
        self._counter.close(limit)
        for pane in self._counter.pop(limit):
            self._evaluators[0].fold([replace(pane, extra={})])
            self._evaluators[1].fold([pane])
        for evaluator in self._evaluators:
            evaluator.advance(limit)
            evaluator.news.clear()


def months(rows: int, alike: float, number: int) -> str:
    """Return a line of the table: clean rows of so many models, a month each."""
    total = {"before": Counter[str](), "after": Counter[str]()}
    worth: list[float] = []
    for seed in range(number):
        served = Served(np.random.default_rng([seed, rows, int(alike * 100)]), rows)
        served.serve(MONTH_S // (rows + CALL), alike)
        for name, seen in (("before", served.before), ("after", served.after)):
            for what in ("windows", "flagged", "undecided", "onsets"):
                total[name][what] += getattr(seen, what)
        worth += served.after.worth
    cells = [f"{rows:,}", f"{alike:g}"]
    for name in ("before", "after"):
        found = total[name]
        cells += [f"{found['flagged'] / found['windows']:.2%}", f"{found['onsets'] / number:.1f}"]
    windows = total["after"]["windows"]
    cells += [f"{total['after']['undecided'] / windows:.0%}", f"{np.median(worth):.0f}"]
    return f"| {' | '.join(cells)} | {windows:,} |"


def delays(rows: int, shift: float, number: int) -> str:
    """Return a line of the table: how many rows of a change pass by before the alarm."""
    found: dict[str, list[float]] = {"before": [], "after": []}
    for seed in range(number):
        served = Served(np.random.default_rng([seed, rows, int(shift * 100), 1]), rows)
        served.serve(10, 0.0)
        changed_s = served.now_s
        served.serve(20, 0.0, shift)
        for name, seen in (("before", served.before), ("after", served.after)):
            first = np.inf if seen.first is None else seen.first
            window = served.rows_per_window
            passed = np.ceil((first - changed_s) / window) * window
            found[name].append(passed if first > changed_s else np.inf)
    cells = [f"{rows:,}", f"{shift:g} sd"]
    cells += [f"{np.median(found[name]):,.0f}" for name in ("before", "after")]
    cells += [f"{np.isfinite(found[name]).mean():.0%}" for name in ("before", "after")]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--months", type=int, default=5)
    parser.add_argument("--delays", type=int, default=20)
    chosen = parser.parse_args()
    for rows, alike in LINES if chosen.months else ():
        print(months(rows, alike, chosen.months), flush=True)
    for rows in (300, 1000) if chosen.delays else ():
        for shift in (0.25, 0.5, 1.0):
            print(delays(rows, shift, chosen.delays), flush=True)


if __name__ == "__main__":
    main()

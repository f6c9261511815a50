"""How often a clean canary or shadow alarms against the live version, and how soon a bad one does.

Both versions get iid rows of 20 features and answer with the same function of them; each model has
a reference of its own. Rows are drawn, counted and judged as live ones are, in panes of a minute.
`--models` chooses how many models of each line there are; four weeks each.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np
from scipy import special
from tidegauge.batch import ModelKey, Table
from tidegauge_drift import build
from tidegauge_drift.block import OUTPUTS
from tidegauge_drift.evaluator import Evaluator
from tidegauge_drift.layout import Layout
from tidegauge_drift.multiplicity import MONTH_S
from tidegauge_drift.packing import narrow
from tidegauge_drift.pane import Pane
from tidegauge_drift.window import WindowSpec

FEATURES, PANE_S = 20, 60
START = 1_700_000_000 // PANE_S
DAYS = 28
SHIFTS = (0.25, 0.5, 1.0)
CANARY, LIVE = ModelKey("m", "2", "canary"), ModelKey("m", "1")


@dataclass(frozen=True)
class Line:
    """A line of the table: rows a second of both versions, and the windows."""

    canary: float
    live: float
    window: str


LINES = (Line(0.1, 0.9, "300rows"), Line(0.1, 0.9, "1000rows"), Line(0.5, 0.5, "300rows"),
         Line(0.5, 0.5, "1000rows"))  # fmt: skip


class Stream:
    """One model and its two versions."""

    def __init__(self, line: Line, seed: int) -> None:
        self._line = line
        self._rng = np.random.default_rng(seed)
        self._weights = self._rng.normal(size=FEATURES) / np.sqrt(FEATURES)
        rows, held = self._rng.normal(size=(2, 10_000, FEATURES))
        self.layout = Layout(build(rows, outputs=held @ self._weights))
        spec = WindowSpec.parse(line.window)
        self.evaluator = Evaluator(CANARY, self.layout, (spec,), PANE_S)

    def step(self, index: int, shift: float = 0.0) -> None:
        """Let both versions have a minute of rows; the canary answers otherwise by ``shift`` sd."""
        own = self._pane(CANARY, index, self._line.canary, shift)
        live = self._pane(LIVE, index, self._line.live, 0.0)
        if own or live:
            self.evaluator.fold(own, live)

    def _pane(self, model: ModelKey, index: int, rate: float, shift: float) -> list[Pane]:
        number = int(self._rng.poisson(rate * PANE_S))
        if not number:
            return []
        rows = self._rng.normal(size=(number, FEATURES))
        answers = (rows @ self._weights)[:, None]
        answers += shift * np.linalg.norm(self._weights)
        inputs = self.layout.inputs.count(Table(number, None, matrix=rows), tuple(range(FEATURES)))
        outputs = self.layout.outputs.count(Table(number, None, matrix=answers), (0,))
        counts = narrow(np.concatenate([inputs, outputs]), number)
        pane = Pane(model, "predict", self.layout.digest, index, PANE_S, counts, number)
        pane.saw_stride(1, 1)
        return [pane]


def onsets(line: Line, seed: int) -> int:
    """Return how often the canary's outputs alarmed against the live version's."""
    stream = Stream(line, seed)
    for i in range(DAYS * 86_400 // PANE_S):
        stream.step(START + i)
    return sum(
        news.family == OUTPUTS and not news.feature and news.state == "drifted"
        and news.reference == "live:1"
        for news in stream.evaluator.news
    )  # fmt: skip


def delay(line: Line, seed: int, shift: float) -> float:
    """Return after how many rows a canary that answers otherwise alarms; infinite if never."""
    stream, rows = Stream(line, seed), 0.0
    for i in range(5 * 86_400 // PANE_S):
        stream.step(START + i, shift)
        rows += line.canary * PANE_S
        if any(news.reference == "live:1" for news in stream.evaluator.news):
            return rows
    return np.inf


def main() -> None:
    """Print a line for each case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=4)
    given = parser.parse_args()
    months = given.models * DAYS * 86_400 / MONTH_S
    heads = [f"rows until .{100 * s:02.0f} sd" if s < 1 else "rows until 1 sd" for s in SHIFTS]
    print("| canary, live rows/s | window | months | false onsets | a month, at most (95 %) | "
          + " | ".join(heads) + " |")  # fmt: skip
    print("| --- | --- " + "| ---: " * (3 + len(SHIFTS)) + "|")
    for line in LINES:
        number = sum(onsets(line, seed) for seed in range(given.models))
        bound = special.gammaincinv(number + 1, 0.95) / months
        delays = [np.median([delay(line, 100 + n, shift) for n in range(11)]) for shift in SHIFTS]
        shown = " | ".join(f"{rows:,.0f}" if np.isfinite(rows) else "never" for rows in delays)
        print(
            f"| {line.canary:g}, {line.live:g} | {line.window} | {months:.1f} | {number} "
            f"| {bound:.2f} | {shown} |",
            flush=True,
        )


if __name__ == "__main__":
    main()

"""How often the correlations of clean rows alarm, and how soon changed ones do.

``python bench/correlation.py`` prints the tables of docs/explanation/level-of-an-alarm.md. Each
model has a reference of its own; its windows are judged as they are when a row comes each second.
"""

from __future__ import annotations

import argparse
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tidegauge_drift import build
from tidegauge_drift.block import PAIRS, SCORES
from tidegauge_drift.correlated import Correlated, correlated
from tidegauge_drift.correlation_judge import judge_pairs
from tidegauge_drift.extras import Extra
from tidegauge_drift.multiplicity import MONTH_S, paging_alpha
from tidegauge_drift.normal_scores import ScoreCounter
from tidegauge_drift.profile import NumericFeature
from tidegauge_drift.window import ClosedWindow, WindowSpec

Matrix = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int, float], Matrix]

FEATURES = 12
WINDOWS = (300, 1_000, 5_000)
_AR = 0.9


def normal(rng: np.random.Generator, rows: int, rho: float) -> Matrix:
    """Return normal rows, each two features with the same correlation."""
    shared = rng.normal(size=(rows, 1))
    own = rng.normal(size=(rows, FEATURES))
    found: Matrix = np.sqrt(rho) * shared + np.sqrt(1 - rho) * own
    return found


def lognormal(rng: np.random.Generator, rows: int, rho: float) -> Matrix:
    """Return lognormal rows, sd 2."""
    return np.exp(2 * normal(rng, rows, rho))


def student(rng: np.random.Generator, rows: int, rho: float) -> Matrix:
    """Return rows of t with 2 degrees of freedom: what is far out in one is in all."""
    return normal(rng, rows, rho) / np.sqrt(rng.chisquare(2, (rows, 1)) / 2)


def zeros(rng: np.random.Generator, rows: int, rho: float) -> Matrix:
    """Return rows of which 60 % are 0 in each feature."""
    return np.maximum(normal(rng, rows, rho) - 0.2533, 0)


def walk(rng: np.random.Generator, rows: int, rho: float) -> Matrix:
    """Return AR(1) rows of .9."""
    found = normal(rng, rows, rho)
    for i in range(1, rows):
        found[i] = _AR * found[i - 1] + np.sqrt(1 - _AR * _AR) * found[i]
    return found


SHAPES: dict[str, tuple[Draw, float]] = {
    "normal": (normal, 0.0),
    "normal, correlated .5": (normal, 0.5),
    "lognormal, .5": (lognormal, 0.5),
    "t2, 0": (student, 0.0),
    "t2, .5": (student, 0.5),
    "60 % zeros, .5": (zeros, 0.5),
}


@dataclass
class Model:
    """One model: its reference, and the verdicts so far."""

    draw: Draw
    rho: float
    rows: int
    window: int
    rng: np.random.Generator
    plain: bool = False
    onsets: int = 0
    flagged: int = 0
    windows: int = 0
    last: Extra = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Build the reference."""
        table = pd.DataFrame(self.draw(self.rng, self.rows, self.rho))
        table.columns = [f"x{i}" for i in range(FEATURES)]
        time = ""
        if self.draw is walk:
            time = "at"
            table[time] = pd.date_range("2026-01-01", periods=self.rows, freq="s", tz="UTC")
        profile = build(table, correlation=True, time_column=time)
        found = correlated(profile)
        assert found is not None
        if self.plain:
            found = Correlated(
                found.names, found.members, found.z, found.rows, np.ones(found.pairs), 0
            )
        self.reference = found
        numeric = [f for f in profile.features if isinstance(f, NumericFeature)]
        self.counter = ScoreCounter(numeric)
        self.deff = np.array([f.deff for f in numeric])
        self.a_month = MONTH_S / self.window
        self.level = paging_alpha(self.a_month, self.window / (self.window + self.rows))

    def judge(self, rows: Matrix) -> Extra:
        """Judge the rows of one window."""
        sums, pairs = self.counter.count(rows)
        spec = WindowSpec(f"{self.window}rows", rows=self.window)
        window = ClosedWindow(
            spec, 0, 1, len(rows), 1, 1, self.a_month, extra={SCORES: sums, PAIRS: pairs}
        )
        every = np.ones(FEATURES, np.bool_)
        was = bool(self.last) and bool((self.last["detected"] > 0).any())
        self.last = judge_pairs(
            window, self.reference, self.last, self.level,
            deff=self.deff, steady=every, unknown=~every,
        )  # fmt: skip
        self.windows += 1
        self.flagged += bool((self.last["flagged"] == 1).any())
        self.onsets += bool((self.last["detected"] > 0).any()) and not was
        return self.last

    def clean(self, windows: int) -> None:
        """Judge windows of clean rows, drawn many at a time."""
        for start in range(0, windows, 20):
            many = min(20, windows - start)
            rows = self.draw(self.rng, many * self.window, self.rho)
            for part in np.split(rows, many):
                self.judge(part)


def generator(*name: object) -> np.random.Generator:
    """Return the numbers of one line of a table, whatever other lines there are."""
    return np.random.default_rng(zlib.crc32(repr(name).encode()))


def false_onsets(models: int, part: float, shapes: dict[str, tuple[Draw, float]]) -> None:
    """Print how often clean rows alarm."""
    print("| rows | reference | window | windows | flagged | onsets | model-months | "
          "flagged by Fisher's z alone |")  # fmt: skip
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for name, (draw, rho) in shapes.items():
        for reference in (10_000, 1_000):
            for window in WINDOWS:
                if reference == 1_000 and window == 5_000:
                    continue
                sums = np.zeros(3)
                for model in range(models):
                    one = Model(draw, rho, reference, window,
                                generator(name, reference, window, model))  # fmt: skip
                    one.clean(int(part * one.a_month))
                    sums += one.windows, one.flagged, one.onsets
                plain = np.zeros(2)
                for model in range(models):
                    one = Model(draw, rho, reference, window,
                                generator(name, reference, window, model), plain=True)  # fmt: skip
                    one.clean(60)
                    plain += one.windows, one.flagged
                print(
                    f"| {name} | {reference:,} | {window:,} | {sums[0]:,.0f} "
                    f"| {sums[1] / sums[0]:.2%} | {sums[2]:.0f} | {models * part:.1f} "
                    f"| {plain[1] / plain[0]:.2%} |",
                    flush=True,
                )


def detection(models: int) -> None:
    """Print how soon one pair of features that correlates otherwise is an alarm."""
    print("| correlation | window | windows that show it | rows until the alarm, median |")
    print("| --- | ---: | ---: | ---: |")
    for before, after in ((0.0, 0.2), (0.5, 0.7), (0.0, 0.1)):
        for window in WINDOWS:
            shown, until = [], []
            for model in range(models):
                rng = generator("detection", before, after, window, model)
                one = Model(normal, before, 10_000, window, rng)
                one.clean(2)
                alarm = None
                for number in range(1, 21):
                    rows = _changed(rng, window, before, after)
                    found = one.judge(rows)
                    shown.append(found["flagged"][0] == 1)
                    if alarm is None and found["detected"][0] > 0:
                        alarm = number * window
                until.append(np.inf if alarm is None else alarm)
            median = float(np.median(until))
            told = f"{median:,.0f}" if np.isfinite(median) else f"more than {20 * window:,}"
            print(f"| {before} to {after} | {window:,} | {np.mean(shown):.2f} | {told} |",
                  flush=True)  # fmt: skip


def _changed(rng: np.random.Generator, rows: int, before: float, after: float) -> Matrix:
    """Return normal rows with the correlation before, but for the first two features."""
    wanted = np.full((FEATURES, FEATURES), before)
    wanted[0, 1] = wanted[1, 0] = after
    np.fill_diagonal(wanted, 1)
    found: Matrix = rng.normal(size=(rows, FEATURES)) @ np.linalg.cholesky(wanted).T
    return found


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=6)
    parser.add_argument("--months", type=float, default=0.08, help="of each model")
    parser.add_argument("--dependent", action="store_true", help="AR(1) rows alone, which are slow")
    chosen = parser.parse_args()
    if chosen.dependent:
        false_onsets(chosen.models, chosen.months, {"AR(1) .9": (walk, 0.0)})
        return
    detection(20)
    false_onsets(chosen.models, chosen.months, SHAPES)


if __name__ == "__main__":
    main()

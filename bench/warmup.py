"""Whether a reference learnt from live rows judges as one that is built from a file of rows.

Clean AR(1) rows, some of them for the reference, and windows after: the share of features in which
p is below .01, and how often an alarm came on. A file holds 10,000 rows one after the other; a
warm-up keeps blocks of 200,000 rows that one process serves, or four, each of which gets a row by
chance.

    python bench/warmup.py [--models 20] [--rho 0.9] [--days]
"""

from __future__ import annotations

import argparse
import functools
import sys
from typing import TYPE_CHECKING

import numpy as np
from scipy.signal import lfilter
from tidegauge.batch import Batch, ModelKey, Table
from tidegauge_drift import build
from tidegauge_drift.evaluator import Evaluator
from tidegauge_drift.layout import Layout
from tidegauge_drift.leader import Leader
from tidegauge_drift.reservoir import Reservoir, Shape
from tidegauge_drift.warmup_part import Head, combined, learn
from tidegauge_drift.warmup_spec import WarmupSpec
from tidegauge_drift.window import WindowSpec
from tidegauge_drift.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray
    from tidegauge_drift.profile import ReferenceProfile
    from tidegauge_drift.verdict import WindowVerdict

MODEL = ModelKey("m")
FEATURES = 5
ROWS = 200_000
FILE_ROWS = 10_000
KEPT_ROWS = 20_000
PANE_S = 10
WINDOWS = (300, 1000, 5000)
LEVEL = 0.01
BEHIND = 60_000
DAY_ROWS = 86_400


def series(rng: np.random.Generator, rho: float, rows: int) -> NDArray[np.float64]:
    """Return stationary rows of unit variance."""
    noise = rng.normal(size=(rows, FEATURES)) * np.sqrt(1 - rho**2)
    noise[0] /= np.sqrt(1 - rho**2)
    return np.asarray(lfilter([1.0], [1.0, -rho], noise, axis=0))


def warmed(rows: NDArray[np.float64], owner: NDArray[np.int64]) -> ReferenceProfile:
    """Return what processes learn of rows, each of its own."""
    parts = []
    times = np.arange(len(rows)) / 30.0
    for process in range(owner.max() + 1):
        mine = owner == process
        table = Table(int(mine.sum()), None, matrix=rows[mine])
        reservoir = Reservoir(Shape("predict", None, FEATURES, ()), 8 * FEATURES)
        for start in range(0, table.rows, 256):
            part = slice(start, start + 256)
            some = Table(len(times[mine][part]), None, matrix=table.matrix[part])  # type: ignore[index]
            batch = Batch(MODEL, "predict", times[mine][part], some, None)
            reservoir.add(batch, some, KEPT_ROWS)
        kept = reservoir.rows()
        head = Head(
            MODEL, "predict", str(process), WarmupSpec(),
            kept.kept, reservoir.seen, reservoir.served,
            tuple((a, b) for a, b in reservoir.intervals),
        )  # fmt: skip
        parts.append((head, learn(kept, include=(), exclude=(), hashed=False)))
    return combined(parts, [head for head, _ in parts], "warmup")


def from_file(rows: NDArray[np.float64]) -> ReferenceProfile:
    """Return the profile of a file of the first rows."""
    import pandas as pd  # noqa: PLC0415 - for the reference only

    frame = pd.DataFrame(rows[:FILE_ROWS], columns=[f"x{j}" for j in range(FEATURES)])
    return build(frame.assign(at=np.arange(FILE_ROWS) / 30.0), time_column="at")


def judged(profile: ReferenceProfile, rows: NDArray[np.float64]) -> Iterable[WindowVerdict]:
    """Yield the verdicts on windows of rows, as the service makes them."""
    layout, seen = Layout(profile), []
    specs = [WindowSpec(f"{n}rows", rows=n) for n in WINDOWS]

    def make(key: ModelKey) -> Evaluator:
        return Evaluator(
            key, layout, specs, PANE_S, listener=lambda _, verdict: seen.append(verdict)
        )

    worker = Worker(lambda _: layout, PANE_S)
    leader = Leader(PANE_S, make, lambda _: None)
    names = tuple(f"x{j}" for j in range(FEATURES))
    for start in range(0, len(rows), 300):
        part = rows[start : start + 300]
        at = 1.7e9 + start / 30.0
        times = at + np.arange(len(part)) / 30.0
        worker.take(Batch(MODEL, "predict", times, Table(len(part), names, matrix=part), None))
        closed = worker.close(at + 13)
        if leader.is_due(closed):
            leader.give(closed, worker.pop(closed))
        leader.work(60.0)
    return seen


def main() -> int:
    """Print a line for each dependence and reference."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=20)
    parser.add_argument("--rho", type=float, nargs="*", default=[0.0, 0.5, 0.9])
    parser.add_argument("--days", action="store_true", help="also rows with the rhythm of a day")
    given = parser.parse_args()
    models = given.models
    shown = "  ".join(f"n={n:<5}" for n in WINDOWS)
    print(
        f"{'rho':<5}{'reference':<14}{'design effect':>14}   "
        f"p < {LEVEL}, of windows' features: {shown} onsets"
    )
    for rho in given.rho:
        makers = {
            "file": from_file,
            "warm-up": lambda rows: warmed(rows, np.zeros(len(rows), np.int64)),
            "warm-up of 4": functools.partial(_of_four, np.random.default_rng(9)),
        }
        for name, make in makers.items():
            low = dict.fromkeys(WINDOWS, 0)
            total = dict.fromkeys(WINDOWS, 0)
            effects: list[float] = []
            onsets = 0
            for model in range(models):
                rng = np.random.default_rng([model, round(100 * rho)])
                profile = make(series(rng, rho, ROWS))
                effects += [feature.deff for feature in profile.features]
                on: set[tuple[str, str]] = set()
                for verdict in judged(profile, series(rng, rho, BEHIND)):
                    for family, detected in verdict.detected.items():
                        alarm = (verdict.spec.label, family)
                        onsets += bool(detected) and alarm not in on
                        (on.add if detected else on.discard)(alarm)
                    for feature in verdict.features:
                        if feature.finding.p_value is not None:
                            total[verdict.spec.rows] += 1
                            low[verdict.spec.rows] += feature.finding.p_value < LEVEL
            rates = "  ".join(
                f"{low[n] / total[n]:.4f} " if total[n] else "undecided" for n in WINDOWS
            )
            middle, most = np.median(effects), max(effects)
            print(
                f"{rho:<5}{name:<14}{middle:8.2f} {most:8.2f}   {rates}  "
                f"of {sum(total.values()):<6} {onsets}"
            )
    if given.days:
        days()
    return 0


def days() -> None:
    """Print what rows with the rhythm of a day do: a day to learn from, and the next one."""
    names = [f"x{j}" for j in range(FEATURES)]
    title = f"{'a day':<10}{'reference':<14}{'effect':>8}"
    print(f"\n{title}   of windows' features: flagged, undecided, all")
    for height in (0.5, 2.0):
        rhythm = height * np.sin(2 * np.pi * np.arange(DAY_ROWS) / DAY_ROWS)[:, None]
        first, second = (
            rhythm + np.random.default_rng(seed).normal(size=(DAY_ROWS, FEATURES))
            for seed in (1, 2)
        )
        import pandas as pd  # noqa: PLC0415 - for the reference only

        frame = pd.DataFrame(first, columns=names).assign(at=np.arange(DAY_ROWS) * 1.0)
        for name, profile in (
            ("file", build(frame, time_column="at")),
            ("warm-up", warmed(first, np.zeros(DAY_ROWS, np.int64))),
            ("warm-up of 4", _of_four(np.random.default_rng(0), first)),
        ):
            found = [each.flagged for v in judged(profile, second) for each in v.features]
            print(
                f"{height:<4} sd   {name:<14}{profile.deff:8.0f}   "
                f"{found.count(True)}, {found.count(None)}, {len(found)}"
            )


def _of_four(rng: np.random.Generator, rows: NDArray[np.float64]) -> ReferenceProfile:
    return warmed(rows, rng.integers(0, 4, len(rows)))


if __name__ == "__main__":
    sys.exit(main())

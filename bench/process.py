"""What a prediction costs the whole process: the caller, the background thread and drift.

Process CPU time per prediction of an ndarray row of 100 features, every row binned, in O (one
OpenTelemetry ``Histogram.record`` with three attributes) of the same rounds. The drain runs inside
the timed block, so nothing is left for later.
"""

from __future__ import annotations

import functools
import itertools
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from caller import FEATURES, TRIALS, Bare, Watched, clear
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from rounds import interleave
from tidegauge import pipeline
from tidegauge.pipeline import Pipeline
from tidegauge.runtime import shared
from tidegauge_drift import DriftProcessor, DriftSettings, build, save

LIMIT = 0.5
BLOCK = 1024
SETTLE_S = 35.0  # three thinning periods: the rate is found
MEASURE_S = 5.0


def watch_drift(folder: str) -> Pipeline:
    """Put a pipeline with drift of 100 features in place of the process's own."""
    rows = np.random.default_rng(1).normal(size=(10_000, FEATURES))
    path = Path(folder) / "stub.reference.json"
    save(build(rows), path)
    processor = DriftProcessor(settings=DriftSettings(reference=str(path)))
    current = Pipeline([processor])
    pipeline._current = current
    return current


def unthinned(current: Pipeline) -> dict[str, float]:
    """Return the cost with budgets off, in microseconds."""
    meter = MeterProvider([InMemoryMetricReader()]).get_meter("bench")
    record = meter.create_histogram("h").record
    attributes = {"model": "fraud", "version": "3", "status": "ok"}
    bare, watched = Bare(), Watched()
    generator = np.random.default_rng(0)
    # Different rows: a row that repeats would find its cells in the cache.
    rows = [generator.normal(size=(1, FEATURES)) for _ in range(256)]
    turn = itertools.count()

    def case(model: Bare) -> None:
        model.predict(rows[next(turn) & 255])

    found: dict[str, float] = {}
    cases = {
        "O": lambda: record(0.01, attributes),
        "bare": functools.partial(case, bare),
        "drift": functools.partial(case, watched),
    }
    for _ in range(TRIALS):
        trial = interleave(
            cases,
            calls=BLOCK,
            rounds=30,
            between=clear,
            clock=time.process_time,
            inside=current.flush,  # nothing waits after the other cases
        )
        cost = (trial["drift"] - trial["bare"]) / trial["O"]
        if not found or cost < found["ratio"]:
            found = {"ratio": cost, "O in us": trial["O"]}
    return found


def budgeted(current: Pipeline, unit_us: float) -> tuple[float, int]:
    """Return the cost in O with the default budget at full load of one thread, and the stride."""
    watched, bare = Watched(), Bare()
    row = np.random.default_rng(0).normal(size=(1, FEATURES))
    current.start()
    deadline = time.monotonic() + SETTLE_S
    while time.monotonic() < deadline:
        watched.predict(row)
    costs = []
    for model in (bare, watched):
        begun, calls = time.process_time(), 0
        deadline = time.monotonic() + MEASURE_S
        while time.monotonic() < deadline:
            for _ in range(BLOCK):
                model.predict(row)
            calls += BLOCK
        costs.append((time.process_time() - begun) / calls * 1e6)
    current.stop()
    return (costs[1] - costs[0]) / unit_us, shared.stride


def main() -> int:
    """Print the figures; status 1 above the limit in each of three trials."""
    start = Pipeline.start
    with tempfile.TemporaryDirectory() as folder:
        current = watch_drift(folder)
        Pipeline.start = lambda _: None  # type: ignore[method-assign]
        found = unthinned(current)
        Pipeline.start = start  # type: ignore[method-assign]
        thinned, stride = budgeted(current, found["O in us"])
    verdict = "ok" if found["ratio"] <= LIMIT else "TOO SLOW"
    print(f"\nWhole process, {FEATURES} features, drift on, in O")
    print(f"  every row binned                   {found['ratio']:8.3f}  <= {LIMIT}   {verdict}")
    print(f"  budget on, full load (1 row in {stride:<3}) {thinned:8.3f}")
    print(f"  O in us                            {found['O in us']:8.3f}")
    return int(verdict != "ok")


if __name__ == "__main__":
    sys.exit(main())

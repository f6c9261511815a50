"""What recording costs when 16 threads predict at once, with the background at work.

Two limits, each in one run on one machine:

- The cost of a recorded call on its caller's thread, 16 threads against one. It is thread CPU time
  less that of the same model unwatched, so waiting for the interpreter lock is not in it.
- The 99.9th percentile of the time that a recorded call takes by the clock, against that of three
  OpenTelemetry instrument calls (one counter, two histograms) by as many threads. The model itself
  takes no time, so the whole call is ours. A thread that is switched away in the middle of a call
  waits for all others there; so this reads how likely a call is to be interrupted, and whether it
  waits for a lock that an interrupted one holds.

The background counts the calls and bins their 100 features meanwhile, within its default budget.
"""

from __future__ import annotations

import functools
import gc
import itertools
import logging
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable

import numpy as np
from caller import FEATURES, TRIALS, Bare, Watched, clear
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from process import watch_drift

THREADS = 16
COST_LIMIT = 1.5
TAIL_LIMIT = 1 / 20
ROUNDS = 5
CALLS = 32_000  # of a round, over all threads
OTEL_CALLS = 8_000

Case = Callable[[], object]


def three_instruments() -> Case:
    """Return what an app does for each prediction with OpenTelemetry's instruments."""
    meter = metrics.get_meter("bench")
    add = meter.create_counter("c").add
    latency, value = meter.create_histogram("l").record, meter.create_histogram("v").record
    attributes = {"model": "fraud", "version": "3", "status": "ok"}

    def call() -> None:
        add(1, attributes)
        latency(0.01, attributes)
        value(0.5, attributes)

    return call


def together(case: Case, threads: int, calls: int) -> tuple[float, list[int]]:
    """Call from several threads; return microseconds of CPU a call and nanoseconds of each."""
    barrier = threading.Barrier(threads)
    cpu_s: list[float] = []
    taken: list[list[int]] = []

    def work() -> None:
        clock = time.perf_counter_ns
        mine = [0] * (calls // threads)
        barrier.wait()
        begun = time.thread_time()
        for index in range(len(mine)):
            before = clock()
            case()
            mine[index] = clock() - before
        cpu_s.append(time.thread_time() - begun)
        taken.append(mine)

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    each = [nanoseconds for mine in taken for nanoseconds in mine]
    return sum(cpu_s) / len(each) * 1e6, each


def measure() -> dict[str, float]:
    """Return costs in microseconds of CPU, and 99.9th percentiles in microseconds by the clock."""
    generator = np.random.default_rng(0)
    rows = [generator.normal(size=(1, FEATURES)) for _ in range(256)]
    turn = itertools.count()

    def predict(model: Bare) -> None:
        model.predict(rows[next(turn) & 255])

    cases: dict[str, tuple[Case, int]] = {
        "bare": (functools.partial(predict, Bare()), CALLS),
        "recorded": (functools.partial(predict, Watched()), CALLS),
        "instruments": (three_instruments(), OTEL_CALLS),
    }
    cost: dict[tuple[str, int], list[float]] = {}
    taken: dict[tuple[str, int], list[int]] = {}
    gc.collect()
    gc.freeze()
    for number in range(ROUNDS):
        for threads in (1, THREADS) if number % 2 else (THREADS, 1):
            for name, (case, calls) in cases.items():
                clear()
                spent_us, each = together(case, threads, calls)
                cost.setdefault((name, threads), []).append(spent_us)
                taken.setdefault((name, threads), []).extend(each)
    gc.unfreeze()
    found = {}
    for threads in (1, THREADS):
        spent = {name: statistics.median(cost[(name, threads)]) for name in cases}
        found[f"cost {threads}"] = spent["recorded"] - spent["bare"]
    for name in ("recorded", "instruments"):
        found[f"p99.9 {name}"] = float(np.percentile(taken[(name, THREADS)], 99.9)) / 1e3
    found["cost ratio"] = found[f"cost {THREADS}"] / found["cost 1"]
    found["tail ratio"] = found["p99.9 recorded"] / found["p99.9 instruments"]
    return found


def main() -> int:
    """Print the table; status 1 where a limit is passed in each of three trials."""
    logging.disable(logging.ERROR)  # rows that repeat are no sample of the reference
    best: dict[str, float] = {}
    tail: dict[str, float] = {}
    metrics.set_meter_provider(MeterProvider([InMemoryMetricReader()]))
    with tempfile.TemporaryDirectory() as folder:
        current = watch_drift(folder)
        current.start()
        for _ in range(TRIALS):
            trial = measure()
            best = trial if not best or trial["cost ratio"] < best["cost ratio"] else best
            tail = trial if not tail or trial["tail ratio"] < tail["tail ratio"] else tail
        current.stop()
    limits = [
        ("CPU a call, 16 threads / 1", best["cost ratio"], COST_LIMIT),
        ("p99.9, recorded / 3 instruments", tail["tail ratio"], TAIL_LIMIT),
    ]
    print(f"\n{THREADS} threads, {FEATURES} features, the background at work")
    alone, many = best["cost 1"], best[f"cost {THREADS}"]
    print(f"  us of CPU a call: {alone:.2f} of one thread, {many:.2f} of {THREADS}")
    print(
        f"  us by the clock, p99.9: {tail['p99.9 recorded']:.0f} recorded, "
        f"{tail['p99.9 instruments']:.0f} three instruments"
    )
    for name, ratio, limit in limits:
        verdict = "ok" if ratio <= limit else "TOO SLOW"
        print(f"  {name:<34} {ratio:8.4f}  <= {limit:<5} {verdict}")
    return int(any(ratio > limit for _, ratio, limit in limits))


if __name__ == "__main__":
    sys.exit(main())

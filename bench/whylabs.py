"""What whylogs profiles cost, beside whylogs itself on the same rows of 20 features.

The peer is ``why.log(pandas=...)`` of a frame, as its own documentation has it. The exporter takes
the rows in slices of 256, as the pipeline gives them, four of them a second's step: queue, sorting
and sketches are in the figure, nothing is sampled. The rounds take turns; the figure is thread CPU
time.

Then what a call costs its caller where profiles are written, beside the same call where none are:
it is the same code, so what differs is only that another thread works. Processes of their own take
turns.
"""

from __future__ import annotations

import functools
import itertools
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

import numpy as np
import pandas as pd
from rounds import interleave
from tidegauge.batch import Batch
from tidegauge.features import FeatureSettings
from tidegauge_exporter_whylabs import load_whylogs
from tidegauge_exporter_whylabs.backlog import Backlog
from tidegauge_exporter_whylabs.profiler import Profiler
from tidegauge_exporter_whylabs.requirement import missing
from tidegauge_testkit.batches import NOON_S, batch, table

FEATURES, SLICE, SLICES = 20, 256, 4
ROWS = SLICE * SLICES
MOST_OF_PEER = 0.5
MOST_OF_CALL = 1.1
ROUNDS = 7
CALLS = 3000
TEXTS = 5
LINE = "a call:"


def profiled(slices: list[Batch]) -> Callable[[], None]:
    """Return what profiles the slices of a second as the exporter does."""
    profiler = Profiler("bench", 3600, FeatureSettings())
    backlog = Backlog(2**30, 10**9, lambda _: None)

    def step() -> None:
        for each in slices:
            backlog.append(each)
        profiler.take(backlog.pop_all(), NOON_S)

    return step


def rows(kind: str) -> tuple[pd.DataFrame, list[Batch]]:
    """Return the same rows as a frame and as slices."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(ROWS, FEATURES)))
    frame.columns = [f"f{j}" for j in range(FEATURES)]
    if kind == "numbers":
        names, matrix = tuple(frame.columns), frame.to_numpy()
        parts = np.split(matrix, SLICES)
        return frame, [batch(np.ascontiguousarray(part), names=names) for part in parts]
    for name in frame.columns[:TEXTS]:
        frame[name] = rng.choice(["de", "us", "fr", "it"], ROWS)
    parts = [frame.iloc[k * SLICE : (k + 1) * SLICE] for k in range(SLICES)]
    columns = [
        {n: c.to_numpy() if c.dtype == float else c.tolist() for n, c in part.items()}
        for part in parts
    ]
    return frame, [batch(features=table(each)) for each in columns]


def costs(kind: str) -> dict[str, float]:
    """Return the microseconds of a row, by whylogs and by the exporter."""
    import whylogs as why  # noqa: PLC0415 - after it was told not to phone home
    from tidegauge_exporter_whylabs.sketches import _type_mapper  # noqa: PLC0415
    from whylogs.core.schema import DatasetSchema  # noqa: PLC0415

    frame, slices = rows(kind)
    # With numpy 2 whylogs fails on text without a mapping of types of one's own.
    schema = functools.partial(DatasetSchema, type_mapper=_type_mapper())
    cases = {
        "why.log": lambda: why.log(pandas=frame, schema=schema()),
        "exporter": profiled(slices),
    }
    for case in cases.values():
        case()
    found = interleave(cases, calls=3, rounds=30)
    return {name: cost / ROWS for name, cost in found.items()}


def call() -> None:
    """Print what a call costs its caller in this process."""
    from caller import Watched  # noqa: PLC0415 - peers that the first part has no use for

    load_whylogs()
    model = Watched()
    row = np.random.default_rng(0).normal(size=(1, FEATURES))
    found = []
    for turn in itertools.count():
        begun = time.thread_time()
        for _ in range(CALLS):
            model.predict(row)
        found.append((time.thread_time() - begun) / CALLS * 1e6)
        time.sleep(0.2)
        if turn == ROUNDS:
            break
    print(LINE, statistics.median(found[1:]))


def calls() -> dict[str, float]:
    """Return the microseconds of a call with and without profiles, of processes that take turns."""
    found: dict[str, list[float]] = {"none": [], "local": []}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(3):
            for writer, costs_us in found.items():
                more = {"TIDEGAUGE_WHYLABS_WRITER": writer, "TIDEGAUGE_WHYLABS_DIR": folder}
                done = subprocess.run(
                    [sys.executable, __file__, "call"], env={**os.environ, **more},
                    capture_output=True, text=True, check=True, timeout=300,
                )  # fmt: skip
                (line,) = [each for each in done.stdout.splitlines() if each.startswith(LINE)]
                costs_us.append(float(line.removeprefix(LINE)))
    return {writer: statistics.median(costs_us) for writer, costs_us in found.items()}


def main(arguments: list[str]) -> int:
    """Print the figures; fail where one is above its limit."""
    if arguments == ["call"]:
        call()
        return 0
    if message := missing("The benchmark"):
        print(message)
        return 0
    load_whylogs()
    failed: list[str] = []

    def judge(what: str, figures: dict[str, float], limit: float) -> None:
        (peer, base), (_, own) = figures.items()
        ratio = own / base
        print(f"  {what:<32} {own:7.2f} us  {peer} {base:7.2f} us  {ratio:.3f} x (at most {limit})")
        if ratio > limit:
            failed.append(what)

    print(f"\nwhylogs profiles, rows of {FEATURES} features")
    judge("a row of numbers", costs("numbers"), MOST_OF_PEER)
    judge(f"a row with {TEXTS} texts", costs("texts"), MOST_OF_PEER)
    judge("a call, for its caller", calls(), MOST_OF_CALL)
    if failed:
        print(f"above the limit: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

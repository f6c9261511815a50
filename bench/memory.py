"""How much memory a model's state takes.

The state is what lives on between two looks at the rows: a model's counts, reference, cells, panes
and windows. Measured by ``tracemalloc``, numpy's arrays included; the most that it was while panes
were open and not folded, and what was left when all were. The limits are those of the defaults.
"""

from __future__ import annotations

import argparse
import gc
import sys
import tempfile
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
from options import OPTIONS
from tidegauge import pipeline
from tidegauge.info import ModelInfo
from tidegauge.observe import observer
from tidegauge.pipeline import Pipeline
from tidegauge.runtime import shared
from tidegauge_drift import DriftProcessor, DriftSettings, build, save

KIB = 1024
MIB = 1024 * KIB
#: One model of 100 features with the default windows.
ONE_LIMIT = 512 * KIB
#: A thousand models of 10 features.
MANY_LIMIT = 128 * MIB
BLOCK = 250
DAYS = 3  # two windows of a day are kept, the third is open
# Blocks a day: enough rows to close a window of rows; and so many that counts take 4 bytes each.
QUIET, BUSY = 4, 270
SAMPLE = 3  # panes take 5 blocks: each stage of a pane is looked at
TICKS = 1000
DAY_S = 86_400.0


class Clock:
    """A wall clock that the benchmark moves."""

    now_s = 1_000_000.0

    def __call__(self) -> float:
        """Return Unix seconds."""
        return self.now_s


def state_bytes(
    models: int, features: int, blocks_a_day: int, options: dict[str, Any]
) -> tuple[int, int]:
    """Return the bytes that so many models hold, at most and once all windows have closed."""
    generator = np.random.default_rng(1)
    shared.clock = clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "all.reference.json"
        save(build(generator.normal(size=(10_000, features))), path)
        gc.collect()
        tracemalloc.start()
        before, _ = tracemalloc.get_traced_memory()
        settings = DriftSettings(reference=str(path), **options)
        current = Pipeline([DriftProcessor(settings=settings)])
        pipeline._current = current
        served = [_model(number) for number in range(models)]
        most = 0
        for _ in range(DAYS):
            for block in range(blocks_a_day):
                rows = generator.normal(size=(BLOCK, features))
                for model in served:
                    model.predict(rows)
                del rows
                current.flush()
                if block % SAMPLE == 0:
                    gc.collect()  # what the interpreter has free for reuse is no model's
                    most = max(most, tracemalloc.get_traced_memory()[0] - before)
                clock.now_s += 2
            clock.now_s = (clock.now_s // DAY_S + 1) * DAY_S
        points, settled_s = 0, clock.now_s + 20  # all panes are closed and folded by then
        for _ in range(TICKS):  # verdicts that are due at once are spread over ticks
            clock.now_s += 0.5
            current.flush()
            points = len(current.points())
            if points >= models * features and clock.now_s > settled_s:
                break
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    if points < models * features:
        raise RuntimeError(f"only {points} gauges: no window closed, so this measured nothing")
    return max(most, after - before), after - before


def _model(number: int) -> object:
    class Stub:
        def predict(self, rows: np.ndarray) -> np.ndarray:
            return rows[:, 0]

    info = ModelInfo("stub", "Stub", name=f"model-{number}")
    Stub.predict = observer("predict", lambda _: info)(Stub.predict)  # type: ignore[method-assign]
    return Stub()


def main() -> int:
    """Print the figures; status 1 above a limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--option", choices=OPTIONS, default="default")
    option = parser.parse_args().option
    Pipeline.start = lambda _: None  # type: ignore[method-assign]
    state_bytes(1, 2, QUIET, OPTIONS[option])  # what the first verdict imports is no model's state
    shared.channels.__init__()  # type: ignore[misc]
    one, one_settled = state_bytes(1, 100, BUSY, OPTIONS[option])
    shared.channels.__init__()  # type: ignore[misc]
    many, many_settled = state_bytes(1000, 10, QUIET, OPTIONS[option])
    ok = option != "default" or (one <= ONE_LIMIT and many <= MANY_LIMIT)
    print(f"\nState, {option}: at most with open panes; after all windows have closed")
    print(f"  1 model, 100 features      {one / KIB:8.0f} KiB  <= {ONE_LIMIT / KIB:.0f}", end="")
    print(f"   {one_settled / KIB:8.0f} KiB")
    print(f"  1,000 models, 10 features  {many / MIB:8.1f} MiB  <= {MANY_LIMIT / MIB:.0f}", end="")
    print(f"   {many_settled / MIB:8.1f} MiB")
    return int(not ok)


if __name__ == "__main__":
    sys.exit(main())

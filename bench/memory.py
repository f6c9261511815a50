"""How much memory a model's state takes.

The state is what lives on when all rows have been counted: a model's counts, reference, cells and
windows. Measured by ``tracemalloc``, numpy's arrays included.
"""

from __future__ import annotations

import gc
import sys
import tempfile
import tracemalloc
from pathlib import Path

import numpy as np
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
ROWS, BLOCK = 3000, 250  # enough to close row windows
TICKS = 1000


class Clock:
    """A wall clock that the benchmark moves."""

    now_s = 1_000_000.0

    def __call__(self) -> float:
        """Return Unix seconds."""
        return self.now_s


def state_bytes(models: int, features: int) -> float:
    """Return the bytes that so many models hold once windows have opened and closed."""
    generator = np.random.default_rng(1)
    shared.clock = clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "all.reference.json"
        save(build(generator.normal(size=(10_000, features))), path)
        gc.collect()
        tracemalloc.start()
        before, _ = tracemalloc.get_traced_memory()
        current = Pipeline([DriftProcessor(settings=DriftSettings(reference=str(path)))])
        pipeline._current = current
        served = [_model(number) for number in range(models)]
        for _ in range(ROWS // BLOCK):
            rows = generator.normal(size=(BLOCK, features))
            for model in served:
                model.predict(rows)
            current.flush()
            clock.now_s += 5
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
    return after - before


def _model(number: int) -> object:
    class Stub:
        def predict(self, rows: np.ndarray) -> np.ndarray:
            return rows[:, 0]

    info = ModelInfo("stub", "Stub", name=f"model-{number}")
    Stub.predict = observer("predict", lambda _: info)(Stub.predict)  # type: ignore[method-assign]
    return Stub()


def main() -> int:
    """Print the figures; status 1 above a limit."""
    Pipeline.start = lambda _: None  # type: ignore[method-assign]
    state_bytes(1, 2)  # what the first verdict imports is no model's state
    shared.channels.__init__()  # type: ignore[misc]
    one = state_bytes(1, 100)
    shared.channels.__init__()  # type: ignore[misc]
    many = state_bytes(1000, 10)
    ok = one <= ONE_LIMIT and many <= MANY_LIMIT
    print("\nState, default windows, after windows have closed")
    print(f"  1 model, 100 features      {one / KIB:8.0f} KiB  <= {ONE_LIMIT / KIB:.0f}")
    print(f"  1,000 models, 10 features  {many / MIB:8.1f} MiB  <= {MANY_LIMIT / MIB:.0f}")
    return int(not ok)


if __name__ == "__main__":
    sys.exit(main())

"""What the values that are off by default cost the background thread, beside the default.

CPU time of a row of 100 features in slices of 256, all kinds in the same rounds.
"""

from __future__ import annotations

import functools
import itertools
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from rounds import interleave
from tidegauge.batch import Batch, ModelKey, Table
from tidegauge_drift import DriftProcessor, DriftSettings, build, save

FEATURES = 100
SLICE = 256
NOW_S = 1_700_000_000.0
#: Settings of each kind; the first is the measure of the others.
OPTIONS: dict[str, dict[str, Any]] = {
    "default": {},
    "wasserstein": {"export": ("psi", "wasserstein.distance")},
    "classic": {"mode": "classic"},
}


def main() -> int:
    """Print the cost of a row with each option."""
    rng = np.random.default_rng(1)
    # Different rows: those that repeat would find their cells in the cache.
    slices = [rng.normal(size=(SLICE, FEATURES)) for _ in range(64)]
    times = np.full(SLICE, NOW_S)
    turn = itertools.count()

    def count(drift: DriftProcessor) -> None:
        table = Table(SLICE, None, matrix=slices[next(turn) % len(slices)])
        drift.on_batch(Batch(ModelKey("stub"), "predict", times, table, None))

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "stub.reference.json"
        save(build(rng.normal(size=(10_000, FEATURES))), path)
        cases = {
            name: functools.partial(
                count, DriftProcessor(settings=DriftSettings(reference=str(path), **options))
            )
            for name, options in OPTIONS.items()
        }
        for case in cases.values():
            case()  # the reference is read
        found = interleave(cases, calls=16, rounds=150)
    print(f"\nBackground thread, {FEATURES} features, a row")
    for name, cost in found.items():
        print(f"  {name:<12} {cost / SLICE:6.2f} us  {cost / found['default']:.2f} x")
    return 0


if __name__ == "__main__":
    sys.exit(main())

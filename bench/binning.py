"""What it costs to count rows on a reference's cells, beside ``np.histogram`` with the same edges.

Microseconds of CPU for a whole table, all features together; both find 59 edges or so a feature.
"""

from __future__ import annotations

import functools
import sys

import numpy as np
from rounds import interleave
from tidegauge.batch import Table
from tidegauge_drift.builder import build
from tidegauge_drift.layout import Layout
from tidegauge_drift.profile import NumericFeature

ROWS, FEATURES = 100_000, 20
ROUNDS = 15

#: What each kind of cells may cost, in np.histogram with edges.
LIMITS = {"linear grid": 0.6, "asinh grid": 0.85, "exact edges": 0.85}


def tables() -> dict[str, np.ndarray]:
    """Return rows by the cells that they lead to."""
    rng = np.random.default_rng(0)
    shape = (ROWS, FEATURES)
    normal = rng.normal(size=shape)
    return {
        "linear grid": normal,
        "asinh grid": rng.standard_t(2, shape),
        "exact edges": np.where(rng.random(shape) < 0.3, 0.0, normal),
    }


def kind(feature: NumericFeature) -> str:
    """Return how a feature finds its cells."""
    if feature.edges.ticks is None:
        return "exact edges"
    return "asinh grid" if feature.edges.grid.per > 0 else "linear grid"


def histograms(rows: np.ndarray, ends: list[np.ndarray]) -> list[np.ndarray]:
    """Count each column as numpy does."""
    return [np.histogram(column, edges)[0] for column, edges in zip(rows.T, ends, strict=True)]


def main() -> int:
    """Measure, print, and say whether all is within its limit."""
    failed = False
    for name, rows in tables().items():
        profile = build(rows)
        features = [f for f in profile.features if isinstance(f, NumericFeature)]
        found = {kind(feature) for feature in features}
        assert {name} == found, f"{name}: rows lead to {found}"
        block, table = Layout(profile).inputs, Table(ROWS, None, matrix=rows)
        columns = tuple(range(FEATURES))
        ends = [np.concatenate(([-np.inf], f.edges.values, [np.inf])) for f in features]

        ours = functools.partial(block.count, table, columns)
        numpys = functools.partial(histograms, rows, ends)
        counted, wanted = ours(), numpys()
        for slot, expected in zip(block.slots, wanted, strict=True):  # the same cells
            inner = counted[slot.start + 2 : slot.start + 2 + expected.size]
            assert np.array_equal(expected, inner), name
        cost = interleave({"ours": ours, "np.histogram": numpys}, calls=1, rounds=ROUNDS)
        ratio = cost["ours"] / cost["np.histogram"]
        each = cost["ours"] * 1000 / ROWS / FEATURES
        print(
            f"{name:12} {cost['ours']:8.0f} us, np.histogram {cost['np.histogram']:8.0f} us: "
            f"ratio {ratio:.3f} (at most {LIMITS[name]}), {each:.1f} ns a value"
        )
        failed |= ratio > LIMITS[name]
    print("numpy", np.__version__)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())

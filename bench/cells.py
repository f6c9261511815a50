"""How far values from cells are from those of the raw rows, for each shape.

Pairs of samples of 10,000 rows: the reference is drawn anew for each, and half of the windows are
moved and stretched. What is measured is what a window's verdict holds; the oracles are numpy and
scipy on the raw rows. Status 1 where KS is further off than it may be.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from marked import put
from numpy.typing import NDArray
from scipy import stats
from scipy.spatial.distance import jensenshannon
from tidegauge.batch import Table
from tidegauge_drift import build
from tidegauge_drift.cell_sums import FENCES, STEPS
from tidegauge_drift.layout import Layout
from tidegauge_drift.profile import NumericFeature
from tidegauge_drift.wanted import Wanted
from tidegauge_drift.window import ClosedWindow, WindowSpec
from tidegauge_drift.window_judge import judge

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "cells.md"
ROWS = 10_000
PAIRS = 200
KS_LIMIT = 0.005
FLOOR = 1e-4
ALL = Wanted(js=True, wasserstein=True)

Values = NDArray[np.float64]
Draw = Callable[[np.random.Generator, float, float], Values]


def bimodal(rng: np.random.Generator, shift: float, scale: float) -> Values:
    """Draw from a narrow and a wide mode, half of the rows each."""
    low, high = rng.normal(shift, 0.1 * scale, ROWS), rng.normal(3 + shift, scale, ROWS)
    return np.where(rng.random(ROWS) < 0.5, low, high)


def inflated(rng: np.random.Generator, shift: float, scale: float) -> Values:
    """Draw zeros in six rows of ten, and lognormal values in the others."""
    return np.where(rng.random(ROWS) < 0.6, 0.0, np.exp(rng.normal(shift, scale, ROWS)))


def mixed(rng: np.random.Generator, shift: float, scale: float) -> Values:
    """Draw normal values of five scales, from .01 to 100."""
    return shift + scale * rng.normal(size=ROWS) * 10.0 ** rng.integers(-2, 3, ROWS)


SHAPES: dict[str, Draw] = {
    "normal": lambda rng, s, k: rng.normal(s, k, ROWS),
    "lognormal 1": lambda rng, s, k: np.exp(rng.normal(s, k, ROWS)),
    "lognormal 2": lambda rng, s, k: np.exp(2 * rng.normal(s, k, ROWS)),
    "lognormal 3": lambda rng, s, k: np.exp(3 * rng.normal(s, k, ROWS)),
    "t, 2 degrees of freedom": lambda rng, s, k: s + k * rng.standard_t(2, ROWS),
    "Pareto 1": lambda rng, s, k: (1 + s) * rng.pareto(1, ROWS) ** k,
    "bimodal": bimodal,
    "zero-inflated": inflated,
    "mixed scale": mixed,
}


class Pair(NamedTuple):
    """One window's values from cells, and what they should be."""

    moved: bool
    ks: float
    raw_ks: float
    psi: float
    raw_psi: float
    js: float
    counted_js: float
    joint_js: float
    w1: float
    raw_w1: float
    fenced_w1: float


def measure(shape: str, number: int) -> Pair:
    """Judge one seeded window, clean or moved, and compute the same from its raw rows."""
    rng = np.random.default_rng((list(SHAPES).index(shape), number))
    moved = bool(number % 2)
    shift, scale = (rng.uniform(-0.3, 0.3), rng.uniform(0.8, 1.3)) if moved else (0.0, 1.0)
    reference, current = SHAPES[shape](rng, 0.0, 1.0), SHAPES[shape](rng, shift, scale)
    profile = build(reference[:, None])
    layout = Layout(profile, ALL)
    counts, extra = layout.inputs.measure(Table(ROWS, None, matrix=current[:, None]), (0,))
    window = ClosedWindow(
        WindowSpec.parse(f"{ROWS}rows"), 0, 10, ROWS, 1, 1, 1.0,
        counts.astype(np.uint32), extra=extra,
    )  # fmt: skip
    found = judge(window, layout, 1, None).features[0].finding
    assert found.ks is not None
    assert found.psi is not None
    assert found.js is not None
    assert found.wasserstein is not None
    feature = profile.features[0]
    assert isinstance(feature, NumericFeature)
    width = feature.maximum - feature.minimum
    low, high = (feature.minimum + fence / STEPS * width for fence in FENCES)
    return Pair(
        moved,
        found.ks,
        float(stats.ks_2samp(reference, current, method="asymp").statistic),
        found.psi,
        raw_psi(reference, current),
        found.js,
        counted_js(feature, reference, current),
        joint_js(reference, current),
        found.wasserstein,
        float(stats.wasserstein_distance(reference, current)),
        float(stats.wasserstein_distance(reference, current.clip(low, high))),
    )


def raw_psi(reference: Values, current: Values) -> float:
    """Compute PSI on tenths of the raw reference, a value with more than a tenth apart."""
    deciles, times = np.unique(np.quantile(reference, np.arange(1, 10) / 10), return_counts=True)
    atoms = deciles[times > 1]
    edges = np.unique(np.concatenate((deciles, atoms, np.nextafter(atoms, np.inf))))
    edges = np.concatenate(([-np.inf], edges, [np.inf]))
    p, q = (np.histogram(side, edges)[0] / ROWS for side in (reference, current))
    kept = (p > 0) | (q > 0)
    p, q = (np.maximum(side[kept], FLOOR) for side in (p, q))
    return float(((q - p) * np.log(q / p)).sum())


def counted_js(feature: NumericFeature, reference: Values, current: Values) -> float:
    """Compute JS of the raw rows between the cells' edges, half a row added to each cell."""
    top = np.nextafter(feature.maximum, np.inf)
    edges = [-np.inf, feature.minimum, *feature.edges.values, top, np.inf]
    p, q = (np.histogram(side, edges)[0] + 0.5 for side in (reference, current))
    return float(jensenshannon(p, q, base=2))


def joint_js(reference: Values, current: Values) -> float:
    """Compute JS on 50 bins of equal width over both samples."""
    both = float(min(reference.min(), current.min())), float(max(reference.max(), current.max()))
    p, q = (np.histogram(side, 50, both)[0] for side in (reference, current))
    return float(jensenshannon(p, q, base=2))


def table(found: dict[str, list[Pair]]) -> list[str]:
    """Return the lines of the tables: values and their errors, and the Wasserstein distance's."""
    head = ("shape", "KS", "PSI", "JS", "JS, cells", "JS, 50 joint bins")
    lines = [_row(head), _row(["---"] * len(head))]
    for shape, pairs in found.items():
        moved = [pair for pair in pairs if pair.moved]
        far = max(pairs, key=lambda pair: abs(pair.psi - pair.raw_psi))
        lines.append(_row((
            shape,
            f"{max(abs(pair.ks - pair.raw_ks) for pair in pairs):.4f}",
            f"{abs(far.psi - far.raw_psi):.4f} of {far.raw_psi:.2f}",
            f"{max(abs(pair.js - pair.counted_js) for pair in pairs):.0e}",
            f"{np.median([pair.js for pair in moved]):.3f}",
            f"{np.median([pair.joint_js for pair in moved]):.3f}",
        )))  # fmt: skip
    head = ("shape", "clean", "moved", "clean, fenced", "moved, fenced")
    lines += ["", _row(head), _row(["---"] * len(head))]
    for shape, pairs in found.items():
        sides = [[pair for pair in pairs if pair.moved is moved] for moved in (False, True)]
        raw = [_errors([(pair.w1, pair.raw_w1) for pair in side]) for side in sides]
        fenced = [_errors([(pair.w1, pair.fenced_w1) for pair in side]) for side in sides]
        lines.append(_row((shape, *raw, *fenced)))
    return lines


def _errors(pairs: list[tuple[float, float]]) -> str:
    parts = [abs(found - raw) / raw for found, raw in pairs]
    return f"{np.median(parts):.1%}, {max(parts):.1%}"


def _row(cells: object) -> str:
    return f"| {' | '.join(cells)} |"  # type: ignore[arg-type]


def main() -> int:
    """Measure, print and write the tables; status 1 where KS is further off than it may be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=PAIRS, help="pairs of each shape")
    parser.add_argument("--write", action="store_true", help=f"put the tables into {PAGE.name}")
    given = parser.parse_args()
    found: dict[str, list[Pair]] = {}
    with ProcessPoolExecutor() as pool:
        for shape in SHAPES:
            names = [shape] * given.pairs
            found[shape] = list(pool.map(measure, names, range(given.pairs), chunksize=10))
    lines = table(found)
    print("\n".join(lines))
    if given.write:
        put(PAGE, "cells", lines)
    worst = max(abs(pair.ks - pair.raw_ks) for pairs in found.values() for pair in pairs)
    print(f"\nKS from cells is at most {worst:.4f} off; allowed is {KS_LIMIT}")
    return int(worst > KS_LIMIT)


if __name__ == "__main__":
    sys.exit(main())

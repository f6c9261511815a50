"""How often the rules of classic mode fire on clean windows.

The 20 features are those of ``report_false_alarms.py``. Profile, counts and verdict are what a live
model has; each reference of 10,000 rows is drawn anew and judges one window of each size.
"""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
from marked import put
from report_false_alarms import Rng, draw
from tidegauge.batch import Table
from tidegauge_drift import build
from tidegauge_drift.classic import KL, KS, PSI
from tidegauge_drift.layout import Layout
from tidegauge_drift.wanted import Wanted
from tidegauge_drift.window import ClosedWindow, WindowSpec
from tidegauge_drift.window_judge import judge

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "drift.md"
REFERENCE = 10_000
ROWS = (100, 300, 1000, 3000, 10_000)
WINDOWS = 400
_NUMBERS = 17
_NAMES = np.array(list("abcde"), object)


def columns(rng: Rng, rows: int) -> dict[str, np.ndarray]:
    """Draw rows of the 20 features."""
    found = draw(rng, rows)
    for i, counts in enumerate(found[_NUMBERS:], _NUMBERS):
        found[i] = rng.permutation(np.repeat(_NAMES, counts.astype(int)))
    return {f"x{i}": values for i, values in enumerate(found)}


def fired(window: int) -> list[list[str]]:
    """Judge a clean window of each size; return the rules that fired for any of its features."""
    rng = np.random.default_rng((29, window))
    layout = Layout(build(pd.DataFrame(columns(rng, REFERENCE))), Wanted(classic=True))
    return [_fired(layout, columns(rng, rows), rows) for rows in ROWS]


def _fired(layout: Layout, current: dict[str, np.ndarray], rows: int) -> list[str]:
    table = Table(rows, tuple(current), columns=tuple(current.values()))
    counts, extra = layout.inputs.measure(table, layout.match_inputs(table).columns)
    closed = ClosedWindow(
        WindowSpec.parse(f"{rows}rows"), 0, 10, rows, 1, 1, 1.0,
        counts.astype(np.uint32), extra=extra,
    )  # fmt: skip
    features = judge(closed, layout, 1, None).features
    if len(features) != len(current) or any(feature.flagged is None for feature in features):
        raise RuntimeError("a feature was not judged: this measured too little")
    return sorted({rule for feature in features for rule in feature.finding.rules})


def main() -> int:
    """Measure and print the table, and write it into the docs where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--windows", type=int, default=WINDOWS, help="windows of each size")
    parser.add_argument("--write", action="store_true", help=f"put the table into {PAGE.name}")
    given = parser.parse_args()
    with ProcessPoolExecutor() as pool:
        found = list(pool.map(fired, range(given.windows), chunksize=5))
    lines = ["| rows | any rule | PSI | KS | KL |", "| --- | --- | --- | --- | --- |"]
    for rows, windows in zip(ROWS, zip(*found, strict=True), strict=True):
        shares = [np.mean([bool(rules) for rules in windows])]
        shares += [np.mean([rule in rules for rules in windows]) for rule in (PSI, KS, KL)]
        lines.append(f"| {rows:,} | {' | '.join(f'{share:.3f}' for share in shares)} |")
    print("\n".join(lines))
    if given.write:
        put(PAGE, "classic", lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())

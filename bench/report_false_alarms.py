"""How often the report's verdict is wrong on clean rows, and what it finds in changed ones.

    python bench/report_false_alarms.py --windows 4000 --write docs/reference/report-verdict.md

20 independent features: 8 normal, 4 lognormal, 2 Student t with 3 degrees of freedom, 3 Poisson and
3 with five categories. Each window has a reference of its own. The verdict is all that is computed:
packages/drift/tests/test_report_rates.py checks that it is the one of ``compare``.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from marked import put
from numpy.typing import NDArray
from scipy import special
from tidegauge_drift.block import INPUTS
from tidegauge_drift.report.by_segment import SHARE
from tidegauge_drift.report.categorical import categorical_test, category_shares
from tidegauge_drift.report.evidence import Evidence
from tidegauge_drift.report.numeric import number_shares, numeric_test, read_numbers
from tidegauge_drift.report.result import CATEGORICAL, NUMERIC, FeatureReport
from tidegauge_drift.report.tables import Categories
from tidegauge_drift.report.verdict import judge, judge_together

Array = NDArray[np.float64]
Rng = np.random.Generator
ALPHA = 0.05
ROWS = (100, 300, 1_000, 3_000, 10_000, 100_000)
BOUND = 0.08
LARGE = 100_000
SEGMENTS = (3, 10)
_LEVELS = np.array([0.4, 0.3, 0.15, 0.1, 0.05])
_NAMES = list("abcde")


def draw(rng: Rng, n: int) -> list[Array]:
    """Draw n rows of the 20 features; the last three are categories, as their counts."""
    found = [rng.normal(size=n) for _ in range(8)]
    found += [rng.lognormal(size=n) for _ in range(4)]
    found += [rng.standard_t(3, size=n) for _ in range(2)]
    found += [rng.poisson(rate, size=n).astype(np.float64) for rate in (1, 4, 20)]
    return found + [rng.multinomial(n, _LEVELS).astype(np.float64) for _ in range(3)]


def evidence(reference: list[Array], current: list[Array]) -> Iterator[Evidence]:
    """Test every feature, without the statistics that the verdict does not need."""
    for i, (p, q) in enumerate(zip(reference, current, strict=True)):
        name = f"x{i}"
        if i < 17:
            before, after = read_numbers(p, 0), read_numbers(q, 0)
            test = numeric_test(before.values, after.values)
            shares = number_shares(name, before, after, 1.0)
            yield Evidence(name, INPUTS, NUMERIC, test, shares=shares)
        else:
            one, other = _categories(p), _categories(q)
            test = categorical_test(one, other)
            shares = category_shares(name, one, other, 1.0)
            yield Evidence(name, INPUTS, CATEGORICAL, test, shares=shares)


def _categories(counts: Array) -> Categories:
    listed = counts.astype(int).tolist()
    named = Counter(dict(zip(_NAMES, listed, strict=True)))
    return Categories(sum(listed), +named, 0, 0, np.empty(0))


def verdict(reference: list[Array], current: list[Array]) -> list[FeatureReport]:
    """Judge one window."""
    return judge(list(evidence(reference, current)), ALPHA)


def upper(k: int, n: int) -> float:
    """Return the upper 95 % bound of a share (Clopper and Pearson, one-sided)."""
    return 1.0 if k == n else float(special.betaincinv(k + 1, n - k, 0.95))


def _share(k: int, n: int) -> str:
    return f"{k / n:.4f} (at most {upper(k, n):.4f})"


def false_alarms(rng: Rng, n: int, m: int, windows: int) -> tuple[int, int]:
    """Count clean windows with any input flagged, and with anything flagged at all."""
    inputs = either = 0
    for _ in range(windows):
        found = verdict(draw(rng, m), draw(rng, n))
        inputs += any(feature.drifted for feature in found)
        either += any(feature.flagged for feature in found)
    return inputs, either


def by_segment(rng: Rng, n: int, m: int, number: int, windows: int) -> tuple[int, int, int]:
    """Count clean windows of so many segments with all rows, a segment, or either flagged.

    Segments are of very different sizes, by Zipf's law.
    """
    shares = 1 / np.arange(1, number + 1)
    sizes = [np.maximum(1, np.rint(rows * shares / shares.sum())).astype(int) for rows in (m, n)]
    whole = parts = either = 0
    for _ in range(windows):
        pairs = [(draw(rng, p), draw(rng, q)) for p, q in zip(*sizes, strict=True)]
        rows = any(
            feature.flagged for feature in verdict(*(_joined(s) for s in zip(*pairs, strict=True)))
        )
        found = [each for pair in pairs for each in evidence(*pair)]
        segments = any(feature.flagged for feature in judge_together(found, ALPHA * SHARE))
        whole, parts, either = whole + rows, parts + segments, either + (rows or segments)
    return whole, parts, either


def _joined(parts: Sequence[list[Array]]) -> list[Array]:
    """Return all rows of one side; of categories the sums of their counts."""
    columns = list(zip(*parts, strict=True))
    numbers = [np.concatenate(column) for column in columns[:17]]
    return numbers + [np.sum(column, axis=0) for column in columns[17:]]


def _shift(size: float) -> Callable[[Rng, list[Array]], None]:
    def change(_: Rng, rows: list[Array]) -> None:
        rows[0] = rows[0] + size

    return change


def _sentinel(rng: Rng, rows: list[Array]) -> None:
    rows[8] = np.where(rng.random(rows[8].size) < 0.03, -999.0, rows[8])


def _rate(rate: float) -> Callable[[Rng, list[Array]], None]:
    def change(rng: Rng, rows: list[Array]) -> None:
        rows[0] = (rng.random(rows[0].size) < rate).astype(np.float64)

    return change


# What changes, in how many rows, the reference before and after, and which feature it is.
_CHANGES: tuple[
    tuple[
        str,
        int,
        int,
        Callable[[Rng, list[Array]], None] | None,
        Callable[[Rng, list[Array]], None],
        int,
    ],
    ...,
] = (
    ("mean by .25 sd", 100, 10_000, None, _shift(0.25), 0),
    ("mean by .25 sd", 300, 10_000, None, _shift(0.25), 0),
    ("mean by .25 sd", 1_000, 10_000, None, _shift(0.25), 0),
    ("mean by .02 sd", 100_000, 100_000, None, _shift(0.02), 0),
    ("share of a class from 1 % to 2.5 %", 5_000, 10_000, _rate(0.01), _rate(0.025), 0),
    ("3 % of the rows become -999", 5_000, 10_000, None, _sentinel, 8),
)


def found(rng: Rng, change: int, windows: int) -> int:
    """Count windows in which the changed feature is flagged."""
    _, n, m, before, after, feature = _CHANGES[change]
    flagged = 0
    for _ in range(windows):
        reference, current = draw(rng, m), draw(rng, n)
        if before is not None:
            before(rng, reference)
        after(rng, current)
        flagged += verdict(reference, current)[feature].flagged
    return flagged


def sizes(rng: Rng, windows: int) -> list[str]:
    """Return how often clean categories have small p-values, for long tails."""
    zipf = 1 / np.arange(1, 5_001)
    populations = {
        "30 by Zipf's law": zipf[:30],
        "100 by Zipf's law": zipf[:100],
        "5,000 by Zipf's law": zipf,
        "500, all alike": np.ones(500),
    }
    lines = []
    for name, weights in populations.items():
        for m, n in itertools.product((1_000, 10_000), (300, 1_000, 10_000)):
            small = np.zeros(3)
            for _ in range(windows):
                p, q = (_named(rng.multinomial(rows, weights / weights.sum())) for rows in (m, n))
                found = categorical_test(p, q).p_value or 0.0
                new = category_shares("x", p, q, 1.0)[-1].check.p_value
                small += (found <= ALPHA, found <= ALPHA / 5, new <= ALPHA / 5)
            shares = " | ".join(f"{share:.3f}" for share in small / windows)
            lines.append(f"| {name} | {n:,} | {m:,} | {shares} |")
            print(lines[-1], file=sys.stderr, flush=True)
    return lines


def _named(counts: NDArray[np.int64]) -> Categories:
    named = Counter({f"c{i}": count for i, count in enumerate(counts.tolist()) if count})
    return Categories(int(counts.sum()), named, 0, 0, np.empty(0))


def segments(options: argparse.Namespace) -> int:
    """Print the table of segments, or write it to a page; status 1 where a bound is broken."""
    lines = [
        "| segments | rows | reference | windows | all rows flagged | a segment flagged "
        "| either flagged |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    broken = False
    for m, number, n in itertools.product(options.references, SEGMENTS, options.rows):
        rng = np.random.default_rng([options.seed, 3, m, number, n])
        windows = options.segment_windows
        counts = by_segment(rng, n, m, number, windows)
        broken |= upper(counts[-1], windows) > BOUND
        shares = " | ".join(_share(count, windows) for count in counts)
        lines.append(f"| {number} | {n:,} | {m:,} | {windows:,} | {shares} |")
        print(lines[-1], file=sys.stderr, flush=True)
    if options.write is None:
        print("\n".join(lines))
    else:
        put(options.write, "segments", lines)
    return int(broken)


def main() -> int:
    """Print the tables, or write them to a page; status 1 where a bound is broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--windows", type=int, default=4_000)
    parser.add_argument("--large-windows", type=int, default=400, help="from 100,000 rows on")
    parser.add_argument("--found-windows", type=int, default=200)
    parser.add_argument("--rows", type=int, nargs="*", default=list(ROWS))
    parser.add_argument("--references", type=int, nargs="*", default=[10_000, 1_000])
    parser.add_argument("--category-windows", type=int, default=2_000)
    parser.add_argument("--segment-windows", type=int, default=0, help="judge segments, no more")
    parser.add_argument("--seed", type=int, default=20_261_126)
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    if options.segment_windows:
        return segments(options)
    broken = False
    lines = [
        "| rows | reference | windows | any input flagged | anything flagged |",
        "| --- | --- | --- | --- | --- |",
    ]
    for m, n in itertools.product(options.references, options.rows):
        rng = np.random.default_rng([options.seed, n])
        windows = options.windows if n < LARGE else options.large_windows
        started = time.perf_counter()
        inputs, either = false_alarms(rng, n, m, windows)
        broken |= upper(either, windows) > BOUND
        shares = f"{_share(inputs, windows)} | {_share(either, windows)}"
        lines.append(f"| {n:,} | {m:,} | {windows:,} | {shares} |")
        print(lines[-1], f"{time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
    lines += [
        "",
        "| change | rows | reference | windows | flagged |",
        "| --- | --- | --- | --- | --- |",
    ]
    for i, (what, n, m, *_) in enumerate(_CHANGES):
        windows = options.found_windows if n < LARGE else options.found_windows // 2
        flagged = found(np.random.default_rng([options.seed, 1, i]), i, windows)
        lines.append(f"| {what} | {n:,} | {m:,} | {windows} | {flagged / windows:.3f} |")
        print(lines[-1], file=sys.stderr, flush=True)
    lines += [
        "",
        "| categories | rows | reference | p <= .05 | p <= .01 | new ones: p <= .01 |",
        "| --- | --- | --- | --- | --- | --- |",
        *sizes(np.random.default_rng([options.seed, 2]), options.category_windows),
    ]
    if options.write is None:
        print("\n".join(lines))
    else:
        put(options.write, "verdict", lines)
    return int(broken)


if __name__ == "__main__":
    sys.exit(main())

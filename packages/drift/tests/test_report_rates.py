"""How often the report's verdict is wrong, and what it finds: fast forms of the published tables.

``bench/report_false_alarms.py`` has the full ones. Every seed is fixed, so the counts are too.
"""

from __future__ import annotations

from collections import Counter
from typing import TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tidegauge_drift import compare
from tidegauge_drift.block import INPUTS
from tidegauge_drift.report.categorical import categorical_test, category_shares
from tidegauge_drift.report.evidence import Evidence
from tidegauge_drift.report.numeric import number_shares, numeric_test, read_numbers
from tidegauge_drift.report.result import CATEGORICAL, NUMERIC, FeatureReport
from tidegauge_drift.report.tables import Categories
from tidegauge_drift.report.verdict import judge

Array: TypeAlias = NDArray[np.float64]
LEVELS = (0.4, 0.3, 0.15, 0.1, 0.05)


def _draw(rng: np.random.Generator, n: int) -> list[Array]:
    found = [rng.normal(size=n) for _ in range(8)]
    found += [rng.lognormal(size=n) for _ in range(4)]
    found += [rng.standard_t(3, size=n) for _ in range(2)]
    return found + [rng.poisson(rate, size=n).astype(np.float64) for rate in (1, 4, 20)]


def _judged(
    reference: list[Array], current: list[Array], levels: list[tuple[Array, Array]]
) -> list[FeatureReport]:
    """Judge one window without the statistics that the verdict does not need."""
    found = []
    for i, (p, q) in enumerate(zip(reference, current, strict=True)):
        before, after = read_numbers(p, 0), read_numbers(q, 0)
        test = numeric_test(before.values, after.values)
        shares = number_shares(f"x{i}", before, after, 1.0)
        found.append(Evidence(f"x{i}", INPUTS, NUMERIC, test, shares=shares))
    for i, pair in enumerate(levels):
        one, other = (_categories(counts) for counts in pair)
        shares = category_shares(f"c{i}", one, other, 1.0)
        test = categorical_test(one, other)
        found.append(Evidence(f"c{i}", INPUTS, CATEGORICAL, test, shares=shares))
    return judge(found, 0.05)


def _categories(counts: Array) -> Categories:
    named = Counter({f"l{i}": int(count) for i, count in enumerate(counts)})
    return Categories(int(counts.sum()), +named, 0, 0, np.empty(0))


def _window(rng: np.random.Generator, n: int, m: int, shift: float = 0.0) -> list[FeatureReport]:
    reference, current = _draw(rng, m), _draw(rng, n)
    current[0] = current[0] + shift
    levels = [(_counts(rng, m), _counts(rng, n)) for _ in range(3)]
    return _judged(reference, current, levels)


def _counts(rng: np.random.Generator, n: int) -> Array:
    return rng.multinomial(n, LEVELS).astype(np.float64)


def test_clean_windows_are_rarely_flagged() -> None:
    """Of 20 features, all families together: at most .08 of the windows, as far as 40 can tell."""
    for n in (100, 1_000):
        rng = np.random.default_rng([1, n])
        flagged = sum(any(f.flagged for f in _window(rng, n, 1_000)) for _ in range(40))
        assert flagged <= 7, n  # .08 of 40 windows make more in 1 of 70 cases


def test_a_quarter_of_a_standard_deviation_is_found() -> None:
    """In more than .6 of the windows of 300 rows, in all of 1,000; 19 features are clean."""
    rng = np.random.default_rng(2)
    found = [_window(rng, 300, 10_000, 0.25)[0].drifted for _ in range(25)]
    surely = [_window(rng, 1_000, 10_000, 0.25)[0].drifted for _ in range(8)]

    assert sum(map(bool, found)) >= 0.6 * 25
    assert all(surely)


def test_a_fraud_rate_that_more_than_doubles_is_found() -> None:
    """1 % to 2.5 % in 5,000 rows: in 95 of 100 windows; 1 % to 1.4 % in 100,000 rows in none."""
    rng = np.random.default_rng(5)

    def share(rate: float, n: int, m: int) -> float:
        found = 0
        for _ in range(100):
            reference, current = (
                np.repeat([0.0, 1.0], [rows - hits, hits])
                for rows, hits in ((m, rng.binomial(m, 0.01)), (n, rng.binomial(n, rate)))
            )
            test = numeric_test(reference, current)
            found += test.p_value is not None and test.p_value <= 0.05 / 20 and test.effect >= 1
        return found / 100

    assert share(0.025, 5_000, 10_000) >= 0.95
    assert share(0.014, 100_000, 100_000) == 0


def test_the_short_way_is_the_long_way() -> None:
    """What these rates are measured with says what ``compare`` says."""
    rng = np.random.default_rng(3)
    reference, current = _draw(rng, 2_000), _draw(rng, 300)
    current[3] = current[3] + 0.5
    short = {f.name: f for f in _judged(reference, current, [])}
    frames = [
        pd.DataFrame({f"x{i}": column for i, column in enumerate(rows)})
        for rows in (reference, current)
    ]
    for feature in compare(*frames).features:
        one = short[feature.name]
        assert (feature.drifted, feature.p_value) == (one.drifted, one.p_value)
        assert (feature.effect, feature.quality) == (one.effect, one.quality)


def test_categories_with_a_long_tail_keep_the_level() -> None:
    """100 by Zipf's law: clean p-values are no smaller than they say."""
    rng = np.random.default_rng(4)
    shares = 1 / np.arange(1, 101)
    shares /= shares.sum()
    small = 0
    for _ in range(100):
        before, after = (
            _categories(rng.multinomial(n, shares).astype(np.float64)) for n in (1_000, 300)
        )
        p_value = categorical_test(before, after).p_value
        assert p_value is not None
        small += p_value < 0.05
    assert small <= 11  # 5 of 100 make more in 1 of 200 cases

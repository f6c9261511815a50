"""Effective rows of independent and of autocorrelated samples."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.signal import lfilter
from tidegauge_drift import effective_sample_size, ks, ks_p_value
from tidegauge_drift.dependence import (
    block_lengths,
    cautious,
    cautious_together,
    design_effect,
)


def ar1(rng: np.random.Generator, rho: float, rows: int) -> np.ndarray:
    """Return a stationary Gaussian AR(1) series."""
    noise = rng.normal(size=rows) * np.sqrt(1 - rho**2)
    noise[0] = rng.normal()
    return np.asarray(lfilter([1], [1, -rho], noise))


def exact_design_effect(rho: float) -> float:
    """Return the long-run design effect of the decile indicators, mean over the nine deciles."""
    found = []
    for p in np.arange(1, 10) / 10:
        z = stats.norm.ppf(p)
        total = 1.0
        for lag in range(1, 60):
            r = rho**lag
            if r < 1e-4:
                break
            both = stats.multivariate_normal.cdf([z, z], cov=[[1, r], [r, 1]])
            total += 2 * (both - p * p) / (p * (1 - p))
        found.append(total)
    return float(np.mean(found))


@pytest.mark.parametrize("rho", [0.5, 0.9])
def test_autocorrelated_rows_are_worth_what_theory_says(rho: float) -> None:
    """50,000 rows of AR(1): within 30 % of the exact value, on the safe side of 15 %."""
    rows = 50_000
    found = rows / effective_sample_size(ar1(np.random.default_rng(41), rho, rows))

    assert 0.85 < found / exact_design_effect(rho) < 1.3


@pytest.mark.parametrize("rows", [40, 300, 10_000])
def test_independent_rows_are_worth_most_of_themselves(rows: int) -> None:
    """On average at least .85 n, and never more than n."""
    rng = np.random.default_rng(42)
    found = [effective_sample_size(rng.normal(size=rows)) / rows for _ in range(40)]

    assert max(found) <= 1
    assert np.mean(found) > 0.85


@pytest.mark.parametrize(
    ("rho", "rows", "below", "price"),
    [(0.5, 10_000, 0.15, 1.5), (0.9, 10_000, 0.1, 1.6), (0.9, 1000, 0.1, 2.5)],
)
def test_the_cautious_design_effect_is_rarely_too_small(
    rho: float, rows: int, below: float, price: float
) -> None:
    """What is measured is below the exact value in up to four of five samples, its bound in few."""
    rng = np.random.default_rng(46)
    exact = exact_design_effect(rho)
    measured = np.array([design_effect(ar1(rng, rho, rows)) for _ in range(60)])
    bounds = np.array([cautious(value, rows) for value in measured.tolist()])

    assert (bounds < exact).mean() <= below < (measured < exact).mean() + 0.05
    assert (bounds < 0.7 * exact).mean() <= 0.05
    assert bounds.mean() < price * exact


@pytest.mark.parametrize(
    ("deff", "rows"), [(1.2, 10_000), (12.0, 10_000), (12.0, 1000), (5.5, 1000), (1.5, 60)]
)
def test_the_cautious_design_effect_is_the_bound_of_a_variance(deff: float, rows: int) -> None:
    """Of as many block means as there are blocks of 10 d rows: their quantile of chi-square."""
    blocks = rows / (10 * deff)
    expected = deff * blocks / stats.chi2.ppf(0.05, blocks)

    assert cautious(deff, rows) == pytest.approx(expected, rel=0.1 if blocks < 5 else 5e-3)


def test_caution_ends_at_one_and_at_all_rows() -> None:
    """Where no dependence was seen there is none; a sample is worth a row at least."""
    assert cautious(1.0, 1000) == 1.0
    assert cautious(20.0, 40) == 40.0


@pytest.mark.parametrize(
    ("alone", "others", "rows", "taken"),
    [
        (2.9, 9.8, 1000, 9.8),  # 10 blocks show so little by chance once in some hundred
        (1.1, 9.8, 1000, 1.1),  # hardly ever
        (9.2, 12.5, 10_000, 12.5),
        (2.3, 12.5, 10_000, 2.3),
        (20.0, 9.8, 1000, 20.0),
        (1.0, 1.1, 1000, 1.1),
    ],
)
def test_what_chance_explains_as_the_median_is_taken_for_it(
    alone: float, others: float, rows: int, taken: float
) -> None:
    """One column of 21 that was measured smaller or larger than all others, which are alike."""
    found = cautious_together([others] * 20 + [alone], [rows] * 21)

    assert found == [cautious(others, rows)] * 20 + [cautious(taken, rows)]
    k = rows / (10 * others)
    by_chance = stats.chi2.cdf(k * alone / others, k) > 0.05 / 21
    assert by_chance == (taken != alone or alone >= others)


def test_no_column_of_a_short_table_seems_independent() -> None:
    """30 tables of 12 columns of 1,000 rows of AR(1) .9, exactly 12.1: none is taken for 10."""
    rng = np.random.default_rng(47)
    alone = together = 0
    for _ in range(30):
        measured = [design_effect(ar1(rng, 0.9, 1000)) for _ in range(12)]
        alone += sum(cautious(value, 1000) < 10 for value in measured)
        together += sum(value < 10 for value in cautious_together(measured, [1000] * 12))

    assert together == 0 < alone
    assert cautious_together([], []) == []


def test_tests_at_effective_rows_do_not_cry_wolf() -> None:
    """AR(1) .9, 1,000 rows against 10,000, level .01: at most .05, while plain rows exceed .3."""
    rng = np.random.default_rng(43)
    plain = effective = 0
    draws = 60
    for _ in range(draws):
        reference, current = ar1(rng, 0.9, 10_000), ar1(rng, 0.9, 1000)
        worth = effective_sample_size(reference) / reference.size
        result = ks(reference, current)
        plain += result.p_value < 0.01
        p_value = ks_p_value(result.statistic, current.size * worth, reference.size * worth)
        effective += p_value < 0.01

    assert effective / draws <= 0.05
    assert plain / draws > 0.3


def test_the_order_of_rows_counts() -> None:
    """The same values sorted are worth a handful of rows."""
    values = np.random.default_rng(44).normal(size=1000)

    assert effective_sample_size(np.sort(values)) < 30
    assert effective_sample_size(values) > 600


@pytest.mark.parametrize("values", [[7.0] * 100, [0, 1] * 50, [1e308, -1e308] * 20])
def test_values_without_spread_or_with_too_much_are_worth_all_rows(values: list[float]) -> None:
    """A constant, alternating values, a range beyond float64: no more rows than there are."""
    assert len(values) == effective_sample_size(values)


def test_a_frequent_value_is_no_decile() -> None:
    """Nine of ten rows are 0: only deciles below the maximum say something."""
    rng = np.random.default_rng(45)
    values = np.where(rng.random(2000) < 0.95, 0.0, rng.random(2000))

    assert 0.5 * 2000 < effective_sample_size(values) <= 2000


def test_few_rows_are_refused() -> None:
    """39 finite values cannot be cut into 20 blocks of two."""
    with pytest.raises(ValueError, match="finite values") as caught:
        effective_sample_size([*range(39), np.nan])

    assert str(caught.value) == (
        "values: got 39 finite values from the argument; expected at least 40. "
        "Fewer rows cannot tell how they depend on each other."
    )


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (40, [2]),
        (1000, [50]),
        (10_000, [50, 100, 250, 500]),
        (44_000, [50, 100, 250, 500, 1000, 2200]),
    ],
)
def test_block_lengths_grow_up_to_a_twentieth(rows: int, expected: list[int]) -> None:
    """Each once, the longest always."""
    assert expected == list(block_lengths(rows))

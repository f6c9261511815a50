"""Two-sample chi-square against scipy, and the size of its pooled form."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from tidegauge_drift import chi_square, chi_square_from_counts

if TYPE_CHECKING:
    from random import Random

COUNTS = st.lists(st.integers(1, 500), min_size=2, max_size=20)


@given(COUNTS, st.randoms(use_true_random=False))
def test_chi_square_is_scipys(counts: list[int], random: Random) -> None:
    """Statistic, p-value and degrees of freedom, 2 x 2 tables without Yates."""
    other = counts[:]
    random.shuffle(other)
    expected = stats.chi2_contingency([counts, other], correction=False)

    result = chi_square_from_counts(counts, other)

    assert result.statistic == pytest.approx(expected.statistic, rel=1e-10, abs=1e-10)
    assert result.p_value == pytest.approx(expected.pvalue, rel=1e-9)
    assert expected.dof == result.degrees_of_freedom


def test_cells_empty_on_both_sides_do_not_count() -> None:
    """A cell nobody fell into costs no degree of freedom."""
    assert chi_square_from_counts([5, 0, 9], [7, 0, 3]) == chi_square_from_counts([5, 9], [7, 3])


def test_one_cell_has_no_test() -> None:
    """A constant against the same constant: no statistic, p 1."""
    assert chi_square_from_counts([10], [3]) == (0.0, 1.0, 0)


def test_small_cells_are_pooled() -> None:
    """Cells with an expected count below 5 become one."""
    result = chi_square_from_counts([500, 400, 3, 2, 1], [480, 410, 2, 4, 3], pool_below=5)

    assert chi_square_from_counts([500, 400, 6], [480, 410, 9]) == result


def test_one_unseen_category_is_not_drift_but_many_are() -> None:
    """The exact test takes over where pooling would leave a small cell."""
    assert chi_square_from_counts([10_000, 0], [99, 1], pool_below=5).p_value == pytest.approx(
        100 / 10_100, rel=1e-9
    )
    assert chi_square_from_counts([10_000, 0], [0, 100], pool_below=5).p_value < 1e-100


def test_pooling_keeps_the_size_on_a_hundred_zipf_levels() -> None:
    """At a nominal .01 clean data is flagged in at most .02 of the draws; unpooled in more."""
    rng = np.random.default_rng(3)
    shares = 1 / np.arange(1, 101)
    shares /= shares.sum()
    flagged = {5.0: 0, None: 0}
    draws = 1000
    for _ in range(draws):
        reference, current = rng.multinomial(10_000, shares), rng.multinomial(300, shares)
        for pool in flagged:
            flagged[pool] += (
                chi_square_from_counts(reference, current, pool_below=pool).p_value < 0.01
            )

    assert flagged[5.0] / draws <= 0.02
    assert flagged[None] > flagged[5.0]


def test_a_design_effect_divides_the_statistic() -> None:
    """A deff of 2 halves the statistic."""
    plain = chi_square_from_counts([50, 60], [70, 30])

    assert chi_square_from_counts([50, 60], [70, 30], deff=2).statistic == pytest.approx(
        plain.statistic / 2, rel=1e-12
    )
    with pytest.raises(ValueError, match=r"deff: got 0\.1"):
        chi_square_from_counts([1], [1], deff=0.1)


def test_raw_categories_are_counted_on_their_union() -> None:
    """Categories that only one sample has are columns too; scipy's value."""
    reference = ["a"] * 40 + ["b"] * 50 + ["c"] * 10
    current = ["d"] * 5 + ["b"] * 30 + ["a"] * 25
    expected = stats.chi2_contingency([[40, 50, 10, 0], [25, 30, 0, 5]], correction=False)

    result = chi_square(reference, current)

    assert result.statistic == pytest.approx(expected.statistic, rel=1e-12)
    assert result.p_value == pytest.approx(expected.pvalue, rel=1e-12)
    assert expected.dof == result.degrees_of_freedom


def test_one_unseen_category_in_a_hundred_rows_is_published() -> None:
    """1.008 and .60, where a one-sample test says p = 0."""
    reference = ["a"] * 50 + ["b"] * 50
    current = ["a"] * 50 + ["b"] * 49 + ["z"]

    result = chi_square(reference, current)

    assert result.statistic == pytest.approx(1.01, abs=0.005)
    assert result.p_value == pytest.approx(0.60, abs=0.005)


def test_rare_raw_categories_are_pooled_on_request() -> None:
    """As counts are."""
    reference = ["a"] * 500 + ["b"] * 400 + ["c"] * 3 + ["d"] * 3
    current = ["a"] * 480 + ["b"] * 410 + ["c"] * 5 + ["e"] * 4

    assert chi_square_from_counts([500, 400, 6], [480, 410, 9]) == chi_square(
        reference, current, pool_below=5
    )


def test_a_hundred_thousand_categories_have_a_value() -> None:
    """Identifiers by mistake: finite, and no exception."""
    result = chi_square([f"r{i}" for i in range(100_000)], [f"r{i}" for i in range(0, 100_000, 3)])

    assert 0 < result.statistic < float("inf")
    assert 0 <= result.p_value <= 1
    assert 99_999 == result.degrees_of_freedom

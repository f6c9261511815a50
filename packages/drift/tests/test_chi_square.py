"""Two-sample chi-square against scipy, and the size of its pooled form."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from tidegauge_drift import chi_square_from_counts

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

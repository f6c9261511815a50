"""Two shares against scipy and Cohen's printed values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from tidegauge_drift import cohens_h, two_proportion_p_value

SIZE = st.integers(1, 400)


@given(SIZE, SIZE, st.floats(0, 1), st.floats(0, 1))
def test_p_value_is_scipys(n: int, m: int, share: float, reference_share: float) -> None:
    """Pearson where every expected count is at least 5, else Fisher's exact test."""
    k, r = round(n * share), round(m * reference_share)
    p = two_proportion_p_value(k, n, r, m)
    table = [[k, n - k], [r, m - r]]
    if k + r in (0, n + m):
        assert p == 1.0
        return
    expected = stats.contingency.expected_freq(table)
    if expected.min() >= 5:
        assert p == pytest.approx(stats.chi2_contingency(table, correction=False).pvalue, abs=1e-9)
    else:
        assert p == pytest.approx(stats.fisher_exact(table).pvalue, rel=1e-7, abs=1e-9)


def test_one_rare_row_is_not_significant() -> None:
    """One missing value in 300 rows against none in 10,000 reads .03, not 1e-8."""
    assert two_proportion_p_value(1, 300, 0, 10_000) == pytest.approx(300 / 10_300, rel=1e-9)


@pytest.mark.parametrize(
    ("share", "reference_share", "h"), [(0.5, 0.45, 0.10), (0.4, 0.25, 0.32), (1.0, 0.0, 3.1416)]
)
def test_cohens_h_is_the_printed_value(share: float, reference_share: float, h: float) -> None:
    """Values as the source's table of arcsine transformations gives them."""
    assert cohens_h(share, reference_share) == pytest.approx(h, abs=0.005)


def test_counts_outside_their_sample_are_refused() -> None:
    """More hits than rows means swapped arguments."""
    with pytest.raises(ValueError, match="reference_k: got 7 of 5 rows"):
        two_proportion_p_value(1, 5, 7, 5)
    with pytest.raises(ValueError, match=r"share: got 1\.5"):
        cohens_h(1.5, 0.1)

"""Benjamini-Hochberg against scipy, and the paging level."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats
from tidegauge_drift import benjamini_hochberg, paging_alpha


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60))
def test_adjusted_p_values_are_scipys(p_values: list[float]) -> None:
    """Same values, in the order of the input."""
    expected = stats.false_discovery_control(p_values)

    assert np.allclose(benjamini_hochberg(p_values), expected, rtol=0, atol=1e-15)


def test_no_test_has_no_adjusted_value() -> None:
    """An empty family is not an error."""
    assert benjamini_hochberg([]).size == 0


@pytest.mark.parametrize("wrong", [[0.5, math.nan], [1.5], [[0.1]]])
def test_what_is_no_p_value_is_refused(wrong: Any) -> None:
    """NaN would otherwise turn every other feature's value into NaN."""
    with pytest.raises(ValueError, match="p_values: got"):
        benjamini_hochberg(wrong)


def test_paging_alpha_keeps_a_month_within_budget() -> None:
    """N windows at level a, two in a row, are a quarter of a false onset or less."""
    assert paging_alpha(30) == 0.01
    for windows in (2500, 25_920, 259_200):
        assert windows * paging_alpha(windows) ** 2 == pytest.approx(0.25, rel=1e-9)
    with pytest.raises(ValueError, match="windows_per_month: got 0"):
        paging_alpha(0)


@pytest.mark.parametrize("shared", [0.02, 0.1, 0.33, 0.5, 0.75, 0.9, 0.99])
@pytest.mark.parametrize("windows", [2500, 64_800, 259_200])
def test_windows_that_share_a_small_reference_keep_the_budget(shared: float, windows: int) -> None:
    """Both of two correlated normal values beyond the level: at most .25 a month, and near it."""
    beyond = stats.norm.isf(paging_alpha(windows, shared) / 2)
    spread = math.sqrt(1 - shared**2)
    both, _ = integrate.quad(
        lambda z: 2 * stats.norm.pdf(z) * stats.norm.sf((beyond - shared * z) / spread),
        beyond, beyond + 12, epsabs=0, points=[beyond + 0.5],
    )  # fmt: skip

    assert 0.04 < windows * both <= 0.25


def test_a_second_window_of_the_same_reference_says_nothing_new() -> None:
    """The level goes from 1 / (2 sqrt(N)) to 1 / (4 N)."""
    assert paging_alpha(10_000, 0.0) == pytest.approx(1 / 200)
    assert paging_alpha(10_000, 1.0) == pytest.approx(1 / 40_000)
    with pytest.raises(ValueError, match=r"shared: got 1\.1"):
        paging_alpha(10_000, 1.1)


def test_benjamini_hochberg_flags_the_same_where_large_p_values_are_taken_for_one() -> None:
    """At every level up to the laxest: why segments need not make each test."""
    rng = np.random.default_rng(2)
    for _ in range(200):
        p = rng.beta(0.3, 2, size=50)
        one = benjamini_hochberg(p)
        other = benjamini_hochberg(np.where(p > 0.01, 1.0, p))
        for level in (0.01, 0.003, 0.0004):
            assert (one <= level).tolist() == (other <= level).tolist()

"""PSI from counts against relative entropy and hand-computed values."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats
from tidegauge_drift import psi, psi_critical_value, psi_from_counts

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

WANTED = (
    "from the argument; expected one row of counts >= 0 with a sum > 0. "
    "Leave a sample without rows out instead of comparing it."
)
COUNTS = st.lists(st.integers(50, 10_000), min_size=2, max_size=30)


@given(COUNTS, st.randoms(use_true_random=False))
def test_psi_is_relative_entropy_both_ways(counts: list[int], random: Random) -> None:
    """Where no share is floored PSI is KL(p, q) + KL(q, p)."""
    other = counts[:]
    random.shuffle(other)
    p, q = np.array(counts) / sum(counts), np.array(other) / sum(other)
    expected = float((special.rel_entr(p, q) + special.rel_entr(q, p)).sum())

    assert psi_from_counts(counts, other) == pytest.approx(expected, rel=1e-9, abs=1e-15)


def test_psi_of_an_empty_bin_is_floored_and_not_renormalised() -> None:
    """An empty bin counts as 1e-4, the other shares stay as they are."""
    expected = (1 - 0.5) * math.log(1 / 0.5) + (1e-4 - 0.5) * math.log(1e-4 / 0.5)

    assert psi_from_counts([50, 50], [70, 0]) == pytest.approx(expected, rel=1e-12)


@given(COUNTS)
def test_psi_of_a_sample_with_itself_is_zero(counts: list[int]) -> None:
    """Self-distance is exactly 0, also for another number of rows."""
    assert psi_from_counts(counts, counts) == 0.0
    assert psi_from_counts(counts, [3 * c for c in counts]) == pytest.approx(0.0, abs=1e-12)


def test_mean_of_psi_without_drift_is_what_the_docstring_says() -> None:
    """10 bins, n = 1,000 against m = 5,000: E[PSI] is about 9 * (1/n + 1/m)."""
    rng = np.random.default_rng(7)
    shares = np.full(10, 0.1)
    values = [
        psi_from_counts(rng.multinomial(5000, shares), rng.multinomial(1000, shares))
        for _ in range(2000)
    ]

    assert np.mean(values) == pytest.approx(9 * (1 / 1000 + 1 / 5000), rel=0.05)


@pytest.mark.parametrize(
    ("reference", "current", "message"),
    [
        (
            [1, 2],
            [1, 2, 3],
            (
                "current: got 3 cells from the argument; expected 2, as in reference. "
                "Count both samples on the same cells."
            ),
        ),
        ([0, 0], [1, 2], f"reference: got counts that sum to 0 {WANTED}"),
        ([1e308, 1e308], [1, 2], f"reference: got counts that sum to inf {WANTED}"),
        ([1, 2], [1, -2], f"current: got a negative or non-finite count {WANTED}"),
        ([[1, 2]], [1, 2], f"reference: got shape (1, 2) {WANTED}"),
        (["a"], [1], f"reference: got list {WANTED}"),
    ],
)
def test_wrong_counts_are_refused_by_name(
    reference: list[float], current: list[float], message: str
) -> None:
    """The message names the argument, what was given and what is accepted."""
    with pytest.raises(ValueError, match="from the argument") as caught:
        psi_from_counts(reference, current)

    assert message == str(caught.value)


def test_a_floor_outside_its_range_is_refused() -> None:
    """A floor of 0 would make an empty bin infinite."""
    with pytest.raises(ValueError, match="floor: got 0"):
        psi_from_counts([1], [1], floor=0)


@pytest.mark.parametrize("bins", [2, 10, 37])
def test_equal_width_bins_are_numpys_with_open_ends(bins: int) -> None:
    """The reference's range in equal parts; what lies outside counts in the outer bins."""
    rng = np.random.default_rng(bins)
    reference, current = rng.uniform(-1, 1, 3000), rng.uniform(-1.5, 1.4, 2000)
    edges = np.linspace(reference.min(), reference.max(), bins + 1)
    edges[0], edges[-1] = -np.inf, np.inf
    p, q = (np.histogram(s, edges)[0] / s.size for s in (reference, current))
    expected = float((special.rel_entr(p, q) + special.rel_entr(q, p)).sum())

    assert psi(reference, current, bins=bins) == pytest.approx(expected, rel=1e-12)
    assert psi(reference, current, edges=edges[1:-1]) == pytest.approx(expected, rel=1e-12)


def test_quantile_bins_are_numpys_and_left_closed() -> None:
    """``np.quantile(reference, k / bins)``, a value on an edge in the bin to its right."""
    rng = np.random.default_rng(5)
    reference, current = rng.lognormal(size=3001), rng.lognormal(0.2, size=2000)
    inner = np.quantile(reference, np.arange(1, 10) / 10)
    expected = psi_from_counts(
        np.bincount(np.digitize(reference, inner)), np.bincount(np.digitize(current, inner))
    )

    assert expected == psi(reference, current, edges="quantile")


def test_a_frequent_value_is_a_quantile_bin_of_its_own() -> None:
    """Zeros in 4 of 10 rows: what was zero and now is a little above it has moved."""
    rng = np.random.default_rng(6)
    positive = rng.exponential(size=6000) + 0.01
    reference = np.concatenate((np.zeros(4000), positive))
    current = np.concatenate((np.zeros(3000), np.full(1000, 1e-9), positive))
    expected = (0.3 - 0.4) * math.log(0.3 / 0.4)

    assert psi(reference, current, edges="quantile") > expected
    assert psi(reference, current, edges="quantile") > 10 * psi(reference, current)


def test_a_value_with_just_its_share_is_no_bin_of_its_own() -> None:
    """Ten equally frequent values are ten bins, each with the values between."""
    reference = np.repeat(np.arange(10.0), 10)

    assert psi(reference, reference + 0.05, edges="quantile") == 0.0


@pytest.mark.parametrize("edges", ["equal_width", "quantile"])
@pytest.mark.parametrize("current", [4.0, 6.0, np.nextafter(5.0, 6.0), np.nextafter(5.0, 4.0)])
def test_a_constant_that_changes_is_seen(edges: str, current: float) -> None:
    """Less, equal, more: 18.4 either way, as with a floor of 1e-4; the same constant gives 0."""
    expected = 2 * (1 - 1e-4) * math.log(1e4)

    assert psi([5.0] * 50, [current] * 40, edges=edges) == pytest.approx(expected, rel=1e-12)
    assert psi([5.0] * 50, [5.0] * 40, edges=edges) == 0.0


def test_an_outlier_blinds_equal_width_bins_only() -> None:
    """One value of 1e6 in the reference hides a shift of one standard deviation."""
    rng = np.random.default_rng(8)
    reference, current = np.append(rng.normal(size=999), 1e6), rng.normal(1, 1, 1000)

    assert psi(reference, current) < 0.02
    assert psi(reference, current, edges="quantile") > 0.5


def test_clean_samples_exceed_the_critical_value_as_often_as_it_says() -> None:
    """Quantile bins, 300 rows against 3,000, at 5 %: .03 to .07 of 1,000 draws."""
    rng = np.random.default_rng(9)
    limit = psi_critical_value(300, 3000, 10, 0.05)
    draws = 1000
    found = sum(
        psi(rng.random(3000), rng.random(300), edges="quantile") > limit for _ in range(draws)
    )

    assert 0.03 < found / draws < 0.07


@pytest.mark.parametrize(
    ("n", "m", "published"),
    [(100, 100, 0.338), (1000, 10_000, 0.0186), (100_000, 100_000, 0.00034)],
)
def test_critical_values_are_the_published_ones(n: int, m: int, published: float) -> None:
    """The 5 % values of 10 bins, and scipy's quantile."""
    found = psi_critical_value(n, m, 10, 0.05)

    assert published == pytest.approx(found, rel=0.01)
    assert found == pytest.approx((1 / n + 1 / m) * stats.chi2.isf(0.05, 9), rel=1e-12)


@pytest.mark.parametrize(
    ("call", "kind", "subject"),
    [
        (lambda: psi([1], [1], bins=1), ValueError, "bins: got 1"),
        (lambda: psi([1], [1], bins=10_001), ValueError, "bins: got 10001"),
        (lambda: psi([1], [1], bins=True), TypeError, "bins: got bool"),
        (lambda: psi([1], [1], bins=2.5), TypeError, "bins: got float"),  # type: ignore[arg-type]
        (lambda: psi([1], [1], edges="width"), ValueError, "edges: got 'width'"),
        (lambda: psi([1], [1], edges=[]), ValueError, "edges: got list"),
        (lambda: psi([1], [1], edges=[1, 1]), ValueError, "edges: got list"),
        (lambda: psi([1], [1], edges=[math.inf, math.inf]), ValueError, "edges: got list"),
        (lambda: psi([1], [1], edges=[math.nan]), ValueError, "edges: got list"),
        (lambda: psi([1], [1], edges=["a"]), ValueError, "edges: got list"),
        (lambda: psi_critical_value(0, 5, 10, 0.05), ValueError, "n, m: got 0, 5"),
        (lambda: psi_critical_value(5, math.inf, 10, 0.05), ValueError, "n, m: got 5, inf"),
        (lambda: psi_critical_value(5, 5, 10, 1), ValueError, "alpha: got 1"),
        (lambda: psi_critical_value(5, 5, 1, 0.1), ValueError, "bins: got 1"),
    ],
)
def test_wrong_settings_of_psi_are_refused(
    call: Callable[[], object], kind: type[Exception], subject: str
) -> None:
    """Each is named, with what was given."""
    with pytest.raises(kind, match="expected") as caught:
        call()

    assert str(caught.value).startswith(f"{subject} ")

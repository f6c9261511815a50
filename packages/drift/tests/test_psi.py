"""PSI from counts against relative entropy and hand-computed values."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special
from tidegauge_drift import psi_from_counts

if TYPE_CHECKING:
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
        ([1, 2], [1, -2], f"current: got a negative or non-finite count {WANTED}"),
        ([[1, 2]], [1, 2], f"reference: got shape (1, 2) {WANTED}"),
        (["a"], [1], f"reference: got list {WANTED}"),
    ],
)
def test_wrong_counts_are_refused_by_name(
    reference: list[int], current: list[int], message: str
) -> None:
    """The message names the argument, what was given and what is accepted."""
    with pytest.raises(ValueError, match="from the argument") as caught:
        psi_from_counts(reference, current)

    assert message == str(caught.value)


def test_a_floor_outside_its_range_is_refused() -> None:
    """A floor of 0 would make an empty bin infinite."""
    with pytest.raises(ValueError, match="floor: got 0"):
        psi_from_counts([1], [1], floor=0)

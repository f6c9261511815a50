"""Exact sums agree with fractions, in any order."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import reduce
from operator import add

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tidegauge.exact import Exact

# Far enough from the largest float that no sum of a list overflows.
NUMBERS = st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=30)


@given(NUMBERS, st.randoms(use_true_random=False))
def test_the_order_does_not_matter(numbers: list[float], random: object) -> None:
    """However the parts were grouped, the sum is the true one, rounded once."""
    shuffled = sorted(numbers, key=lambda _: random.random())  # type: ignore[attr-defined]
    half = len(shuffled) // 2
    groups = [part for part in (shuffled[:half], shuffled[half:]) if part]
    total = reduce(add, [reduce(add, [Exact((number,)) for number in part]) for part in groups])
    true = sum(map(Fraction, numbers))
    assert true == sum(map(Fraction, total.parts))
    assert float(true) == float(total)
    assert len(total.parts) <= 39


def test_a_rounded_sum_would_have_fallen() -> None:
    """The three parts of a total, before and after two of them were put together."""
    one, two, three = 0.1, 0.2, 0.3
    assert (one + two) + three != one + (two + three)
    parts = [Exact((number,)) for number in (one, two, three)]
    assert float((parts[0] + parts[1]) + parts[2]) == float(parts[0] + (parts[1] + parts[2])) == 0.6


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [((1.0, math.inf), math.inf), ((1e308, 1e308), math.inf), ((math.inf, -math.inf), math.nan)],
)
def test_what_is_not_finite_is_a_plain_sum(numbers: tuple[float, ...], expected: float) -> None:
    """Infinity stays infinity."""
    total = reduce(add, [Exact((number,)) for number in numbers])
    assert str(expected) == str(float(total))

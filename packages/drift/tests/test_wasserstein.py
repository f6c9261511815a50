"""Wasserstein distance against scipy, on every scale."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from tidegauge_drift import wasserstein_distance

VALUES = st.lists(
    st.one_of(st.integers(-5, 5).map(float), st.floats(-1e6, 1e6)), min_size=1, max_size=60
)


@given(VALUES, VALUES)
def test_it_is_scipys(reference: list[float], current: list[float]) -> None:
    """Ties, duplicates and samples of different size included."""
    expected = float(stats.wasserstein_distance(reference, current))

    assert wasserstein_distance(reference, current) == pytest.approx(expected, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize(
    ("base", "spread"), [(0.0, 1.0), (1e15, 4.0), (1.7e9, 5.0), (0.0, 1e-12), (0.0, 1e-300)]
)
def test_it_is_scipys_on_every_scale(base: float, spread: float) -> None:
    """20,000 rows around huge values and with tiny spreads, to 1e-12 relative."""
    rng = np.random.default_rng(31)
    reference = base + spread * rng.normal(size=20_000)
    current = base + spread * rng.normal(0.3, 1, size=15_000)
    expected = float(stats.wasserstein_distance(reference, current))

    assert wasserstein_distance(reference, current) == pytest.approx(expected, rel=1e-12)
    assert wasserstein_distance(reference, current, standardise=True) == pytest.approx(
        expected / spread, rel=0.02
    )


def test_it_is_exact_to_the_oracle_with_many_rows() -> None:
    """1e-12 absolute on 100,000 standard normal rows."""
    rng = np.random.default_rng(32)
    reference, current = rng.normal(size=100_000), rng.normal(0.02, 1, size=100_000)

    assert wasserstein_distance(reference, current) == pytest.approx(
        float(stats.wasserstein_distance(reference, current)), abs=1e-12
    )


@pytest.mark.parametrize("factor", [1e-300, 1e-12, 1.0, 1e300])
def test_standardised_it_knows_no_unit(factor: float) -> None:
    """In standard deviations of the reference, which has no floor."""
    reference, current = np.array([0.0, 1.0, 2.0, 5.0]), np.array([1.0, 3.0])
    expected = float(stats.wasserstein_distance(reference, current) / np.std(reference))

    found = wasserstein_distance(factor * reference, factor * current, standardise=True)

    assert found == pytest.approx(expected, rel=1e-12)


def test_a_range_beyond_float64_has_a_distance_where_that_is_a_number() -> None:
    """A quarter of the rows moved by 3.2e308 is .8e308; all of them is refused."""
    assert wasserstein_distance([-1.6e308] * 4, [-1.6e308] * 3 + [1.6e308]) == pytest.approx(8e307)
    assert wasserstein_distance([-1.6e308, 1.6e308], [1.6e308], standardise=True) == 1.0
    with pytest.raises(ValueError, match="reference, current: got values whose distance is beyond"):
        wasserstein_distance([-1.6e308], [1.6e308])


def test_a_constant_reference_has_no_standard_deviation() -> None:
    """Refused by name, also where rounding would give it one; 0 to itself."""
    assert 0.0 == wasserstein_distance([0.1] * 3, [0.1] * 7, standardise=True)
    assert 0.1 == pytest.approx(wasserstein_distance([0.1] * 3, [0.2]))
    with pytest.raises(ValueError, match="reference: got a constant from the argument; expected"):
        wasserstein_distance([0.1] * 3, [0.2], standardise=True)


def test_denormal_values_have_a_distance() -> None:
    """The least float is one step from 0, two standard deviations in its own measure."""
    least = math.ulp(0.0)

    assert least == wasserstein_distance([0.0], [least])
    assert 2.0 == wasserstein_distance([0.0, least], [2 * least, least], standardise=True)

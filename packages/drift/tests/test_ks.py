"""KS from counts against scipy."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats
from tidegauge_drift import ks, ks_from_counts, ks_p_value

if TYPE_CHECKING:
    from collections.abc import Callable

VALUES = st.lists(st.integers(0, 12), min_size=4, max_size=200)


@given(VALUES, VALUES)
def test_one_value_a_cell_gives_the_exact_statistic(
    reference: list[int], current: list[int]
) -> None:
    """With ties, on cells that hold one value each, the statistic is scipy's."""
    expected = stats.ks_2samp(reference, current, method="asymp").statistic

    result = ks_from_counts(
        np.bincount(reference, minlength=13), np.bincount(current, minlength=13)
    )

    assert result.statistic == pytest.approx(expected, abs=1e-12)


def test_p_value_is_kolmogorovs() -> None:
    """The p-value is the survival function at sqrt(nm / (n + m)) D."""
    n, m, d = 300, 10_000, 0.07

    assert special.kolmogorov(math.sqrt(n * m / (n + m)) * d) == ks_p_value(d, n, m)


def test_a_design_effect_counts_as_fewer_rows() -> None:
    """A deff of 4 gives the p-value of a quarter of the rows."""
    plain, halved = [40, 60], [80, 20]
    result = ks_from_counts(plain, halved, deff=4)

    assert ks_p_value(0.4, 25, 25) == pytest.approx(result.p_value, rel=1e-12)


@pytest.mark.parametrize(
    ("call", "subject"),
    [
        (lambda: ks_from_counts([1], [1], deff=0.5), "deff: got 0.5"),
        (lambda: ks_p_value(0.1, 0, 5), "n, m: got 0, 5"),
        (lambda: ks_p_value(1.5, 5, 5), "statistic: got 1.5"),
    ],
)
def test_wrong_numbers_are_refused(call: Callable[[], object], subject: str) -> None:
    """Each argument out of its domain is named."""
    with pytest.raises(ValueError, match="from the argument") as caught:
        call()

    assert str(caught.value).startswith(subject)


@given(VALUES, VALUES)
def test_raw_samples_with_ties_give_scipys_statistic(
    reference: list[int], current: list[int]
) -> None:
    """Statistic of raw samples to 1e-12, p-value that of its limiting distribution."""
    expected = stats.ks_2samp(reference, current, method="asymp").statistic
    n, m = len(current), len(reference)

    result = ks(reference, current)

    assert result.statistic == pytest.approx(expected, abs=1e-12)
    assert result.p_value == pytest.approx(
        float(special.kolmogorov(math.sqrt(n * m / (n + m)) * expected)), abs=1e-12
    )


@pytest.mark.parametrize("shift", [0.0, 0.02, 3.0, 1e6])
def test_the_statistic_of_many_rows_has_no_rounding_error(shift: float) -> None:
    """100,000 rows against 70,000: scipy's statistic to 1e-15."""
    rng = np.random.default_rng(11)
    reference, current = rng.normal(size=100_000), rng.normal(shift, size=70_000)
    expected = stats.ks_2samp(reference, current, method="asymp").statistic

    assert ks(reference, current).statistic == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize(
    ("base", "spread"), [(1e15, 4.0), (1.7e9, 5.0), (0.0, 1e-12), (0.0, 1e-310), (0.0, 1e307)]
)
def test_any_scale_gives_the_same_statistic(base: float, spread: float) -> None:
    """Ranks know no unit: huge, tiny, denormal and shifted values as scipy has them."""
    rng = np.random.default_rng(12)
    reference = base + spread * rng.normal(size=500)
    current = base + spread * rng.normal(0.5, 1, size=400)
    expected = stats.ks_2samp(reference, current, method="asymp").statistic

    assert ks(reference, current).statistic == pytest.approx(expected, abs=1e-12)

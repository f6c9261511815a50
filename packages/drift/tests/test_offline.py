"""What every statistic of two raw samples has in common."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tidegauge_drift import (
    chi_square,
    hellinger_distance,
    js_distance,
    kl_divergence,
    ks,
    psi,
    wasserstein_distance,
)

Statistic = Callable[[Any, Any], float]
NUMERIC: dict[str, Statistic] = {
    "psi": psi,
    "psi quantile": lambda r, c: psi(r, c, edges="quantile"),
    "psi edges": lambda r, c: psi(r, c, edges=[-1.0, 0.0, 2.5]),
    "ks": lambda r, c: ks(r, c).statistic,
    "ks p": lambda r, c: 1 - ks(r, c).p_value,
    "kl": kl_divergence,
    "js": js_distance,
    "hellinger": hellinger_distance,
    "wasserstein": wasserstein_distance,
    "wasserstein sd": lambda r, c: wasserstein_distance(r, c, standardise=True),
}
ALL: dict[str, Statistic] = {
    **NUMERIC,
    "chi-square": lambda r, c: chi_square(r, c).statistic,
    "chi-square p": lambda r, c: 1 - chi_square(r, c).p_value,
}
SYMMETRIC = ("ks", "ks p", "js", "hellinger", "wasserstein", "chi-square", "chi-square p")
VALUES = st.lists(st.one_of(st.integers(-3, 3).map(float), st.floats(-1e30, 1e30)), min_size=1)
RNG = np.random.default_rng(51)
NORMAL = RNG.normal(size=200)
HARD = {
    "normal": NORMAL,
    "constant": np.full(50, 3.0),
    "another constant": np.full(50, 3.0 + 1e-15),
    "zeros": np.array([0.0, -0.0] * 5),
    "one row": np.array([1.5]),
    "inf inside": np.array([math.inf, 1.0, -math.inf, 2.0, math.nan]),
    "1e15": 1e15 + NORMAL,
    "1.7e9": 1.7e9 + 5 * NORMAL,
    "sd 1e-12": 1e-12 * NORMAL,
    "sd 1e-12 around 1": 1 + 1e-12 * NORMAL,
    "float32": NORMAL.astype(np.float32),
    "denormal": np.array([5e-324, 1e-310, 0.0] * 20),
    "whole range": np.array([-1.7e308, 1.7e308, 0.0, 1.0]),
    "largest": np.array([1.7976931348623157e308] * 3),
    "outlier": np.append(NORMAL, 1e300),
    "zero-inflated": np.where(NORMAL > 0, NORMAL, 0.0),
    "booleans": NORMAL > 0,
    "int64": np.array([2**63 - 1, -(2**63), 0]),
}


@pytest.mark.parametrize("name", ALL)
@settings(max_examples=30)
@given(values=VALUES, seed=st.integers(0, 2**32))
def test_a_sample_has_no_distance_to_itself(name: str, values: list[float], seed: int) -> None:
    """Exactly 0, in another order too."""
    shuffled = np.random.default_rng(seed).permutation(values)

    assert ALL[name](values, shuffled) == pytest.approx(0.0, abs=0 if "chi" not in name else 1e-12)


@pytest.mark.parametrize("name", ALL)
@settings(max_examples=30)
@given(reference=VALUES, current=VALUES, seed=st.integers(0, 2**32))
def test_the_order_of_rows_does_not_matter(
    name: str, reference: list[float], current: list[float], seed: int
) -> None:
    """The same value bit for bit, but for the last digits of a standard deviation."""
    rng = np.random.default_rng(seed)
    found = _value(ALL[name], reference, current)

    again = _value(ALL[name], rng.permutation(reference), rng.permutation(current))

    if found is None or name != "wasserstein sd":
        assert found == again
    else:
        assert again == pytest.approx(found, rel=1e-12)


@pytest.mark.parametrize("name", SYMMETRIC)
@settings(max_examples=30)
@given(reference=VALUES, current=VALUES)
def test_neither_sample_comes_first(
    name: str, reference: list[float], current: list[float]
) -> None:
    """A distance is the same from both ends; PSI and KL are bound to their reference."""
    there = _value(ALL[name], reference, current)

    assert _value(ALL[name], current, reference) == pytest.approx(there, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("name", NUMERIC)
@pytest.mark.parametrize("reference", HARD)
def test_hard_numbers_give_a_finite_value_or_a_reason(name: str, reference: str) -> None:
    """Against every other hard sample: never NaN, never a warning, never another exception."""
    for current in HARD.values():
        value = _value(ALL[name], HARD[reference], current)

        assert value is None or 0 <= value < math.inf


@pytest.mark.parametrize("name", ALL)
def test_both_arguments_are_named_in_refusals(name: str) -> None:
    """An empty sample, a matrix, and what is no row at all."""
    for wrong, kind in (([], ValueError), ([math.nan], ValueError), ([[1.0]], ValueError),
                        (7, TypeError), ({}, TypeError)):  # fmt: skip
        with pytest.raises(kind, match=r"^reference: got .* from the argument; expected "):
            ALL[name](wrong, [1.0, 2.0])
        with pytest.raises(kind, match=r"^current: got .* from the argument; expected "):
            ALL[name]([1.0, 2.0], wrong)


@pytest.mark.parametrize("name", NUMERIC)
def test_dropped_rows_change_nothing(name: str) -> None:
    """Missing and infinite rows on either side are as if they were not there."""
    reference, current = NORMAL, NORMAL[:80] + 0.3
    holes = np.array([math.nan, math.inf, -math.inf])

    found = NUMERIC[name](np.append(reference, holes), np.concatenate((holes, current)))

    assert NUMERIC[name](reference, current) == found


@pytest.mark.parametrize("name", NUMERIC)
def test_float32_is_its_float64(name: str) -> None:
    """Nothing is computed in float32."""
    reference, current = NORMAL.astype(np.float32), (NORMAL + 0.3).astype(np.float32)

    found = NUMERIC[name](reference, current)

    assert NUMERIC[name](reference.astype(np.float64), current.astype(np.float64)) == found


def _value(statistic: Statistic, reference: Any, current: Any) -> float | None:
    """Return the statistic; None where it says that these samples have none."""
    try:
        return statistic(reference, current)
    except ValueError as refused:
        if "expected" not in str(refused):
            raise
        return None

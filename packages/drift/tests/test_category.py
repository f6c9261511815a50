"""Categories as text, and what is no value."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tidegauge_drift.category import hash64, is_missing, number, text


class Odd:
    """A value that cannot be compared."""

    def __eq__(self, other: object) -> bool:
        """Fail."""
        raise TypeError

    __hash__ = None  # type: ignore[assignment]


@pytest.mark.parametrize(
    "value", [None, float("nan"), np.nan, pd.NA, pd.NaT, np.datetime64("NaT", "s")]
)
def test_what_is_missing(value: Any) -> None:
    """None, and what differs from itself."""
    assert is_missing(value)


@pytest.mark.parametrize("value", [0, "", "nan", False, float("inf"), Odd(), np.zeros(2)])
def test_what_is_a_value(value: Any) -> None:
    """Also what cannot be compared with itself, or has no single answer."""
    assert not is_missing(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a", "a"), (b"a\xff", "a\\xff"), (1, "1"), (1.0, "1"), (True, "1"), (-0.0, "0"),
        (1.5, "1.5"), (np.float64(0.1), "0.1"), (float("inf"), "inf"), (Decimal("1.0"), "1"),
        (Decimal("1.5"), "1.5"), ((1, 2), "(1, 2)"),
    ],
)  # fmt: skip
def test_equal_values_have_one_text(value: Any, expected: str) -> None:
    """Whatever type they come in."""
    assert expected == text(value)


def test_any_text_has_a_hash() -> None:
    """Half of a surrogate pair too; the same in every process."""
    assert hash64("a") == 3405396810240292928
    assert hash64("\ud800") != hash64("\ud801")


def test_a_missing_number_is_nan() -> None:
    """Texts of numbers are numbers."""
    assert np.isnan(number(None))
    assert [1.5, 2.0] == [number("1.5"), number(Decimal(2))]

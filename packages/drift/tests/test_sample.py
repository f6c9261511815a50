"""Raw samples: whatever holds numbers is read, whatever else is refused by name."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tidegauge_drift.sample import finite, on_categories, on_values, read

NUMBERS = (
    "from the argument; expected one row of real numbers, None and NaN where a value is missing. "
    "For categories use chi_square, or count them and use psi_from_counts."
)


@pytest.mark.parametrize(
    "values",
    [
        [1, 2.5, None],
        (1, Decimal("2.5"), math.nan),
        [True, Fraction(5, 2), pd.NA],
        np.array([1, 2.5, math.nan], np.float32),
        np.array([1, 2.5, math.nan], np.longdouble),
        np.ma.masked_array([1, 2.5, 7.0], mask=[False, False, True]),
        pd.Series([1, 2.5, None]),
        pd.Series([1, 2.5, None], dtype="Float64"),
        pd.Series([1, 2.5, None], dtype="float64[pyarrow]"),
        pd.Series([Decimal(1), Decimal("2.5"), None]),
        pd.Index([1, 2.5, None]),
    ],
)
def test_whatever_holds_numbers_is_read(values: Any) -> None:
    """Lists, arrays and columns of any numeric kind, missing values in any of their forms."""
    sample = read("current", values)

    assert [1.0, 2.5] == sample.numbers.tolist()
    assert np.float64 == sample.numbers.dtype
    assert (1, 0) == (sample.missing, sample.infinite)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int64, np.uint64, np.bool_, np.float16])
def test_whole_numbers_and_booleans_are_numbers(dtype: type) -> None:
    """Their float64 value."""
    assert [0.0, 1.0] == read("current", np.array([0, 1], dtype)).numbers.tolist()


def test_non_finite_rows_are_dropped_and_counted() -> None:
    """Missing and infinite apart."""
    sample = read("current", [math.inf, 1, -math.inf, math.nan, None, math.inf])

    assert [1.0] == sample.numbers.tolist()
    assert (2, 3) == (sample.missing, sample.infinite)


def test_a_number_beyond_float64_is_infinite() -> None:
    """A longdouble of 1e4000, where the platform has one."""
    huge = np.array([np.longdouble("1e4000"), 1])
    sample = read("current", huge)

    assert [1.0] == sample.numbers.tolist()
    assert 1 == sample.infinite


def test_the_callers_array_is_not_written() -> None:
    """A read-only view is enough, and nothing is sorted in place."""
    reference, current = np.array([3.0, 1.0, math.nan]), np.array([2.0, 1.0])
    reference.flags.writeable = current.flags.writeable = False
    points, p, q = on_values(finite("reference", reference), finite("current", current))

    assert [1.0, 2.0, 3.0] == points.tolist()
    assert ([1, 0, 1], [1, 1, 0]) == (p.tolist(), q.tolist())


def test_both_zeros_are_one_value() -> None:
    """-0.0 equals 0.0."""
    points, p, q = on_values(np.array([-0.0, 0.0]), np.array([0.0]))

    assert ([0.0], [2], [1]) == (points.tolist(), p.tolist(), q.tolist())


@pytest.mark.parametrize(
    ("values", "kind", "got"),
    [
        ("12", TypeError, "str"),
        (5.0, TypeError, "float"),
        (None, TypeError, "NoneType"),
        ({1: 2}, TypeError, "dict"),
        ({1, 2}, TypeError, "set"),
        ((x for x in (1, 2)), TypeError, "generator"),
        (["1", "2"], TypeError, "a value of type str"),
        ([1, "2"], TypeError, "a value of type str"),
        (np.array(["1"]), TypeError, "values of type <U1"),
        (np.array([b"1"]), TypeError, "values of type |S1"),
        ([1, 2j], TypeError, "values of type complex128"),
        ([Decimal(1), 2j], TypeError, "a value of type complex"),
        (np.array(["2026-01-01"], "M8[s]"), TypeError, "values of type datetime64[s]"),
        ([None, np.datetime64("2026-01-01")], TypeError, "a value of type datetime64"),
        ([[1, 2], [3, 4]], ValueError, "shape (2, 2)"),
        ([[1, 2], [3]], ValueError, "rows of unequal length"),
        ([10**400], ValueError, "a number of type int that float64 cannot hold"),
    ],
)
def test_whatever_else_is_refused(values: Any, kind: type[Exception], got: str) -> None:
    """The message names the argument and what was given, never a value."""
    with pytest.raises(kind, match="from the argument") as caught:
        read("current", values)

    assert f"current: got {got} {NUMBERS}" == str(caught.value)


@pytest.mark.parametrize(
    ("values", "rows"),
    [
        ([], 0),
        ([math.nan, math.inf], 2),
        ([None], 1),
        ([Decimal("NaN"), Decimal("sNaN")], 2),
        (pd.Series([]), 0),
    ],
)
def test_a_sample_without_a_value_is_refused(values: Any, rows: int) -> None:
    """Empty, all missing, all infinite: there is nothing to compare."""
    with pytest.raises(ValueError, match="finite") as caught:
        finite("reference", values)

    assert str(caught.value) == (
        f"reference: got no finite values in {rows} rows from the argument; expected at least 1. "
        "Leave a sample without rows out instead of comparing it."
    )


@pytest.mark.parametrize(
    "values",
    [
        ["a", "b", "a", None],
        np.array(["a", "b", "a"]),
        np.array([b"a", b"b", b"a"]),
        pd.Series(["a", "b", "a", None]),
        pd.Series(["a", "b", "a", None], dtype="category"),
        pd.Series(["a", "b", "a", None], dtype="string"),
        pd.Series(["a", "b", "a", None], dtype="string[pyarrow]"),
    ],
)
def test_whatever_holds_categories_is_read(values: Any) -> None:
    """Missing rows are left out of both the categories and the counts."""
    names, p, q = on_categories(values, ["c", math.nan, "a"])

    assert ["a", "b", "c"] == names
    assert ([2, 1, 0], [1, 0, 1]) == (p.tolist(), q.tolist())


@pytest.mark.parametrize(
    "values",
    [
        [1, 2, 1],
        [1.0, 2.0, 1.0],
        [True, 2, 1],
        ["1", 2, 1.0],
        np.array([1, 2, 1]),
        [1, math.nan, 2, 1],
    ],
)
def test_equal_values_are_one_category(values: Any) -> None:
    """1, 1.0, True and "1", as in a reference profile."""
    names, p, _ = on_categories(values, [1])

    assert (["1", "2"], [2, 1]) == (names, p.tolist())


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: on_categories("ab", ["a"]), TypeError, "reference: got str"),
        (lambda: on_categories(["a"], [["a"], ["b"]]), ValueError, "current: got shape (2, 1)"),
        (lambda: on_categories([None, {}], ["a"]), TypeError, "reference: got values without a"),
        (lambda: on_categories([1j], ["a"]), TypeError, "reference: got values of type complex128"),
        (lambda: on_categories(["a"], [None]), ValueError, "current: got no categories in 1 rows"),
    ],
)
def test_no_categories_are_refused(
    call: Callable[[], object], kind: type[Exception], message: str
) -> None:
    """The argument is named."""
    with pytest.raises(kind, match="from the argument") as caught:
        call()

    assert str(caught.value).startswith(message)


@pytest.mark.skipif(not hasattr(np.dtypes, "StringDType"), reason="numpy 1 has no such type")
def test_numpys_text_of_any_length_is_text() -> None:
    """Categories for one function, refused by the others."""
    values = np.array(["a", "b", "a"], dtype=np.dtypes.StringDType())
    names, p, _ = on_categories(values, ["a"])

    assert (["a", "b"], [2, 1]) == (names, p.tolist())
    with pytest.raises(TypeError, match="current: got a value of type str"):
        read("current", values)

"""What the functions on raw samples accept, checked in one place."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidegauge_drift.category import is_missing, number, text
from tidegauge_drift.counts import Counts
from tidegauge_drift.grid import Floats

# float() would take these for numbers.
_NO_NUMBERS = (str, bytes, np.datetime64, np.timedelta64)
_NUMERIC, _TEXT, _OBJECT, _TEXT_OF_NUMPY_2 = "biuf", "US", "O", "T"
_NUMBERS = (
    "one row of real numbers, None and NaN where a value is missing. "
    "For categories use chi_square, or count them and use psi_from_counts."
)
_CATEGORIES = (
    "one row of texts, whole numbers or booleans, None and NaN where a value is missing. "
    "Turn anything else into text first."
)


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """The finite values of a sample, and how many of its rows held none."""

    numbers: Floats
    missing: int
    infinite: int


def read(name: str, values: Any) -> Sample:
    """Return the finite values of one argument as float64, the others counted.

    float32 becomes the float64 of the same value, which is another number than the float64 that it
    was rounded from. Whole numbers above 2**53 are rounded.

    Raises
    ------
    TypeError
        A value is no number (text, dates, complex), or the argument is no row of values.
    ValueError
        The argument has not one dimension, or holds a whole number beyond float64.
    """
    found = _row(name, values, _NUMBERS)
    if found.dtype.kind == _OBJECT:
        found = np.fromiter((_number(name, v) for v in found), np.float64, found.size)
    elif found.dtype.kind not in _NUMERIC:
        raise TypeError(_message(name, f"values of type {found.dtype}", _NUMBERS))
    with np.errstate(over="ignore"):  # what is beyond float64 counts as infinite
        found = found.astype(np.float64, copy=False)
    kept = np.isfinite(found)
    missing = int(np.isnan(found).sum())
    infinite = int(found.size - kept.sum()) - missing
    return Sample(found[kept] if missing + infinite else found, missing, infinite)


def finite(name: str, values: Any) -> Floats:
    """Return the finite values of one argument, at least one.

    Raises
    ------
    TypeError, ValueError
        As ``read``; and ``ValueError`` where no value is finite.
    """
    sample = read(name, values)
    if sample.numbers.size == 0:
        raise ValueError(_empty(name, "finite values", sample.missing + sample.infinite))
    return sample.numbers


def on_values(reference: Floats, current: Floats) -> tuple[Floats, Counts, Counts]:
    """Return the distinct values of two samples, ascending, and how often each sample has them."""
    reference, current = np.sort(reference), np.sort(current)
    points = np.concatenate((reference, current))
    points.sort(kind="stable")  # merges two sorted runs
    points = points[np.concatenate(([True], points[1:] != points[:-1]))]
    p, q = (
        np.diff(np.searchsorted(s, points, "right"), prepend=0).astype(np.float64)
        for s in (reference, current)
    )
    return points, p, q


def on_categories(reference: Any, current: Any) -> tuple[list[str], Counts, Counts]:
    """Return the union of two samples' categories, sorted, and how often each sample has them.

    Raises
    ------
    TypeError, ValueError
        An argument is no row of categories, or none of its rows has one.
    """
    p, q = _categories("reference", reference), _categories("current", current)
    union = sorted(p.keys() | q.keys())
    counts = np.array([[c[key] for key in union] for c in (p, q)], np.float64)
    return union, counts[0], counts[1]


def _categories(name: str, values: Any) -> Counter[str]:
    found = _row(name, values, _CATEGORIES)
    if found.dtype.kind not in _NUMERIC + _TEXT + _OBJECT:
        raise TypeError(_message(name, f"values of type {found.dtype}", _CATEGORIES))
    counted: Counter[Any] = Counter()
    if found.dtype.kind == _OBJECT:
        try:
            counted.update(found.tolist())
        except TypeError as error:
            raise TypeError(_message(name, "values without a hash", _CATEGORIES)) from error
    else:
        distinct, counts = np.unique(found, return_counts=True)
        counted.update(dict(zip(distinct.tolist(), counts.tolist(), strict=True)))
    rows: Counter[str] = Counter()
    for value, count in counted.items():
        if not is_missing(value):
            rows[text(value)] += count
    if not rows:
        raise ValueError(_empty(name, "categories", found.size))
    return rows


def _row(name: str, values: Any, wanted: str) -> NDArray[Any]:
    if isinstance(values, np.ma.MaskedArray):  # asarray would show what the mask hides
        values = np.ma.filled(values.astype(object), np.nan)
    try:
        found = np.asarray(values)
        # Beside a text numpy turns numbers, None and NaN into text.
        if found.dtype.kind in _TEXT and isinstance(values, (list, tuple)):
            found = np.asarray(values, dtype=object)
    except ValueError as error:
        raise ValueError(_message(name, "rows of unequal length", wanted)) from error
    if found.dtype.kind == _TEXT_OF_NUMPY_2:
        found = found.astype(object)
    if found.ndim == 0:
        raise TypeError(_message(name, type(values).__name__, wanted))
    if found.ndim != 1:
        raise ValueError(_message(name, f"shape {found.shape}", wanted))
    return found


def _number(name: str, value: Any) -> float:
    if isinstance(value, _NO_NUMBERS):
        raise TypeError(_message(name, f"a value of type {type(value).__name__}", _NUMBERS))
    try:
        return number(value)
    except TypeError as error:
        got = f"a value of type {type(value).__name__}"
        raise TypeError(_message(name, got, _NUMBERS)) from error
    except (ValueError, ArithmeticError) as error:
        got = f"a number of type {type(value).__name__} that float64 cannot hold"
        raise ValueError(_message(name, got, _NUMBERS)) from error


def _message(name: str, got: str, wanted: str) -> str:
    return f"{name}: got {got} from the argument; expected {wanted}"


def _empty(name: str, what: str, rows: int) -> str:
    return (
        f"{name}: got no {what} in {rows} rows from the argument; expected at least 1. "
        "Leave a sample without rows out instead of comparing it."
    )

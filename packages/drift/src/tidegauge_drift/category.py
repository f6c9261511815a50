"""Categories as text and as 64-bit hashes; numbers out of whatever a column holds."""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import Any

# What the numbers of a column are seconds of, if anything.
SPANS, TIMES = "spans", "times"


def is_missing(value: Any) -> bool:
    """Tell None, NaN, NaT and pandas.NA from values, without importing pandas."""
    if value is None or type(value).__name__ == "NAType":
        return True
    try:
        return bool(value != value)  # noqa: PLR0124 - only NaN and NaT differ from themselves
    except ArithmeticError:  # a signalling NaN of decimal
        return True
    except Exception:  # an array or a tensor of several values in a cell: whatever its class raises
        return False


def text(value: Any) -> str:
    """Return the text under which a category is counted.

    Values that are equal in Python get one text (1, 1.0 and True are "1"), so that a column of
    integers is the same categories as float64 with gaps.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    try:
        if value == int(value):
            return str(int(value))
    except (TypeError, ValueError, OverflowError):
        return str(value)
    return repr(float(value)) if isinstance(value, float) else str(value)


def hash64(category: str) -> int:
    """Return the 64-bit hash of a category's text, the same in every process and version."""
    digest = hashlib.blake2b(category.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def number(value: Any, unit: str = "") -> float:
    """Return a value of a numeric column as float, NaN where missing.

    Of a column of ``SPANS`` or ``TIMES`` that is seconds, of times since 1970 in UTC.

    Raises
    ------
    ValueError, TypeError, OverflowError
        The value is no number and no text of one.
    """
    if is_missing(value):
        return float("nan")
    if unit == SPANS and hasattr(value, "total_seconds"):
        return float(value.total_seconds())
    return unix_seconds(value) if unit == TIMES and isinstance(value, dt.date) else float(value)


def unix_seconds(value: dt.date) -> float:
    """Return a date or time as seconds since 1970."""
    at = value if isinstance(value, dt.datetime) else dt.datetime.combine(value, dt.time())
    return (at if at.tzinfo is not None else at.replace(tzinfo=dt.UTC)).timestamp()

"""Categories as text and as 64-bit hashes; numbers out of whatever a column holds."""

from __future__ import annotations

import hashlib
from typing import Any


def is_missing(value: Any) -> bool:
    """Tell None, NaN, NaT and pandas.NA from values, without importing pandas."""
    if value is None or type(value).__name__ == "NAType":
        return True
    try:
        return bool(value != value)  # noqa: PLR0124 - only NaN and NaT differ from themselves
    except (TypeError, ValueError):
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


def number(value: Any) -> float:
    """Return a value of a numeric column as float, NaN where missing.

    Raises
    ------
    ValueError, TypeError, OverflowError
        The value is no number and no text of one.
    """
    return float("nan") if is_missing(value) else float(value)

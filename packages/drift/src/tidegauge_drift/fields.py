"""The values of a file as what they must be: a file may hold anything."""

from __future__ import annotations

import math
from typing import Any


def same(*sizes: int) -> None:
    """Raise ValueError where sizes differ that must be the same."""
    if len(set(sizes)) > 1:
        raise ValueError("sizes")


def whole(value: Any) -> int:
    """Return a value that is a whole number from 0 on."""
    if integer(value) < 0:
        raise TypeError("integer")
    return int(value)


def integer(value: Any) -> int:
    """Return a value that is a whole number; TypeError for any other."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError("integer")
    return value


def number(value: Any) -> float:
    """Return a value that is a number; TypeError for any other."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError("number")
    return float(value)


def number_or_nan(value: Any) -> float:
    """Return a number, NaN for None."""
    return math.nan if value is None else number(value)


def text(value: Any) -> str:
    """Return a value that is text; TypeError for any other."""
    if not isinstance(value, str):
        raise TypeError("text")
    return value

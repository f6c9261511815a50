"""None as it stands in tables, NaN for a number and -1 for a flag, and in JSON."""

from __future__ import annotations

import math
from typing import Any


def number(value: float | None) -> float:
    """Return a number as a table has it."""
    return math.nan if value is None else value


def known(value: Any) -> float | None:
    """Return a table's number, None where it has none."""
    return None if math.isnan(value) else float(value)


def flag(value: bool | None) -> int:
    """Return a flag as a table has it."""
    return -1 if value is None else int(value)


def decided(value: int) -> bool | None:
    """Return a table's flag, None where it has none."""
    return None if value < 0 else bool(value)


def shown(value: Any) -> float | None:
    """Return what a reader can make use of: six digits, and no NaN in JSON."""
    return None if value is None or not math.isfinite(value) else float(f"{value:.6g}")

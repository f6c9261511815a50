"""Sums of floats that do not depend on the order in which they were added.

A total of several workers is added up in another order when one of them is gone and its part has
moved to the archive. Rounded sums would then differ in their last digit, and a counter that falls
by one digit is a restart to whoever reads it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Exact:
    """A sum that holds what rounding would drop: its value is that of all parts together.

    No bits of two parts overlap, the smallest part comes first, and there are a few at most (39).
    Where a part is not finite, or the sum is not, it is as rounded as any float.

    Shewchuk, J. R. (1997). Adaptive Precision Floating-Point Arithmetic and Fast Robust Geometric
    Predicates. Discrete & Computational Geometry 18:305-363. Agrees with ``fractions.Fraction``.
    """

    parts: tuple[float, ...]

    def __add__(self, other: Exact) -> Exact:
        """Add without rounding."""
        parts = self.parts
        for part in other.parts:
            parts = _grown(parts, part)
        if not math.isfinite(parts[-1]):
            return Exact((sum(self.parts) + sum(other.parts),))
        return Exact(parts)

    def __float__(self) -> float:
        """Return the sum, rounded once: it never falls when the sum rises."""
        return math.fsum(self.parts)


def _grown(parts: tuple[float, ...], added: float) -> tuple[float, ...]:
    """Add one number to parts that do not overlap; the parts stay so."""
    grown: list[float] = []
    for part in parts:
        high = part + added
        # What rounding took away, whichever of the two is larger.
        mine = high - part
        low = (part - (high - mine)) + (added - mine)
        if low:
            grown.append(low)
        added = high
    return (*grown, added)

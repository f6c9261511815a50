"""The rows that are drawn: 20 features of many shapes and one output, independent or AR(1) in time.

Each column is a monotone function of a standard normal series of its own, rounded to 1/4096. So a
column is a table over 65,536 places, and the chance of each place is known: the counts of many
independent rows can be drawn at once, and those of rows that depend on each other cost one look-up
a row.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special
from scipy.signal import lfilter

if TYPE_CHECKING:
    from collections.abc import Sequence

STEPS = 4096  # of one standard deviation
PLACES = 65_536  # 8 standard deviations both ways
_Z = (np.arange(PLACES) - PLACES // 2) / STEPS
_U = special.ndtr(_Z)
#: The chance of each place.
MASS = np.diff(special.ndtr((np.arange(PLACES + 1) - PLACES / 2 - 0.5) / STEPS))
MASS /= MASS.sum()


# Shares of 0, 1, 2 ... at a mean of 3; above 30 there are none.
_POISSON = np.diff(special.pdtr(np.arange(30), 3.0), prepend=0.0)


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """One feature: its value at each place, and the share of rows without one."""

    name: str
    numbers: NDArray[np.float64]
    categorical: bool = False
    missing: float = 0.0

    def gaps(self, rng: np.random.Generator, rows: int) -> NDArray[np.intp]:
        """Return which of so many rows have no value."""
        if not self.missing:
            return np.empty(0, np.intp)
        return np.flatnonzero(rng.random(rows, np.float32) < self.missing)


def _levels(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    ends = np.cumsum(shares / shares.sum())
    return np.searchsorted(ends[:-1], _U, "right").astype(np.float64)


def zipf(levels: int) -> NDArray[np.float64]:
    """Return the shares of so many categories: 1, 1/2, 1/3 ..."""
    shares = 1 / np.arange(1, levels + 1)
    return shares / shares.sum()


@cache
def inputs() -> tuple[Column, ...]:
    """Return 8 normal, 4 lognormal, 2 t3, 3 Poisson columns, and categories of 5, 30, 100 levels.

    Every fourth one lacks 1 % of its values.
    """
    shapes = [
        *[("normal", _Z)] * 8,
        *[("lognormal", np.exp(_Z))] * 4,
        *[("t3_", special.stdtrit(3, _U))] * 2,
        *[("poisson", _levels(_POISSON))] * 3,
        ("five", _levels(np.array([0.4, 0.25, 0.2, 0.1, 0.05]))),
        ("zipf30_", _levels(zipf(30))),
        ("zipf100_", _levels(zipf(100))),
    ]
    return tuple(
        Column(f"{shape}{i}", values, i >= 17, 0.01 if i % 4 == 0 else 0.0)
        for i, (shape, values) in enumerate(shapes)
    )


@cache
def outputs() -> tuple[Column, ...]:
    """Return one score in [0, 1]."""
    return (Column("score", _U),)


class Series:
    """Places in the order of time: a stationary AR(1) series, independent rows at rho 0."""

    def __init__(self, rng: np.random.Generator, rho: float) -> None:
        self._rng = rng
        self._rho = rho
        self._last = rng.standard_normal(1, np.float32) * np.float32(rho)

    def next(self, rows: int) -> NDArray[np.int32]:
        """Return the next places."""
        noise = self._rng.standard_normal(rows, np.float32)
        if self._rho and rows:  # of no rows the filter forgets where it was
            noise *= np.float32(np.sqrt(1 - self._rho**2))
            filters = np.array([1], np.float32), np.array([1, -self._rho], np.float32)
            noise, self._last = lfilter(*filters, noise, zi=self._last)
        noise *= STEPS
        noise += PLACES // 2 + 0.5
        return noise.astype(np.int32)


def frame(
    rng: np.random.Generator, columns: Sequence[Column], rho: float, rows: int
) -> pd.DataFrame:
    """Return rows as a user has them: numbers, and texts for categories."""
    found: dict[str, object] = {}
    for column in columns:
        values = column.numbers[Series(rng, rho).next(rows)]
        gaps = column.gaps(rng, rows)
        if column.categorical:
            texts = values.astype(np.int64).astype(str).astype(object)
            texts[gaps] = None
            found[column.name] = texts
        else:
            values[gaps] = np.nan
            found[column.name] = values
    return pd.DataFrame(found)

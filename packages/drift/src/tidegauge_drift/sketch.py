"""All values of a numeric column in bounded memory, whatever the order and the chunks.

Floats are ordered as integers of 64 bits (their *keys*); values are counted by the head of their
key. Which heads are looked at more closely depends on the counts alone, so that any partitioning of
the same rows ends with the same sketch, bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from tidegauge_drift.grid import Floats

Keys = NDArray[np.uint64]
Counts = NDArray[np.int64]

# So many distinct values are kept as they are: small samples, whole numbers and prices are exact.
DISTINCT = 16_384
# Beyond, values are first counted by sign, exponent and 4 bits of the fraction: 1/16 of an octave.
HEAD_BITS = 16
# A head of several values with more than this share of all is looked at more closely.
SHARE = 1 / 1024
BITS = 64

_SIGN = np.uint64(1 << 63)


def to_keys(values: Floats) -> Keys:
    """Return integers in the order of finite floats; -0.0 is 0.0."""
    bits = np.ascontiguousarray(values + 0.0).view(np.uint64)
    return np.where(bits & _SIGN, ~bits, bits | _SIGN)


def from_keys(keys: Keys) -> Floats:
    """Return the floats of keys."""
    return np.where(keys & _SIGN, keys ^ _SIGN, ~keys).view(np.float64)


def head(keys: Keys, depth: ArrayLike) -> Keys:
    """Return keys with all but their first bits cleared; ``depth`` is in [1, 64]."""
    shift = (BITS - np.asarray(depth)).astype(np.uint64)
    return np.asarray((keys >> shift) << shift)


@dataclass(slots=True, eq=False)
class Runs:
    """Counts of disjoint ranges of keys in ascending order, with the extremes seen in each.

    A range is all keys that begin as ``low`` does, for ``depth`` bits.
    """

    low: Keys
    high: Keys
    count: Counts
    depth: NDArray[np.uint8]

    @classmethod
    def empty(cls) -> Runs:
        """Return no range."""
        keys = np.empty(0, np.uint64)
        return cls(keys, keys, np.empty(0, np.int64), np.empty(0, np.uint8))

    def heads(self) -> Keys:
        """Return where each range begins."""
        return head(self.low, self.depth)

    def joined(self, other: Runs) -> Runs:
        """Return the sum of both, whose equal ranges are one."""
        if not self.low.size or not other.low.size:
            return other if not self.low.size else self
        heads = np.concatenate((self.heads(), other.heads()))
        order = np.argsort(heads, kind="stable")
        starts = _starts(heads[order])
        low, high, count, depth = (
            np.concatenate((getattr(self, name), getattr(other, name)))[order]
            for name in ("low", "high", "count", "depth")
        )
        return Runs(
            np.minimum.reduceat(low, starts), np.maximum.reduceat(high, starts),
            np.add.reduceat(count, starts), depth[starts],
        )  # fmt: skip

    def at(self, depth: int) -> Runs:
        """Return the same counts by shorter heads."""
        if not self.low.size:
            return self
        starts = _starts(head(self.low, depth))
        ends = np.append(starts[1:], self.low.size) - 1
        return Runs(
            self.low[starts], self.high[ends], np.add.reduceat(self.count, starts),
            np.full(starts.size, depth, np.uint8),
        )  # fmt: skip

    def chosen(self, which: NDArray[np.bool_]) -> Runs:
        """Return some of the ranges."""
        return Runs(self.low[which], self.high[which], self.count[which], self.depth[which])


def _starts(ordered: Keys) -> NDArray[np.intp]:
    return np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))


def _runs(keys: Keys, depth: NDArray[np.uint8]) -> Runs:
    """Return the runs of sorted keys by heads of the given depths."""
    if not keys.size:
        return Runs.empty()
    starts = _starts(head(keys, depth))
    ends = np.append(starts[1:], keys.size) - 1
    count = np.diff(np.append(starts, keys.size)).astype(np.int64)
    return Runs(keys[starts], keys[ends], count, depth[starts])


class Sketch:
    """A numeric column's finite values; ``add`` all of them once a round, until ``done``."""

    def __init__(self) -> None:
        self._runs = Runs.empty()
        self._finer: Runs | None = None
        self._heavy = Runs.empty()
        self._depths = np.empty(0, np.uint8)
        self.exact = True

    @classmethod
    def of(cls, values: Floats) -> Sketch:
        """Return the sketch of values in memory."""
        sketch = cls()
        while True:
            sketch.add(values)
            if sketch.done():
                return sketch

    def add(self, values: Floats) -> None:
        """Count finite values, in any order."""
        keys = np.sort(to_keys(values))
        if self._finer is not None:
            self._finer = self._finer.joined(self._within(keys))
            return
        if self.exact:
            self._runs = self._runs.joined(_runs(keys, np.full(keys.size, BITS, np.uint8)))
            if self._runs.low.size > DISTINCT:
                self.exact = False
                self._runs = self._runs.at(HEAD_BITS)
        else:
            self._runs = self._runs.joined(_runs(keys, np.full(keys.size, HEAD_BITS, np.uint8)))

    def _within(self, keys: Keys) -> Runs:
        """Return the runs of those keys that lie in heavy ranges."""
        place = np.searchsorted(self._heavy.low, keys, "right") - 1
        inside = (place >= 0) & (keys <= self._heavy.high[place])
        return _runs(keys[inside], self._depths[place[inside]])

    def done(self) -> bool:
        """End a round; tell whether no range holds too much, or all rows are needed once more.

        Raises
        ------
        ValueError
            The values of this round are others than those of the first.
        """
        if self._finer is not None:
            if self._finer.count.sum() != self._heavy.count.sum():
                raise ValueError("values")
            light = np.ones(self._runs.low.size, np.bool_)
            light[np.searchsorted(self._runs.low, self._heavy.low)] = False
            self._runs = self._runs.chosen(light).joined(self._finer)
            self._finer = None
        runs, limit = self._runs, max(1.0, SHARE * self.size)
        heavy = (runs.count > limit) & (runs.low < runs.high)
        if self.exact or not heavy.any():
            return True
        self._heavy = runs.chosen(heavy)
        # Values agree in their first bits; so many more make parts of at most a quarter of the
        # limit, if they lie evenly.
        agreed = BITS - np.frexp((self._heavy.low ^ self._heavy.high).astype(np.float64))[1]
        more = np.ceil(np.log2(4 * self._heavy.count / limit))
        depths = np.maximum(np.minimum(agreed + more, BITS), self._heavy.depth + 1)
        self._depths = depths.astype(np.uint8)
        self._finer = Runs.empty()
        return False

    @property
    def runs(self) -> Runs:
        """The counts, in ascending order."""
        return self._runs

    @property
    def size(self) -> int:
        """Values counted."""
        return int(self._runs.count.sum())

    @property
    def low(self) -> float:
        """The smallest value."""
        return float(from_keys(self._runs.low[:1])[0])

    @property
    def high(self) -> float:
        """The largest value."""
        return float(from_keys(self._runs.high[-1:])[0])

    @property
    def values(self) -> Floats:
        """The smallest value of each range; all distinct values where the sketch is exact."""
        return from_keys(self._runs.low)

    @property
    def counts(self) -> Counts:
        """The number of values in each range."""
        return self._runs.count

    def at_ranks(self, ranks: NDArray[np.int64]) -> Floats:
        """Return the values at places of the sorted sample; between a range's ends, evenly."""
        ends = np.cumsum(self._runs.count)
        place = np.searchsorted(ends, ranks, "right")
        count = self._runs.count[place]
        share = (ranks - (ends[place] - count)) / np.maximum(count - 1, 1)
        low, high = from_keys(self._runs.low[place]), from_keys(self._runs.high[place])
        with np.errstate(all="ignore"):  # a range above 1.8e308 has no width
            return np.where(share == 0, low, np.where(share == 1, high, low + (high - low) * share))

    def quantiles(self, shares: ArrayLike) -> Floats:
        """Return the quantiles as numpy's default method defines them."""
        at = (self.size - 1) * np.asarray(shares, np.float64)
        below = np.floor(at).astype(np.int64)
        a, b = self.at_ranks(below), self.at_ranks(np.minimum(below + 1, self.size - 1))
        part = at - below
        with np.errstate(all="ignore"):  # between values too far apart there is no quantile
            step = b - a
            return np.where(part >= 0.5, b - step * (1 - part), a + step * part)  # noqa: PLR2004

    def frequent(self, share: float) -> Floats:
        """Return the values that hold more than a share of the sample each."""
        single = self._runs.low == self._runs.high
        found: Floats = self.values[single & (self._runs.count > share * self.size)]
        return found

    def sample(self, rows: int) -> Floats:
        """Return all values in ascending order, or so many evenly spaced ones."""
        if self.size <= rows:
            return np.repeat(self.values, self.counts) if self.exact else self.at_ranks(
                np.arange(self.size)
            )  # fmt: skip
        return self.at_ranks((np.arange(rows) * self.size + self.size // 2) // rows)

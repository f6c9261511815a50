"""Histogram points to cumulative Prometheus buckets: pure."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from prometheus_client.samples import Timestamp
from prometheus_client.utils import floatToGoString
from tidegauge.exact import Exact

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk.metrics.export import (
        ExponentialHistogramDataPoint,
        HistogramDataPoint,
    )
    from prometheus_client.samples import Exemplar

# Exponents of the smallest and the largest finite power of two.
_LOWEST, _HIGHEST = -1074, 1023


@dataclass(frozen=True, slots=True)
class Buckets:
    """One histogram point: ``counts`` are cumulative and one longer than the finite ``bounds``.

    ``sum`` is None where the sum is unknown or may fall: Prometheus would take it for a counter.
    ``octaves`` says that the bounds are powers of two, as many as the values needed.
    """

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    sum: Exact | None
    octaves: bool = False
    exemplars: tuple[Exemplar, ...] = ()

    def index(self, value: float) -> int:
        """Return the position of the bucket that holds a value."""
        return bisect_left(self.bounds, value)

    def newest_exemplars(self) -> dict[int, Exemplar]:
        """Return the newest exemplar of each bucket: the format has room for one."""
        return {self.index(found.value): found for found in sorted(self.exemplars, key=_time)}

    def plus(self, other: Buckets) -> Buckets:
        """Add the counts of another process.

        Raises
        ------
        ValueError
            The bounds differ, and not only because the values did.
        """
        mine, theirs = self, other
        if self.bounds != other.bounds:
            if not (self.octaves and other.octaves):
                raise ValueError("the bounds of the buckets differ")
            bounds = _common(self, other)
            mine, theirs = self._at(bounds), other._at(bounds)
        counts = tuple(one + two for one, two in zip(mine.counts, theirs.counts, strict=True))
        total = None if self.sum is None or other.sum is None else self.sum + other.sum
        octaves = self.octaves and other.octaves
        both = Buckets(mine.bounds, counts, total, octaves, self.exemplars + other.exemplars)
        return replace(both, exemplars=tuple(both.newest_exemplars().values()))

    def knows(self, bound: float) -> bool:
        """Whether the count up to a bound is known: no bucket with values reaches over it."""
        index = self.index(bound)
        if index < len(self.bounds) and self.bounds[index] == bound:
            return True
        return self.counts[index] == (self.counts[index - 1] if index else 0)

    def _at(self, bounds: tuple[float, ...]) -> Buckets:
        """Return the counts up to bounds that are all known."""
        # A bound between two of ours lies in an empty bucket: the count before it holds.
        at = [bisect_right(self.bounds, bound) for bound in bounds]
        counts = (*(self.counts[index - 1] if index else 0 for index in at), self.counts[-1])
        return replace(self, bounds=bounds, counts=counts)


def _common(one: Buckets, two: Buckets) -> tuple[float, ...]:
    """Return the powers of two that one process with the values of both would show."""
    bounds = {*one.bounds, *two.bounds}
    for sign in (-1.0, 1.0):
        exponents = [math.frexp(bound)[1] - 1 for bound in bounds if bound * sign > 0]
        if exponents:
            steps = range(min(exponents), max(exponents))
            bounds.update(math.ldexp(sign, exponent) for exponent in steps)
    return tuple(bound for bound in sorted(bounds) if one.knows(bound) and two.knows(bound))


def _time(exemplar: Exemplar) -> tuple[float, float]:
    at = exemplar.timestamp
    return (at.sec, at.nsec) if isinstance(at, Timestamp) else (at or 0.0, 0.0)


@lru_cache(maxsize=256)
def le_strings(bounds: tuple[float, ...]) -> tuple[str, ...]:
    """Return the ``le`` labels of bounds and of the last, infinite bucket: always floats."""
    return (*(floatToGoString(bound) for bound in bounds), "+Inf")  # type: ignore[no-untyped-call]


def of_histogram(point: HistogramDataPoint) -> Buckets:
    """Convert an explicit histogram.

    Raises
    ------
    ValueError
        Bounds and counts do not fit together.
    """
    bounds = tuple(float(bound) for bound in point.explicit_bounds)
    counts = list(point.bucket_counts) or [point.count]
    if bounds and bounds[-1] == math.inf:  # said twice: the last bucket is infinite anyway
        bounds = bounds[:-1]
        counts[-2:] = [sum(counts[-2:])]
    if len(counts) != len(bounds) + 1:
        raise ValueError(
            f"buckets: got {len(counts)} counts for {len(bounds)} bounds; expected one count more"
        )
    if not all(map(math.isfinite, bounds)) or any(low >= high for low, high in pairwise(bounds)):
        raise ValueError("buckets: got bounds that do not rise; expected finite, rising ones")
    if any(count < 0 for count in counts):
        raise ValueError("buckets: got a negative count; expected counts of 0 or more")
    falls = bool(bounds) and bounds[0] < 0
    return Buckets(bounds, tuple(accumulate(counts)), _sum(point, falls=falls))


def of_exponential(point: ExponentialHistogramDataPoint) -> Buckets:
    """Convert an exponential histogram to one bucket an octave, at powers of two.

    A scale of 0 or more folds into octaves exactly; a negative one has bounds at every
    ``2 ** -scale``-th power. So the bounds stay put when the SDK rescales, as Prometheus needs:
    a series is one ``le``. Every count is exact but for negative values right at a power of two,
    which land one bucket higher.
    """
    below = _octaves(point.negative.offset, point.negative.bucket_counts, point.scale)
    above = _octaves(point.positive.offset, point.positive.bucket_counts, point.scale)
    width = 1 if point.scale >= 0 else 1 << -point.scale
    # Both outer edges get a bound, so that a quantile is interpolated inside the outermost octave.
    steps = [(0.0, point.zero_count)]
    if below:
        steps.append((-_power(max(below) + width), 0))
        steps.extend((-_power(lower), count) for lower, count in below.items())
    if above:
        steps.append((_power(min(above)), 0))
        steps.extend((_power(lower + width), count) for lower, count in above.items())
    merged: dict[float, int] = {}
    for bound, count in steps:
        key = bound or 0.0  # a power too small for a float, and -0.0
        merged[key] = merged.get(key, 0) + count
    beyond, rest = merged.pop(-math.inf, 0), merged.pop(math.inf, 0)
    bounds = tuple(sorted(merged))
    counts = [*(merged[bound] for bound in bounds), rest]
    counts[0] += beyond
    total = _sum(point, falls=bool(below))
    return Buckets(bounds, tuple(accumulate(counts)), total, octaves=True)


def _octaves(offset: int, counts: Sequence[int], scale: int) -> dict[int, int]:
    """Add up counts by the lower exponent of their bucket, without gaps between first and last."""
    found: dict[int, int] = {}
    for index, count in enumerate(counts, offset):
        if count:
            lower = index >> scale if scale >= 0 else index << -scale
            found[lower] = found.get(lower, 0) + count
    if not found:
        return found
    width = 1 if scale >= 0 else 1 << -scale
    first, last = min(found), max(found)
    return {lower: found.get(lower, 0) for lower in range(first, last + 1, width)}


def _power(exponent: int) -> float:
    if exponent > _HIGHEST:
        return math.inf
    return 0.0 if exponent < _LOWEST else math.ldexp(1.0, exponent)


def _sum(point: HistogramDataPoint | ExponentialHistogramDataPoint, *, falls: bool) -> Exact | None:
    # The data classes promise numbers; a producer without extremes or a sum hands None.
    total: float | None = point.sum
    smallest: float | None = point.min
    if falls or total is None or not math.isfinite(total) or total < 0:
        return None
    return None if smallest is not None and smallest < 0 else Exact((float(total),))

"""Histogram points to cumulative Prometheus buckets: pure."""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from prometheus_client.utils import floatToGoString

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk.metrics.export import (
        ExponentialHistogramDataPoint,
        HistogramDataPoint,
    )

# Exponents of the smallest and the largest finite power of two.
_LOWEST, _HIGHEST = -1074, 1023


@dataclass(frozen=True, slots=True)
class Buckets:
    """One histogram point: ``counts`` are cumulative and one longer than the finite ``bounds``.

    ``sum`` is None where the sum is unknown or may fall: Prometheus would take it for a counter.
    """

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    sum: float | None

    def index(self, value: float) -> int:
        """Return the position of the bucket that holds a value."""
        return bisect_left(self.bounds, value)


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
    return Buckets(bounds, tuple(accumulate(counts)), _sum(point, falls=bool(below)))


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


def _sum(point: HistogramDataPoint | ExponentialHistogramDataPoint, *, falls: bool) -> float | None:
    # The data classes promise numbers; a producer without extremes or a sum hands None.
    total: float | None = point.sum
    smallest: float | None = point.min
    if falls or total is None or not math.isfinite(total) or total < 0:
        return None
    return None if smallest is not None and smallest < 0 else total

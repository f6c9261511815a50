"""Buckets to values: where a histogram's counts lie, as exactly as its buckets say.

A bucket of a ratio of at most 1.02, as those of the pipeline's latency, is one value: the one that
is off by the same share at both ends. What a wider bucket holds is spread evenly over it, as
Datadog's Agent does with the histograms that it gets by OTLP, and as PromQL assumes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TypeAlias

from opentelemetry.sdk.metrics.export import (
    Buckets,
    ExponentialHistogramDataPoint,
    HistogramDataPoint,
)

Seen: TypeAlias = Iterator[tuple[float, int]]

_NARROW = math.log2(1.02)
# Into so many values a bucket is spread at most. Datadog's sketch is no finer than 1.6 %; of a
# bucket from 0.1 to 0.2 this is 9 % of its width, and no more data than the whole needs.
_PARTS = 12
_MIDDLE = 0.5
# Two to the power of it is no float any more.
_HIGHEST = 1023.999


def of_exponential(point: ExponentialHistogramDataPoint) -> Seen:
    """Yield value and count of each bucket, from the lowest."""
    for value, count in reversed(_of_side(point.negative, point.scale)):
        yield -value, count
    if point.zero_count:
        yield 0.0, point.zero_count
    yield from _of_side(point.positive, point.scale)


def _of_side(buckets: Buckets, scale: int) -> list[tuple[float, int]]:
    step = 2.0**-scale
    filled = [each for each in enumerate(buckets.bucket_counts, buckets.offset) if each[1]]
    if step <= _NARROW:
        # Twice the product of both ends by their sum. Of such buckets there may be a thousand.
        base = 2.0**step
        middle = 2 * base / (1 + base)
        return [(middle * base**index, count) for index, count in filled]
    return [
        seen
        for index, count in filled
        for seen in _spread(_power(index * step), _power((index + 1) * step), count)
    ]


def _power(exponent: float) -> float:
    return float(2.0 ** min(exponent, _HIGHEST))


def of_histogram(point: HistogramDataPoint) -> Seen:
    """Yield value and count of each bucket, from the lowest.

    Bounds alone would say that a model which always answers 2.0 answers 1.5 on average, if it has
    a bucket from 1 to 2. The sum says better: so the values lie in their buckets where their own
    sum is that of the histogram, as nearly as it can be.
    """
    bounds = list(point.explicit_bounds)
    counts = list(point.bucket_counts)
    if not bounds:
        # Only the number and the sum are known: so is the mean.
        if point.count:
            yield point.sum / point.count, point.count
        return
    # The outer buckets end at what was seen, where that is known; else at their inner bound.
    edges = [bounds[0], *bounds, bounds[-1]]
    if point.min is not None:
        edges[0] = min(point.min, bounds[0])
    if point.max is not None:
        edges[-1] = max(point.max, bounds[-1])
    lean = _lean(edges, counts, point.sum)
    for number, count in enumerate(counts):
        if count:
            yield from _spread(edges[number], edges[number + 1], count, lean)


def _lean(edges: list[float], counts: Sequence[int], total: float) -> float:
    """Return where the mean lies in all buckets alike: 0 at their low ends, 1 at their high ones.

    What is left over goes to the outer bucket, if one of the two holds something that lies nobody
    knows where: its edge in ``edges`` is moved.
    """
    least = sum(low * count for low, count in zip(edges, counts, strict=False))
    width = sum(
        (high - low) * count for low, high, count in zip(edges, edges[1:], counts, strict=False)
    )
    left = total - least - width / 2
    below = counts[0] if edges[0] == edges[1] else 0
    above = counts[-1] if edges[-2] == edges[-1] else 0
    if not math.isfinite(left) or (below and above):
        return _MIDDLE
    if below or above:
        # Spread from the bound on, their mean is half way to the edge.
        if below and left < 0:
            edges[0] += 2 * left / below
        elif above and left > 0:
            edges[-1] += 2 * left / above
        return _MIDDLE
    return min(1.0, max(0.0, (total - least) / width)) if width else _MIDDLE


def _spread(low: float, high: float, count: int, lean: float = _MIDDLE) -> Seen:
    if low == high:
        yield low, count
    else:
        # All of it for a lean of a half; else a part at one end, in whose middle the mean is.
        width = (high - low) * (2 * min(lean, 1 - lean))
        start = low if lean < _MIDDLE else high - width
        parts = min(count, _PARTS) if width else 1
        each, more = divmod(count, parts)
        for part in range(parts):
            # Who gets one more is spread evenly, too.
            extra = (part + 1) * more // parts - part * more // parts
            yield start + (part + 0.5) / parts * width, each + extra

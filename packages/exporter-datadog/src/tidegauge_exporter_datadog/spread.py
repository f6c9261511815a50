"""Buckets to values: where a histogram's counts lie, as exactly as its buckets say.

A bucket of a ratio of at most 1.02, as those of the pipeline's latency, is one value: the one that
is off by the same share at both ends. What a wider bucket holds is spread evenly over it, as
Datadog's Agent does with the histograms that it gets by OTLP, and as PromQL assumes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TypeAlias

from opentelemetry.sdk.metrics.export import ExponentialHistogramDataPoint, HistogramDataPoint

Seen: TypeAlias = Iterator[tuple[float, int]]

_NARROW = 1.02
# Into so many values a bucket is spread at most. Datadog's sketch is no finer than 1.6 %; of a
# bucket from 0.1 to 0.2 this is 9 % of its width, and no more data than the whole needs.
_PARTS = 12


def of_exponential(point: ExponentialHistogramDataPoint) -> Seen:
    """Yield value and count of each bucket, from the lowest."""
    base = 2.0 ** (2.0**-point.scale)
    for index, count in _filled(point.negative.bucket_counts, point.negative.offset, down=True):
        for value, number in _spread(_edge(base, index), _edge(base, index + 1), count):
            yield -value, number
    if point.zero_count:
        yield 0.0, point.zero_count
    for index, count in _filled(point.positive.bucket_counts, point.positive.offset):
        yield from _spread(_edge(base, index), _edge(base, index + 1), count)


def of_histogram(point: HistogramDataPoint) -> Seen:
    """Yield value and count of each bucket, from the lowest.

    The outer buckets end at what was seen, where that is known; else what is in them is at their
    inner bound.
    """
    bounds = list(point.explicit_bounds)
    if not bounds:
        # Only the number and the sum are known: so is the mean.
        if point.count:
            yield point.sum / point.count, point.count
        return
    low, high = bounds[0], bounds[-1]
    if point.min is not None:
        low = min(point.min, low)
    if point.max is not None:
        high = max(point.max, high)
    edges = [low, *bounds, high]
    for number, count in enumerate(point.bucket_counts):
        if count:
            yield from _spread(edges[number], edges[number + 1], count)


def _filled(counts: Sequence[int], offset: int, *, down: bool = False) -> Iterator[tuple[int, int]]:
    numbered = [(offset + position, count) for position, count in enumerate(counts) if count]
    return iter(reversed(numbered) if down else numbered)


def _edge(base: float, index: int) -> float:
    try:
        return base**index
    except OverflowError:
        return math.inf


def _spread(low: float, high: float, count: int) -> Seen:
    if low == high:
        yield low, count
    elif low > 0 and high <= low * _NARROW:
        yield 2 * low / (1 + low / high), count
    else:
        parts = min(count, _PARTS)
        width = (high - low) / parts
        each, more = divmod(count, parts)
        for part in range(parts):
            # Who gets one more is spread evenly, too.
            extra = (part + 1) * more // parts - part * more // parts
            yield low + (part + 0.5) * width, each + extra

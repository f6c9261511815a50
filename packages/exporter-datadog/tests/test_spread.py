"""What buckets hold comes out as values that lie where the buckets say, and as many."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.metrics.export import (
    Buckets,
    ExponentialHistogramDataPoint,
    HistogramDataPoint,
)
from tidegauge.counts import LOG_SCALE
from tidegauge_exporter_datadog.spread import of_exponential, of_histogram


def exponential(
    scale: int, positive: Buckets, negative: Buckets | None = None, zeros: int = 0
) -> ExponentialHistogramDataPoint:
    """Return a point; what is not looked at is nothing."""
    none = Buckets(0, [])
    return ExponentialHistogramDataPoint(
        {}, 0, 1, 0, 0.0, scale, zeros, positive, negative or none, 0, math.nan, math.nan
    )  # fmt: skip


def explicit(
    bounds: Sequence[float], counts: Sequence[int], low: float | None, high: float | None
) -> HistogramDataPoint:
    """Return a point with extremes that are known, or not."""
    return HistogramDataPoint({}, 0, 1, sum(counts), 6.0, counts, bounds, low, high)  # type: ignore[arg-type]


@given(st.lists(st.floats(1e-6, 1e4), min_size=1, max_size=200))
def test_latencies_come_out_within_a_hundredth(seconds: list[float]) -> None:
    """Each value of the pipeline's own buckets is off by 0.6 % at most."""
    cells = Counter(math.ceil(math.log2(value) * 2**LOG_SCALE) - 1 for value in seconds)
    low = min(cells)
    counts = [cells[cell] for cell in range(low, max(cells) + 1)]
    found = Counter(dict(of_exponential(exponential(LOG_SCALE, Buckets(low, counts)))))
    assert len(seconds) == found.total()
    np.testing.assert_allclose(sorted(found.elements()), sorted(seconds), rtol=0.006)


def test_signs_and_zeros_are_kept() -> None:
    """From the lowest value to the highest."""
    point = exponential(6, Buckets(0, [2]), Buckets(0, [1, 3]), zeros=4)
    values, counts = zip(*of_exponential(point), strict=True)
    assert (3, 1, 4, 2) == counts
    assert list(values) == sorted(values)
    middles = [-(2 ** (1.5 / 64)), -(2 ** (0.5 / 64)), 0, 2 ** (0.5 / 64)]
    np.testing.assert_allclose(values, middles, rtol=1e-4)


def test_a_wide_bucket_is_spread_evenly() -> None:
    """As PromQL and the Agent do: its quantiles are straight lines."""
    values, counts = zip(*of_histogram(explicit([0.0, 1.0], [0, 240, 0], None, None)), strict=True)
    assert {20} == set(counts)
    np.testing.assert_allclose(values, np.arange(12) / 12 + 1 / 24)


@given(st.integers(1, 10**6))
def test_nothing_is_lost_or_made_up(count: int) -> None:
    """However little a bucket holds, it is all there, in the middle on average."""
    found = list(of_histogram(explicit([0.0, 1.0], [0, count, 0], None, None)))
    assert count == sum(number for _, number in found)
    mean = sum(value * number for value, number in found) / count
    assert abs(mean - 0.5) <= 0.5 / count


@pytest.mark.parametrize(
    ("low", "high", "expected"), [(None, None, (0.0, 1.0)), (-2.0, 3.0, (-1.0, 2.0))]
)
def test_outer_buckets_end_at_what_was_seen(
    low: float | None, high: float | None, expected: tuple[float, float]
) -> None:
    """Where that is not known, at their inner bound."""
    found = of_histogram(explicit([0.0, 1.0], [1, 0, 1], low, high))
    assert expected == tuple(value for value, _ in found)


def test_without_bounds_there_is_the_mean() -> None:
    """A histogram of one bucket says how many and how much."""
    assert [(2.0, 3)] == list(of_histogram(explicit([], [3], None, None)))
    assert [] == list(of_histogram(explicit([], [0], None, None)))

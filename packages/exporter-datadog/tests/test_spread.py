"""What buckets hold comes out as values that lie where the buckets say, and as many."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction

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
    bounds: Sequence[float],
    counts: Sequence[int],
    total: float,
    extremes: tuple[float | None, float | None] = (None, None),
) -> HistogramDataPoint:
    """Return a point with extremes that are known, or not, as in one of delta temporality."""
    return HistogramDataPoint({}, 0, 1, sum(counts), total, counts, bounds, *extremes)  # type: ignore[arg-type]


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


@pytest.mark.parametrize("scale", [-10, -3, 0, 2, 5, 6, 20])
def test_any_scale(scale: int) -> None:
    """Each value is in its bucket, from the smallest number to the largest."""
    log = Fraction(2) ** -scale
    for exponent in (-1074, -1, 0, 1, 1023):
        index = math.floor(exponent / log)
        found = list(of_exponential(exponential(scale, Buckets(index, [3]))))
        assert 3 == sum(count for _, count in found)
        for value, _ in found:
            assert math.isfinite(value)
            if value > 1e-300:  # smaller ones have few digits
                assert index * log - 1e-9 <= math.log2(value) <= (index + 1) * log + 1e-9


def test_a_wide_bucket_is_spread_evenly() -> None:
    """As PromQL and the Agent do: its quantiles are straight lines."""
    values, counts = zip(*of_histogram(explicit([0.0, 1.0], [0, 240, 0], 120.0)), strict=True)
    assert {20} == set(counts)
    np.testing.assert_allclose(values, np.arange(12) / 12 + 1 / 24)


@given(st.integers(1, 10**6))
def test_nothing_is_lost_or_made_up(count: int) -> None:
    """However little a bucket holds, it is all there, in the middle on average."""
    found = list(of_histogram(explicit([0.0, 1.0], [0, count, 0], count / 2)))
    assert count == sum(number for _, number in found)
    mean = sum(value * number for value, number in found) / count
    assert abs(mean - 0.5) <= 0.5 / count


BOUNDS = [-10.0, -1.0, 0.0, 0.2, 0.5, 0.9, 1.0, 10.0, 100.0]


@given(st.lists(st.floats(-10, 100, exclude_min=True), min_size=1, max_size=300))
def test_the_mean_is_kept(seen: list[float]) -> None:
    """And each value stays in its bucket."""
    cells = np.searchsorted(BOUNDS, seen, side="left")
    counts = np.bincount(cells, minlength=len(BOUNDS) + 1).tolist()
    found: list[float] = []
    for value, number in of_histogram(explicit(BOUNDS, counts, sum(seen))):
        found += [value] * number  # parts of a part so narrow that there is one number in it
    found.sort()
    assert len(seen) == len(found)
    edges = np.array(BOUNDS)
    inside = np.sort(cells)
    assert (edges[inside - 1] - 1e-9 <= found).all()
    assert (found <= edges[inside] + 1e-9).all()
    # What a bucket holds beyond a multiple of its parts has no even place: half a value's worth.
    uneven = np.diff(edges)[np.unique(cells) - 1].sum() / 2
    assert abs(np.sum(found) - np.sum(seen)) <= uneven + 1e-6


def test_a_constant_is_a_constant() -> None:
    """A model that always answers 2.0 does so in Datadog."""
    assert [(2.0, 7)] == list(of_histogram(explicit([1.0, 2.0], [0, 7, 0], 14.0)))


@pytest.mark.parametrize(
    ("extremes", "counts", "total", "expected"),
    [
        ((None, None), [1, 0, 1], 1.0, [0.0, 1.0]),  # one of the two alone would be made up
        ((-2.0, 3.0), [1, 0, 1], 1.0, [-1.0, 2.0]),
        ((None, None), [0, 2, 1], 51.0, [0.25, 0.75, 50.0]),
        ((None, None), [1, 2, 0], -49.0, [-50.0, 0.25, 0.75]),
        ((None, None), [0, 2, 1], 1.0, [0.25, 0.75, 1.0]),  # no less than its bound
        ((None, None), [0, 2, 1], math.nan, [0.25, 0.75, 1.0]),
    ],
)
def test_outer_buckets(
    extremes: tuple[float | None, float | None],
    counts: list[int],
    total: float,
    expected: list[float],
) -> None:
    """They end at what was seen; where that is not known, the sum says where their mean is."""
    found = Counter(dict(of_histogram(explicit([0.0, 1.0], counts, total, extremes))))
    assert expected == sorted(found.elements())


def test_without_bounds_there_is_the_mean() -> None:
    """A histogram of one bucket says how many and how much."""
    assert [(2.0, 3)] == list(of_histogram(explicit([], [3], 6.0)))
    assert [] == list(of_histogram(explicit([], [0], 0.0)))

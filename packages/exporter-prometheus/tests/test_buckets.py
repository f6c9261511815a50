"""Buckets: cumulative counts that agree with counting the values."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.metrics import Histogram, MeterProvider
from opentelemetry.sdk.metrics._internal.point import Buckets as SdkBuckets
from opentelemetry.sdk.metrics.export import (
    ExponentialHistogramDataPoint,
    HistogramDataPoint,
    InMemoryMetricReader,
)
from opentelemetry.sdk.metrics.export import MetricsData as Data
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation
from tidegauge.exact import Exact
from tidegauge_exporter_prometheus.buckets import Buckets, le_strings, of_exponential, of_histogram

BOUNDS = st.lists(st.floats(-1e6, 1e6, allow_nan=False), min_size=0, max_size=12, unique=True).map(
    sorted
)


def explicit(bounds: list[float], counts: list[int], *, total: float | None, low: float) -> Buckets:
    # The data class promises numbers; a producer without a sum hands None.
    known: Any = total
    point = HistogramDataPoint({}, 1, 2, sum(counts), known, counts, bounds, low, 1.0)
    return of_histogram(point)


@given(BOUNDS, st.lists(st.floats(-1e6, 1e6), max_size=40))
def test_explicit_buckets_count_what_is_not_above_their_bound(
    bounds: list[float], values: list[float]
) -> None:
    """Each bucket holds the values up to and including its bound, as numpy counts them."""
    inner = np.searchsorted(bounds, values, side="left")
    counts = np.bincount(inner.astype(int), minlength=len(bounds) + 1).tolist()
    found = explicit(bounds, counts, total=1.0, low=0.0)
    assert [int(np.sum(np.asarray(values) <= bound)) for bound in bounds] == list(found.counts[:-1])
    assert len(values) == found.counts[-1]


@given(st.lists(st.floats(1e-300, 1e300), min_size=1, max_size=60))
def test_exponential_buckets_count_what_is_not_above_their_bound(values: list[float]) -> None:
    """What the SDK recorded in an exponential histogram is counted exactly at every bound."""
    point = recorded([*values, 0.0])
    found = of_exponential(point)
    assert [sum(value <= bound for value in [*values, 0.0]) for bound in found.bounds] == list(
        found.counts[:-1]
    )
    assert len(values) + 1 == found.counts[-1]
    assert list(found.bounds) == sorted(set(found.bounds))


def recorded(values: list[float]) -> ExponentialHistogramDataPoint:
    """Record values through a real SDK histogram."""
    reader = InMemoryMetricReader(
        preferred_aggregation={Histogram: ExponentialBucketHistogramAggregation()}
    )
    provider = MeterProvider([reader], shutdown_on_exit=False)
    histogram = provider.get_meter("test").create_histogram("h")
    for value in values:
        histogram.record(value)
    data = reader.get_metrics_data()
    provider.shutdown()
    assert isinstance(data, Data)
    metrics = [
        metric
        for scope in data.resource_metrics[0].scope_metrics
        if scope.scope.name == "test"
        for metric in scope.metrics
    ]
    point = metrics[0].data.data_points[0]
    assert isinstance(point, ExponentialHistogramDataPoint)
    return point


@given(
    st.integers(-4, 20),
    st.integers(-60, 60),
    st.lists(st.integers(0, 5), max_size=20),
    st.integers(-60, 60),
    st.lists(st.integers(0, 5), max_size=20),
    st.integers(0, 3),
)
def test_no_count_of_an_exponential_histogram_is_lost(  # noqa: PLR0917 - one a strategy
    scale: int, above: int, positive: list[int], below: int, negative: list[int], zeros: int
) -> None:
    """At any scale the buckets rise and hold every count, negative values on their side of 0."""
    point = ExponentialHistogramDataPoint(
        {}, 1, 2, 0, 1.0, scale, zeros,
        SdkBuckets(above, positive), SdkBuckets(below, negative), 0, 0.0, 1.0,
    )  # fmt: skip
    found = of_exponential(point)
    assert sum(positive) + sum(negative) + zeros == found.counts[-1]
    assert list(found.counts) == sorted(found.counts)
    assert all(low < high for low, high in zip(found.bounds, found.bounds[1:], strict=False))
    assert sum(negative) + zeros == found.counts[found.bounds.index(0.0)]
    assert all(map(math.isfinite, found.bounds))


def test_rescaling_keeps_the_bounds() -> None:
    """The le of a series stays the same when the SDK halves its resolution."""
    fine = of_exponential(recorded([1.5, 3.0, 6.0]))
    coarse = of_exponential(recorded([1.5, 3.0, 6.0, *(1.0 + i / 7 for i in range(40)), 1e6]))
    assert set(fine.bounds) <= set(coarse.bounds)


def test_le_is_a_float_as_prometheus_writes_it() -> None:
    """Every le reads as a float, in the form that OpenMetrics asks for."""
    assert le_strings((0.0001, 1.0, 1e7)) == ("0.0001", "1.0", "1e+07", "+Inf")
    assert le_strings(explicit([1], [0, 1], total=1.0, low=0.0).bounds) == ("1.0", "+Inf")


@pytest.mark.parametrize(
    ("bounds", "total", "low"),
    [
        ([-1.0], 3.0, 0.0),
        ([1.0], None, 0.0),
        ([1.0], -3.0, 0.0),
        ([1.0], 3.0, -1.0),
        ([1.0], math.nan, 0.0),
    ],
    ids=["negative bound", "unknown", "negative sum", "negative value", "nan"],
)
def test_a_sum_that_may_fall_is_left_out(
    bounds: list[float], total: float | None, low: float
) -> None:
    """Prometheus takes a sum for a counter, so one that may fall is not shown."""
    assert explicit(bounds, [1, 1], total=total, low=low).sum is None


def test_an_infinite_last_bound_is_the_last_bucket() -> None:
    """A bound at infinity adds no second +Inf bucket."""
    found = explicit([1.0, math.inf], [1, 2, 3], total=1.0, low=0.0)
    assert Buckets((1.0,), (1, 6), Exact((1.0,))) == found


def test_no_buckets_is_one_bucket() -> None:
    """A histogram that only counts has the +Inf bucket."""
    point = HistogramDataPoint({}, 1, 2, 7, 1.0, [], [], 0.0, 1.0)
    assert Buckets((), (7,), Exact((1.0,))) == of_histogram(point)


@pytest.mark.parametrize(
    ("bounds", "counts"),
    [([1.0, 2.0], [1]), ([2.0, 1.0], [1, 1, 1]), ([math.nan], [1, 1]), ([1.0], [1, -1])],
)
def test_buckets_that_make_no_sense_are_refused(bounds: list[float], counts: list[int]) -> None:
    """Counts that do not fit their bounds are an error, not a wrong picture."""
    with pytest.raises(ValueError, match="buckets: got"):
        explicit(bounds, counts, total=1.0, low=0.0)

"""Exact counts: latency in both histograms against numpy and the SDK's own aggregation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.metrics.view import (
    ExplicitBucketHistogramAggregation,
    ExponentialBucketHistogramAggregation,
    View,
)
from tidegauge.counts import LOG_SCALE, MAX_ERROR_TYPES, CallCounts, Histogram
from tidegauge_semconv.metrics import LATENCY_BUCKETS, VALUE_BUCKETS

# What clocks measure: 100 ns to a day, zero, and the buckets' own bounds.
SECONDS = st.floats(1e-7, 86400) | st.just(0.0) | st.sampled_from(LATENCY_BUCKETS)
BASE = 2 ** (2**-LOG_SCALE)


def sdk_point(aggregation: Any, values: list[float]) -> Any:
    """Return what the SDK makes of the same values."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], views=[View(instrument_name="h", aggregation=aggregation)])
    histogram = provider.get_meter("m").create_histogram("h")
    for value in values:
        histogram.record(value)
    data = reader.get_metrics_data()
    provider.shutdown()
    assert data is not None
    return data.resource_metrics[0].scope_metrics[0].metrics[0].data.data_points[0]


@given(st.lists(SECONDS, min_size=1, max_size=60))
def test_fixed_buckets_equal_the_sdk_and_numpy(values: list[float]) -> None:
    """Counts, sum and extremes are those of an explicit bucket histogram."""
    counts = CallCounts()
    for part in np.array_split(np.array(values), 3):
        counts.add_latency(part)
    point = sdk_point(ExplicitBucketHistogramAggregation(LATENCY_BUCKETS), values)
    found = counts.latency
    assert list(point.bucket_counts) == found.counts.tolist()
    # numpy's edges are [a, b), those of OpenTelemetry (a, b]: mirror both.
    mirrored = [-math.inf, *(-np.array(LATENCY_BUCKETS)[::-1]), math.inf]
    assert np.histogram(-np.array(values), mirrored)[0][::-1].tolist() == found.counts.tolist()
    assert math.isclose(point.sum, found.total, rel_tol=1e-12)
    assert (point.min, point.max) == (found.low, found.high)


@given(st.lists(SECONDS, min_size=1, max_size=60))
def test_every_value_lies_in_its_log_bucket(values: list[float]) -> None:
    """Bucket i holds (base ** i, base ** (i + 1)], to the accuracy of a logarithm."""
    counts = CallCounts()
    counts.add_latency(np.array(values))
    positive = sorted(value for value in values if value > 0)
    cells = sorted(counts.log_latency.elements())
    assert (len(values) - len(positive), len(positive)) == (counts.zero_latency, len(cells))
    for value, cell in zip(positive, cells, strict=True):
        assert BASE**cell * (1 - 1e-12) < value <= BASE ** (cell + 1) * (1 + 1e-12)


def test_log_buckets_are_fine_enough() -> None:
    """A quantile read from them is within 2 %."""
    assert BASE <= 1.02


@given(st.lists(st.floats(0.5, 2.0), min_size=2, max_size=40))
def test_log_buckets_equal_the_sdks_exponential_histogram(values: list[float]) -> None:
    """At scale 6 each value falls into the bucket that the SDK's mapping says."""
    counts = CallCounts()
    counts.add_latency(np.array(values))
    point = sdk_point(
        ExponentialBucketHistogramAggregation(max_size=160, max_scale=LOG_SCALE), values
    )
    assert point.scale == LOG_SCALE
    offset = point.positive.offset
    expected = {offset + i: n for i, n in enumerate(point.positive.bucket_counts) if n}
    found = dict(counts.log_latency)
    # On a bucket's very bound two ways to take a logarithm may differ by one bucket.
    moved = {
        cell for cell in expected.keys() | found.keys() if expected.get(cell) != found.get(cell)
    }
    near = [v for v in values if abs(math.log2(v) * 64 - round(math.log2(v) * 64)) < 1e-9]
    assert not moved or near
    assert sum(expected.values()) == sum(found.values())


def test_error_types_are_limited() -> None:
    """Twenty are told apart; further ones are counted together, and none is lost."""
    counts = CallCounts()
    counts.add_errors([f"E{i}" for i in range(30)] * 2)
    expected = {f"E{i}": 2 for i in range(MAX_ERROR_TYPES)} | {"other": 20}
    assert expected == dict(counts.errors)


@given(st.lists(st.floats(-2000, 2000), max_size=50))
def test_negative_values_have_their_buckets(values: list[float]) -> None:
    """Prediction values may be below 0: their sum may be, too."""
    histogram = Histogram(np.array(VALUE_BUCKETS))
    histogram.add(np.array(values))
    assert len(values) == histogram.counts.sum()
    assert math.isclose(math.fsum(values), histogram.total, rel_tol=1e-9, abs_tol=1e-9)
    for bound, below in zip(VALUE_BUCKETS, np.cumsum(histogram.counts), strict=False):
        assert sum(value <= bound for value in values) == below


@pytest.mark.parametrize(
    ("values", "expected"), [([], math.inf), ([0.002] * 99 + [0.2], 0.0025), ([20.0], math.inf)]
)
def test_a_quantile_is_its_buckets_upper_bound(values: list[float], expected: float) -> None:
    """Above the last bound, or without values, it is infinite."""
    histogram = Histogram(np.array(LATENCY_BUCKETS))
    histogram.add(np.array(values))
    assert expected == histogram.quantile(0.95)

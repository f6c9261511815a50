"""Exact counts of finished calls: requests, errors, rows, latency. Plain numbers, no instrument."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from tidegauge_semconv.metrics import LATENCY_BUCKETS

from tidegauge.batch import Floats

#: Exception types that are told apart for one model and operation; further ones are ``other``.
MAX_ERROR_TYPES = 20
OTHER = "other"

# OpenTelemetry's exponential histogram of this scale has buckets of ratio 2 ** (1 / 64) = 1.0109.
LOG_SCALE = 6
_LOG_STEPS = 2.0**LOG_SCALE

_LATENCY_BOUNDS = np.array(LATENCY_BUCKETS)


@dataclass(frozen=True, slots=True)
class Exemplar:
    """A call that a bucket points to: its value, when, its trace and its request."""

    value: float
    time_s: float
    trace_id: int
    span_id: int
    prediction_id: str
    request_id: str = ""
    http_route: str = ""


@dataclass(slots=True)
class Histogram:
    """Counts between fixed bounds (``value <= bound``), their sum, and exemplars by bucket."""

    bounds: Floats
    start_s: float | None = None  # Unix seconds; None: as long as all the counts
    counts: Floats = field(init=False)
    total: float = 0.0
    low: float = math.inf
    high: float = -math.inf
    exemplars: dict[int, Exemplar] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.counts = np.zeros(len(self.bounds) + 1)

    def add(self, values: Floats) -> None:
        """Count values, which must be finite."""
        if len(values) == 0:
            return
        cells = np.searchsorted(self.bounds, values, side="left")
        self.counts += np.bincount(cells, minlength=len(self.counts))
        self.total += float(values.sum())
        self.low = min(self.low, float(values.min()))
        self.high = max(self.high, float(values.max()))

    def quantile(self, q: float) -> float:
        """Return the upper bound of the bucket that holds the quantile; inf above the last."""
        cumulative = np.cumsum(self.counts)
        if not cumulative[-1]:
            return math.inf
        cell = int(np.searchsorted(cumulative, q * cumulative[-1]))
        return float(self.bounds[cell]) if cell < len(self.bounds) else math.inf


@dataclass(slots=True)
class CallCounts:
    """All that is counted of one model and operation."""

    success: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    cancelled: int = 0
    rows: int = 0
    latency: Histogram = field(default_factory=lambda: Histogram(_LATENCY_BOUNDS))
    log_latency: Counter[int] = field(default_factory=Counter)
    zero_latency: int = 0

    def add_errors(self, types: Sequence[str]) -> None:
        """Count exception types, at most 20 apart."""
        for name in types:
            known = name in self.errors or len(self.errors) < MAX_ERROR_TYPES
            self.errors[name if known else OTHER] += 1

    def add_latency(self, seconds: Floats) -> None:
        """Count latencies in both histograms."""
        self.latency.add(seconds)
        positive = seconds[seconds > 0]
        self.zero_latency += len(seconds) - len(positive)
        # Bucket i of OpenTelemetry's exponential histogram holds (base ** i, base ** (i + 1)].
        cells = np.ceil(np.log2(positive) * _LOG_STEPS).astype(np.int64) - 1
        if not len(cells):
            return
        first = int(cells.min())
        counted = np.bincount(cells - first)  # a fifth of what np.unique takes
        for cell in np.flatnonzero(counted).tolist():
            self.log_latency[first + cell] += int(counted[cell])


@dataclass(slots=True)
class RowCounts:
    """What became of the rows of one model on their way to the processors."""

    seen: int = 0
    used: int = 0
    dropped: int = 0

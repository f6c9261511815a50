"""Our counts in OpenTelemetry's data model: what the specification calls a MetricProducer.

The Python SDK has the data classes but not yet the interface. Each reader has a producer of its
own: delta or cumulative is the reader's choice, and so is the form of histograms.
"""

from __future__ import annotations

import threading
import weakref
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, cast

from opentelemetry.sdk.metrics import Exemplar as SdkExemplar
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Buckets,
    ExponentialHistogram,
    ExponentialHistogramDataPoint,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from tidegauge_semconv import Kind, MetricSpec, attributes

from tidegauge import pipeline
from tidegauge.batch import CountPoint, GaugePoint
from tidegauge.counts import LOG_SCALE, Exemplar
from tidegauge.points import HistogramPoint, SumPoint, cumulative
from tidegauge.runtime import shared

SCOPE_NAME = "tidegauge"
_SCOPE = InstrumentationScope(SCOPE_NAME)
_DELTA = AggregationTemporality.DELTA
_CUMULATIVE = AggregationTemporality.CUMULATIVE

Key = tuple[str, tuple[str, ...]]

_producers: weakref.WeakSet[Producer] = weakref.WeakSet()


def reset_all() -> None:
    """Make every producer of a forked child usable."""
    for producer in list(_producers):
        producer.reset()


class Producer:
    """Produces for one reader: one lock, one baseline."""

    def __init__(
        self,
        *,
        sums: AggregationTemporality = _CUMULATIVE,
        histograms: AggregationTemporality = _CUMULATIVE,
        exponential: bool = False,
    ) -> None:
        self._sums = sums
        self._histograms = histograms
        self._exponential = exponential
        self._lock = threading.Lock()
        self._counts: object = None
        self._baseline: dict[Key, SumPoint | HistogramPoint] = {}
        self._last_ns = 0
        _producers.add(self)

    def reset(self) -> None:
        """Let go of a lock that a thread of the parent may have held: this is a forked child."""
        self._lock = threading.Lock()

    def produce(self) -> ScopeMetrics | None:
        """Return all that there is to export now; None where there is nothing."""
        with self._lock:
            current = pipeline.current()
            with current.frozen() as tally:
                points = list(cumulative(tally))
            gauges: list[GaugePoint] = []
            for point in current.points():
                if isinstance(point, GaugePoint):
                    gauges.append(point)
                else:
                    points.append(_counted(point))
            started = int(tally.start_s * 1e9)
            # A clock that is set back must not carry the points back with it.
            now = max(self._last_ns, started, int(shared.clock() * 1e9))
            if tally is not self._counts:  # a forked child, or the first collection
                self._counts, self._baseline, self._last_ns = tally, {}, started
            found = self._metrics(points, gauges, started, now)
            self._last_ns = now
            return ScopeMetrics(_SCOPE, found, "") if found else None

    def _metrics(
        self,
        points: Sequence[SumPoint | HistogramPoint],
        gauges: Iterable[GaugePoint],
        started: int,
        now: int,
    ) -> list[Metric]:
        grouped: dict[MetricSpec, list[Any]] = defaultdict(list)
        for point in points:
            temporality = self._sums if isinstance(point, SumPoint) else self._histograms
            change, begin = point, max(started, min(now, _start_ns(point)))
            if temporality is _DELTA:
                key = (point.spec.name, point.attributes)
                before = self._baseline.get(key)
                self._baseline[key] = point
                begin = max(self._last_ns, begin)
                if before is not None and _start_ns(before) == _start_ns(point):
                    change = _difference(point, before)
                    if _empty(change):
                        continue
            grouped[point.spec].append(self._data_point(change, begin, now))
        for gauge in gauges:
            grouped[gauge.spec].append(
                NumberDataPoint(_named(gauge.spec, gauge.attributes), started, now, gauge.value)
            )
        return [
            Metric(spec.name, spec.description, spec.unit, self._data(spec, data))
            for spec, data in grouped.items()
        ]

    def _data(self, spec: MetricSpec, data: list[Any]) -> Any:
        if spec.kind is Kind.COUNTER:
            return Sum(data, self._sums, is_monotonic=True)
        if spec.kind is Kind.GAUGE:
            return Gauge(data)
        if isinstance(data[0], ExponentialHistogramDataPoint):
            return ExponentialHistogram(data, self._histograms)
        return Histogram(data, self._histograms)

    def _data_point(self, point: SumPoint | HistogramPoint, begin: int, now: int) -> Any:
        named = _named(point.spec, point.attributes)
        if isinstance(point, SumPoint):
            return NumberDataPoint(named, begin, now, point.value)
        count = int(point.counts.sum())
        # A delta's extremes are not known, and unset is the truth. So they are in an empty one.
        known = self._histograms is _CUMULATIVE and count > 0
        low, high = (point.low, point.high) if known else cast("tuple[float, float]", (None, None))
        exemplars = [_exemplar(exemplar) for exemplar in point.exemplars]
        if self._exponential and point.log is not None:
            return ExponentialHistogramDataPoint(
                named, begin, now, count, point.total, LOG_SCALE, point.zeros,
                _buckets(point.log), Buckets(0, []), 0, low, high, exemplars,
            )  # fmt: skip
        return HistogramDataPoint(
            named, begin, now, count, point.total,
            [int(number) for number in point.counts], point.bounds.tolist(), low, high, exemplars,
        )  # fmt: skip


def with_produced(data: MetricsData | None, scope: ScopeMetrics, resource: Any) -> MetricsData:
    """Return a provider's metrics with ours beside them, under the same resource."""
    if data is None or not data.resource_metrics:
        own = resource if isinstance(resource, Resource) else Resource.create()
        return MetricsData([ResourceMetrics(own, [scope], own.schema_url)])
    first, *rest = data.resource_metrics
    joined = ResourceMetrics(first.resource, [*first.scope_metrics, scope], first.schema_url)
    return MetricsData([joined, *rest])


def _counted(point: CountPoint) -> SumPoint:
    return SumPoint(point.spec, point.attributes, point.value, point.start_s)


def _named(spec: MetricSpec, values: tuple[str, ...]) -> dict[str, str]:
    return dict(zip(spec.attributes, values, strict=True))


def _difference(
    now: SumPoint | HistogramPoint, before: SumPoint | HistogramPoint
) -> SumPoint | HistogramPoint:
    if isinstance(now, SumPoint) and isinstance(before, SumPoint):
        return SumPoint(now.spec, now.attributes, now.value - before.value, now.start_s)
    if isinstance(now, HistogramPoint) and isinstance(before, HistogramPoint):
        seen = set(before.exemplars)
        return HistogramPoint(
            now.spec,
            now.attributes,
            now.bounds,
            now.counts - before.counts,
            now.total - before.total,
            now.low,
            now.high,
            tuple(exemplar for exemplar in now.exemplars if exemplar not in seen),
            now.start_s,
            now.log - (before.log or Counter()) if now.log is not None else None,
            now.zeros - before.zeros,
        )
    return now


def _start_ns(point: SumPoint | HistogramPoint) -> int:
    return 0 if point.start_s is None else int(point.start_s * 1e9)


def _empty(point: SumPoint | HistogramPoint) -> bool:
    return not point.value if isinstance(point, SumPoint) else not point.counts.any()


def _buckets(log: Counter[int]) -> Buckets:
    if not log:
        return Buckets(0, [])
    low, high = min(log), max(log)
    return Buckets(low, [log[cell] for cell in range(low, high + 1)])


def _exemplar(exemplar: Exemplar) -> SdkExemplar:
    return SdkExemplar(
        {attributes.PREDICTION_ID: exemplar.prediction_id},
        exemplar.value,
        int(exemplar.time_s * 1e9),
        exemplar.span_id,
        exemplar.trace_id,
    )

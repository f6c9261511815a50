"""Our counts in OpenTelemetry's data model: what the specification calls a MetricProducer.

The Python SDK has the data classes but not yet the interface. Each reader has a producer of its
own: delta or cumulative is the reader's choice, and so is the form of histograms.
"""

from __future__ import annotations

import itertools
import math
import threading
import weakref
from collections import Counter, defaultdict
from dataclasses import replace
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
from opentelemetry.sdk.resources import SERVICE_INSTANCE_ID, Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from tidegauge_semconv import Kind, MetricSpec, attributes

from tidegauge import group, guard, pipeline, standing
from tidegauge.baseline import Baseline, decode, in_ns, tell
from tidegauge.counts import LOG_SCALE, Exemplar
from tidegauge.points import HistogramPoint, Point, SumPoint
from tidegauge.runtime import shared
from tidegauge.standing import Standing
from tidegauge.told import begin_with, untold
from tidegauge.totals import Totals

SCOPE_NAME = "tidegauge"
_SCOPE = InstrumentationScope(SCOPE_NAME)
_DELTA = AggregationTemporality.DELTA
_CUMULATIVE = AggregationTemporality.CUMULATIVE

_producers: weakref.WeakSet[Producer] = weakref.WeakSet()


def _free(name: str) -> str:
    """Return a name of its own for a reader: all processes of a launch make them in one order."""
    taken = {producer.name for producer in list(_producers)}
    numbered = (f"{name}.{number}" for number in itertools.count())
    return next(each for each in numbered if each not in taken)


def reset_all() -> None:
    """Make every producer of a forked child usable."""
    for producer in list(_producers):
        producer.reset()


class Producer:
    """Produces for one reader: one lock, one baseline.

    Parameters
    ----------
    sums, histograms
        Delta or cumulative.
    exponential
        Whether what has a fine form is given in it.
    pulled
        Whether the reader is asked by its backend. Then any process of a group answers for all;
        otherwise the leader alone exports.
    name
        What the reader is called in the processes of a group: where another takes the lead, its
        reader of this name goes on where this one has ended.
    """

    def __init__(
        self,
        *,
        sums: AggregationTemporality = _CUMULATIVE,
        histograms: AggregationTemporality = _CUMULATIVE,
        exponential: bool = False,
        pulled: bool = False,
        name: str = "reader",
    ) -> None:
        self._sums = sums
        self._histograms = histograms
        kinds = ((SumPoint, sums), (HistogramPoint, histograms))
        self._deltas = tuple(kind for kind, temporality in kinds if temporality is _DELTA)
        self._exponential = exponential
        self._pulled = pulled
        self.name: str = _free(f"{name}.{sums.name}.{histograms.name}".lower())
        self._lock = threading.Lock()
        self._counts: object = None
        self._baseline = Baseline()
        self._written = b""
        self._record = f"baseline.{self.name}"
        _producers.add(self)

    def reset(self) -> None:
        """Let go of a lock that a thread of the parent may have held: this is a forked child."""
        self._lock = threading.Lock()

    def produce(self) -> ScopeMetrics | None:
        """Return all that there is to export now; None where there is nothing."""
        found, _ = self._produce()
        return found

    def join(self, data: MetricsData | None, resource: object) -> MetricsData | None:
        """Return a provider's metrics with ours.

        They are beside the provider's, under the same resource; those of a group are under the
        group's ``service.instance.id``, for they are no process's own.
        """
        scope, whole = self._produce()
        if scope is None:
            return data
        if whole and not self._pulled:
            return with_group(data, scope, resource, group.current().instance_id)
        return with_produced(data, scope, resource)

    def _produce(self) -> tuple[ScopeMetrics | None, bool]:
        with self._lock:
            now = standing.desk().stand(None if self._pulled else self.name)
            if now is None or not math.isfinite(now.totals.start_s):
                return None, False
            if now.told:
                instance = group.current().instance_id
                left = untold(now.totals, now.told, instance, self._deltas)
                now = replace(now, totals=left)
            last = self._last_told(now)
            if not last.started:
                last = replace(last, started=in_ns(now.totals.start_s))
            # A clock that is set back must not carry the points back with it.
            time = max(last.last, last.started, in_ns(shared.clock()))
            metrics, told = self._metrics(now, last, time)
            baseline = Baseline(told, last.started, time, now.whole)
            if now.whole and not self._pulled:
                # Before it is exported: where a process is killed in between, an interval is lost,
                # which is better than one that is told twice.
                written = baseline.encode()
                if group.current().keep(self._record, written):
                    self._written = written
                elif not group.current().leads:
                    return None, True  # another does, and goes on from what was kept
                elif self._deltas:
                    # No room. They wait, for whoever leads next would tell them again.
                    metrics, baseline = list(filter(_is_no_delta, metrics)), self._baseline
            self._baseline = baseline
            return (ScopeMetrics(_SCOPE, metrics, "") if metrics else None), now.whole

    def _last_told(self, now: Standing) -> Baseline:
        """Return what this reader was told last, by whichever process."""
        counts = pipeline.current().tally
        if counts is not self._counts:  # a forked child, or the first collection
            self._counts, self._baseline, self._written = counts, Baseline(), b""
        if not now.whole or self._pulled:
            return self._baseline
        kept = group.current().surely_kept(self._record)
        if kept is None and not self._baseline.whole:
            # What was told alone the group leaves out.
            return replace(self._baseline, totals=begin_with(self._baseline.totals))
        if kept is None or kept == self._written:
            return self._baseline
        with guard.guarded("producer.baseline"):
            found = decode(kept)
            # What could not be written, on a full disk, is known here alone.
            if not (self._baseline.whole and self._baseline.last > found.last):
                return found
        return self._baseline

    def _metrics(self, now: Standing, last: Baseline, time: int) -> tuple[list[Metric], Totals]:
        grouped: dict[MetricSpec, list[Any]] = defaultdict(list)
        remembered: list[Point] = []
        for export, begin, remember in tell(now.totals, last, time, self._deltas):
            if export is not None:
                grouped[export.spec].append(self._data_point(export, begin, time))
            if remember is not None:
                remembered.append(remember)
        for gauge in now.gauges:
            named = _named(gauge.spec, gauge.attributes)
            grouped[gauge.spec].append(NumberDataPoint(named, last.started, time, gauge.value))
        metrics = [
            Metric(spec.name, spec.description, spec.unit, self._data(spec, data))
            for spec, data in grouped.items()
        ]
        return metrics, replace(now.totals, points=tuple(remembered))

    def _data(self, spec: MetricSpec, data: list[Any]) -> Any:
        if spec.kind is Kind.COUNTER:
            return Sum(data, self._sums, is_monotonic=True)
        if spec.kind is Kind.GAUGE:
            return Gauge(data)
        if spec.kind is Kind.UPDOWN:  # cumulative for every reader, as upstream has it
            return Sum(data, _CUMULATIVE, is_monotonic=False)
        if isinstance(data[0], ExponentialHistogramDataPoint):
            return ExponentialHistogram(data, self._histograms)
        return Histogram(data, self._histograms)

    def _data_point(self, point: Point, begin: int, now: int) -> Any:
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
                named, begin, now, count, float(point.total), LOG_SCALE, point.zeros,
                _buckets(point.log), Buckets(0, []), 0, low, high, exemplars,
            )  # fmt: skip
        return HistogramDataPoint(
            named, begin, now, count, float(point.total),
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


def with_group(
    data: MetricsData | None, scope: ScopeMetrics, resource: Any, instance_id: str
) -> MetricsData:
    """Return a provider's metrics, and a group's under a resource of its own."""
    others = [] if data is None else list(data.resource_metrics)
    if isinstance(resource, Resource):
        own = resource
    else:
        own = others[0].resource if others else Resource.create()
    ours = own.merge(Resource({SERVICE_INSTANCE_ID: instance_id}))
    return MetricsData([*others, ResourceMetrics(ours, [scope], own.schema_url)])


def _is_no_delta(metric: Metric) -> bool:
    return getattr(metric.data, "aggregation_temporality", None) is not _DELTA


def _named(spec: MetricSpec, values: tuple[str, ...]) -> dict[str, str]:
    return dict(zip(spec.attributes, values, strict=True))


def _buckets(log: Counter[int]) -> Buckets:
    if not log:
        return Buckets(0, [])
    low, high = min(log), max(log)
    return Buckets(low, [log[cell] for cell in range(low, high + 1)])


def _exemplar(exemplar: Exemplar) -> SdkExemplar:
    named = {
        attributes.PREDICTION_ID: exemplar.prediction_id,
        attributes.REQUEST_ID: exemplar.request_id,
        attributes.HTTP_ROUTE: exemplar.http_route,
    }
    return SdkExemplar(
        {name: value for name, value in named.items() if value},
        exemplar.value,
        int(exemplar.time_s * 1e9),
        exemplar.span_id or None,  # no span: an id of zeros would be an invalid one
        exemplar.trace_id or None,
    )

"""OpenTelemetry's MetricsData to what Datadog takes: pure but for its warnings.

What cannot be sent is left out with one warning; the rest goes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    ExponentialHistogram,
    ExponentialHistogramDataPoint,
    HistogramDataPoint,
    Metric,
    MetricsData,
    Sum,
)
from opentelemetry.sdk.metrics.export import Gauge as GaugeData
from opentelemetry.sdk.metrics.export import Histogram as HistogramData
from tidegauge import guard
from tidegauge.producer import SCOPE_NAME

from tidegauge_exporter_datadog.naming import attribute_tags, metric_name
from tidegauge_exporter_datadog.points import Count, Distribution, Gauge, Point, Tags
from tidegauge_exporter_datadog.spread import of_exponential, of_histogram
from tidegauge_exporter_datadog.unified import UnifiedTags

_DELTA = AggregationTemporality.DELTA


def points(
    data: MetricsData,
    unified: UnifiedTags,
    now_s: float,
    of_app: Mapping[str, str] | None = None,
) -> list[Point]:
    """Return what a reader collected as points.

    Parameters
    ----------
    data : MetricsData
        Delta temporality: what counters and histograms saw since they were last collected.
    unified : UnifiedTags
        Makes the tags that all points of a resource have.
    now_s : float
        Unix seconds. No point is later: Datadog refuses what comes from the future, and where a
        clock was set back, what is collected keeps the later time.
    of_app : mapping, optional
        Tags by their keys of what is not Tidegauge's own.
    """
    found: list[Point] = []
    gauges: set[tuple[str, Tags]] = set()
    for resource in data.resource_metrics:
        constant = unified.of(resource.resource.attributes)
        for scope in resource.scope_metrics:
            own = scope.scope.name == SCOPE_NAME
            tags = constant if own else {**constant, **(of_app or {})}
            for metric in scope.metrics:
                try:
                    made = list(_points(metric, tags, now_s))
                except Exception as error:
                    _leave_out(metric, scope.scope.name, f"{type(error).__name__}: {error}")
                    continue
                for point in made:
                    if isinstance(point, Gauge):
                        key = (point.name, point.tags)
                        if key in gauges:
                            _leave_out(metric, scope.scope.name, "two gauges become one in Datadog")
                            continue
                        gauges.add(key)
                    found.append(point)
    return found


def _points(metric: Metric, constant: Mapping[str, str], now_s: float) -> Iterator[Point]:
    name = metric_name(metric.name)
    data = metric.data
    adds = isinstance(data, Sum) and data.is_monotonic
    if not isinstance(data, GaugeData | Sum | HistogramData | ExponentialHistogram):
        raise TypeError(f"data of type {type(data).__name__} has no form in Datadog")
    changes = adds or isinstance(data, HistogramData | ExponentialHistogram)
    if changes and getattr(data, "aggregation_temporality", _DELTA) != _DELTA:
        raise ValueError("cumulative temporality; Datadog needs delta values")
    for point in data.data_points:
        tags = _tags(point.attributes or {}, constant)
        at_s = min(point.time_unix_nano / 1e9, now_s)
        if isinstance(point, HistogramDataPoint | ExponentialHistogramDataPoint):
            values, counts = _seen(point)
            if values:
                yield Distribution(name, values, counts, tags, at_s)
        elif not math.isfinite(point.value):
            guard.once(
                "datadog.not_finite",
                "metric %r: got %s; expected a number. It is left out, and so are others like it. "
                "Let its callback return nothing where there is no value.",
                name,
                point.value,
            )
        elif not adds:
            yield Gauge(name, float(point.value), tags, at_s)
        elif point.value:
            since_s = point.time_unix_nano / 1e9 - (point.start_time_unix_nano or 0) / 1e9
            yield Count(name, float(point.value), tags, max(since_s, 0.0), at_s)


def _seen(point: Any) -> tuple[tuple[float, ...], tuple[int, ...]]:
    seen = (
        of_exponential(point)
        if isinstance(point, ExponentialHistogramDataPoint)
        else of_histogram(point)
    )
    finite = [(value, count) for value, count in seen if math.isfinite(value)]
    return tuple(value for value, _ in finite), tuple(count for _, count in finite)


def _tags(attributes: Mapping[str, object], constant: Mapping[str, str]) -> Tags:
    own = attribute_tags(attributes)
    taken = {each.partition(":")[0] for each in own}
    rest: Sequence[str] = [each for key, each in constant.items() if key not in taken]
    return (*own, *rest)


def _leave_out(metric: Metric, scope: str, why: str) -> None:
    guard.once(
        f"datadog.skip.{metric.name}",
        "metric %r of scope %r: %s. It is left out of what goes to Datadog; rename it or drop it "
        "with a View.",
        metric.name,
        scope,
        why,
    )

"""What is muted has a tag: a monitor leaves it out by a filter.

In Datadog no formula can say "where there is no such series": where nothing is muted it would have
no value, and its monitor would never alert.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from opentelemetry.sdk.metrics.export import Gauge, Metric, MetricsData, ScopeMetrics
from tidegauge.producer import SCOPE_NAME
from tidegauge_semconv import attributes as a
from tidegauge_semconv.metrics import DRIFT_MUTED

#: The tag of what is muted.
KEY, VALUE = "muted", "true"


def mark(data: MetricsData) -> MetricsData:
    """Return what a reader collected; what is said of a muted feature or family has the tag."""
    own = {
        id(scope) for each in data.resource_metrics for scope in each.scope_metrics if _is(scope)
    }
    muted = list(_muted(data, own))
    if not muted:
        return data
    return MetricsData(
        [
            replace(
                resource,
                scope_metrics=[
                    replace(scope, metrics=[_marked(each, muted) for each in scope.metrics])
                    if id(scope) in own
                    else scope
                    for scope in resource.scope_metrics
                ],
            )
            for resource in data.resource_metrics
        ]
    )


def _is(scope: ScopeMetrics) -> bool:
    return scope.scope.name == SCOPE_NAME


def _muted(data: MetricsData, own: set[int]) -> Iterator[Mapping[str, Any]]:
    for resource in data.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics if id(scope) in own else ():
                if metric.name == DRIFT_MUTED.name:
                    found: Any = metric.data
                    yield from (each.attributes for each in found.data_points if each.value)


def _is_about(muted: Mapping[str, Any], there: Mapping[str, Any]) -> bool:
    """Tell whether a mute can be about a metric: of a whole reference, or of its features."""
    if a.FEATURE in there:
        return True
    return muted.get(a.FAMILY) == a.OF_REFERENCE and (a.WINDOW in there or not muted.get(a.WINDOW))


def _marked(metric: Metric, muted: list[Mapping[str, Any]]) -> Metric:
    found: Any = metric.data
    if not isinstance(found, Gauge) or not found.data_points or metric.name == DRIFT_MUTED.name:
        return metric
    there: Mapping[str, Any] = found.data_points[0].attributes or {}
    # Bins are of all rows, muted or not.
    if a.REFERENCE not in there or a.BIN in there:
        return metric
    shared = [key for key in DRIFT_MUTED.attributes if key in there]
    silent = {tuple(each.get(key) for key in shared) for each in muted if _is_about(each, there)}
    points: list[Any] = []
    for point in found.data_points:
        named: Mapping[str, Any] = point.attributes or {}
        is_muted = tuple(named.get(key) for key in shared) in silent
        points.append(replace(point, attributes={**named, KEY: VALUE}) if is_muted else point)
    return replace(metric, data=replace(found, data_points=points))

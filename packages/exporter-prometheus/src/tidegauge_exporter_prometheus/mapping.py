"""OpenTelemetry's MetricsData to aggregates: pure but for its warnings.

What cannot be shown is left out with one warning; the scrape goes on.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    ExponentialHistogram,
    ExponentialHistogramDataPoint,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    Sum,
)
from prometheus_client.samples import Exemplar, Timestamp
from tidegauge import guard
from tidegauge.exact import Exact
from tidegauge_semconv import Kind
from tidegauge_semconv.attributes import HTTP_ROUTE, PREDICTION_ID, REQUEST_ID

from tidegauge_exporter_prometheus.aggregates import Aggregate, Collection, Value, rule_of
from tidegauge_exporter_prometheus.buckets import Buckets, of_exponential, of_histogram
from tidegauge_exporter_prometheus.families import Claims
from tidegauge_exporter_prometheus.naming import family_name, label_name, unit_suffix

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import ScopeMetrics
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

#: The scope of Tidegauge's own metrics.
OWN_SCOPE = "tidegauge"

# Not UTF-8 (lone surrogates), or the end of the text to some parsers (NUL).
_UNWRITABLE = re.compile("[\x00\ud800-\udfff]")
_REPLACEMENT = "\ufffd"

# OpenMetrics: all names and values of an exemplar's labels together.
_EXEMPLAR_CHARACTERS = 128
# What an exemplar says beside its span, the most telling first: the access log has the request's
# id, and few other requests have it too.
_EXEMPLAR_LABELS = (REQUEST_ID, PREDICTION_ID, HTTP_ROUTE)


def collection(data: MetricsData | None) -> Collection:
    """Return what a reader collected in the form that is shown and merged."""
    resources = data.resource_metrics if data is not None else ()
    target: dict[str, str] = {}
    own: list[ScopeMetrics] = []
    others: list[ScopeMetrics] = []
    for resource in resources:
        target.update(_labels(resource.resource.attributes))
        for scope in resource.scope_metrics:
            (own if scope.scope.name == OWN_SCOPE else others).append(scope)
    return Collection(target if resources else None, _aggregates(own), _aggregates(others))


def _aggregates(scopes: Iterable[ScopeMetrics]) -> tuple[Aggregate, ...]:
    """Return the families of scopes of one process; where two want one name, the first has it."""
    claims = Claims()
    found: dict[str, Aggregate] = {}
    for scope in scopes:
        own = scope.scope.name == OWN_SCOPE
        labels = {} if own else _scope_labels(scope.scope)
        for metric in scope.metrics:
            try:
                _add(found, claims, _aggregate(metric, labels, scope.scope.name))
            except Exception as error:
                guard.once(
                    f"prometheus.skip.{clean(str(metric.name))}",
                    "metric %s: %s: %s. It is left out of the Prometheus endpoint; "
                    "rename it or drop it with a View.",
                    _source(metric, scope.scope.name),
                    type(error).__name__,
                    error,
                )
    return tuple(found.values())


def clean(text: str) -> str:
    """Return text that can be written as UTF-8; what cannot be becomes U+FFFD."""
    if text.isascii() and "\x00" not in text:
        return text
    return _UNWRITABLE.sub(_REPLACEMENT, text)


def _add(found: dict[str, Aggregate], claims: Claims, aggregate: Aggregate) -> None:
    known = found.get(aggregate.name)
    if known is not None and known.kind is aggregate.kind:
        known.join(aggregate)
    elif claims.claim(aggregate.name, aggregate.kind.value):
        found[aggregate.name] = aggregate
    else:
        raise ValueError(f"another metric already has the Prometheus name {aggregate.name!r}")


def _source(metric: Metric, scope: str) -> str:
    return f"{clean(str(metric.name))!r} of scope {clean(str(scope))!r}"


def _aggregate(metric: Metric, scope_labels: Mapping[str, str], scope: str) -> Aggregate:
    kind = _kind(metric)
    unit = metric.unit or ""
    aggregate = Aggregate(
        family_name(metric.name, unit, kind),
        kind,
        rule_of(metric.name, kind, adds=isinstance(metric.data, Sum)),
        unit_suffix(unit),
        clean(metric.description or ""),
        _source(metric, scope),
    )
    for own_labels, value in _series(metric, kind):
        labels = {**scope_labels, **own_labels}
        # An empty label is an absent one to Prometheus.
        key = tuple(sorted(item for item in labels.items() if item[1]))
        aggregate.keys.update(labels)
        aggregate.put(key, value)
    return aggregate


def _kind(metric: Metric) -> Kind:
    data = metric.data
    if isinstance(data, Gauge):
        return Kind.GAUGE
    if not isinstance(data, Sum | Histogram | ExponentialHistogram):
        raise TypeError(f"data of type {type(data).__name__} has no Prometheus form")
    if data.aggregation_temporality != AggregationTemporality.CUMULATIVE:
        raise ValueError("delta temporality; Prometheus needs cumulative values")
    if isinstance(data, Sum):
        return Kind.COUNTER if data.is_monotonic else Kind.GAUGE
    return Kind.HISTOGRAM


def _series(metric: Metric, kind: Kind) -> Iterator[tuple[dict[str, str], Value]]:
    for point in metric.data.data_points:
        labels = _labels(point.attributes or {})
        if isinstance(point, NumberDataPoint):
            value = float(point.value)
            if math.isnan(value):
                continue  # no data is no point
            if kind is Kind.COUNTER and value < 0:
                raise ValueError("a counter below 0")
            yield labels, Exact((value,))
            continue
        if "le" in labels:
            labels["exported_le"] = labels.pop("le")
        yield labels, replace(_buckets(point), exemplars=tuple(_exemplars(point)))


def _buckets(point: HistogramDataPoint | ExponentialHistogramDataPoint) -> Buckets:
    if isinstance(point, HistogramDataPoint):
        return of_histogram(point)
    return of_exponential(point)


def _exemplars(point: HistogramDataPoint | ExponentialHistogramDataPoint) -> Iterator[Exemplar]:
    for exemplar in point.exemplars or ():
        labels: dict[str, str] = {}
        if exemplar.trace_id:
            labels["trace_id"] = f"{exemplar.trace_id:032x}"
        if exemplar.span_id:
            labels["span_id"] = f"{exemplar.span_id:016x}"
        left = _EXEMPLAR_CHARACTERS - sum(map(len, (*labels, *labels.values())))
        for name in _EXEMPLAR_LABELS:
            text = _value((exemplar.filtered_attributes or {}).get(name, ""))
            # What does not fit is left out, for a part of it leads nowhere.
            if text and len(name) + len(text) <= left:
                labels[name] = text
                left -= len(name) + len(text)
        if labels and math.isfinite(exemplar.value):
            at = Timestamp(*divmod(exemplar.time_unix_nano, 1_000_000_000))
            yield Exemplar(labels, float(exemplar.value), at)


def _scope_labels(scope: InstrumentationScope) -> dict[str, str]:
    attributes = getattr(scope, "attributes", None) or {}
    return _labels({f"otel_scope_{key}": value for key, value in attributes.items()}) | {
        "otel_scope_name": clean(scope.name or ""),
        "otel_scope_version": clean(scope.version or ""),
        "otel_scope_schema_url": clean(scope.schema_url or ""),
    }


def _labels(attributes: Mapping[str, object]) -> dict[str, str]:
    """Return labels; keys that become one label are joined, in the order of the keys."""
    labels = {label_name(key): _value(value) for key, value in attributes.items()}
    if len(labels) == len(attributes):
        return labels
    labels = {}
    for key in sorted(attributes):
        label, value = label_name(key), _value(attributes[key])
        labels[label] = f"{labels[label]};{value}" if label in labels else value
    return labels


def _value(value: object) -> str:
    return clean(value if isinstance(value, str) else json.dumps(value, default=str))

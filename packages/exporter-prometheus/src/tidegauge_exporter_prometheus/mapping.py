"""OpenTelemetry's MetricsData to Prometheus metric families: pure but for its warnings.

What cannot be shown is left out with one warning; the scrape goes on.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
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
from prometheus_client import Metric as Family
from prometheus_client.samples import Exemplar, Sample, Timestamp
from tidegauge import guard
from tidegauge_semconv import Kind
from tidegauge_semconv.attributes import PREDICTION_ID

from tidegauge_exporter_prometheus.buckets import Buckets, le_strings, of_exponential, of_histogram
from tidegauge_exporter_prometheus.naming import TOTAL, family_name, label_name, unit_suffix

if TYPE_CHECKING:
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

#: The scope of Tidegauge's own metrics.
OWN_SCOPE = "tidegauge"

# Not UTF-8 (lone surrogates), or the end of the text to some parsers (NUL).
_UNWRITABLE = re.compile("[\x00\ud800-\udfff]")
_REPLACEMENT = "\ufffd"

# OpenMetrics: all names and values of an exemplar's labels together.
_EXEMPLAR_CHARACTERS = 128

# Every name that a family may use in either format, so that no two families share one.
_SUFFIXES: Mapping[str, tuple[str, ...]] = {
    "counter": ("", TOTAL, "_created"),
    "gauge": ("",),
    "histogram": ("", "_bucket", "_count", "_sum", "_created"),
    "info": ("", "_info"),
}

_Labels = dict[str, str]
_Series = tuple[_Labels, float | Buckets, Mapping[int, Exemplar]]


def families(collected: Sequence[MetricsData], extra: Iterable[Family] = ()) -> list[Family]:
    """Return the families of what one or more readers collected.

    Tidegauge's own metrics come first, so that no other instrument can take their names; they are
    the same for every reader of a process, so only the first reader's count. ``extra`` families
    follow where their names are free.
    """
    result = _Families()
    result.add_target(collected)
    scopes = [
        scope
        for data in collected
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
    ]
    own = _first_own(collected)
    for metric in own:
        result.add(metric, {}, OWN_SCOPE)
    for scope_metrics in scopes:
        if scope_metrics.scope.name != OWN_SCOPE:
            for metric in scope_metrics.metrics:
                result.add(metric, _scope_labels(scope_metrics.scope), scope_metrics.scope.name)
    return [
        *result.build(),
        *(family for family in extra if result.claim(family.name, family.type)),
    ]


def clean(text: str) -> str:
    """Return text that can be written as UTF-8; what cannot be becomes U+FFFD."""
    return _UNWRITABLE.sub(_REPLACEMENT, text)


def _first_own(collected: Sequence[MetricsData]) -> list[Metric]:
    for data in collected:
        found = [
            metric
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            if scope.scope.name == OWN_SCOPE
            for metric in scope.metrics
        ]
        if found:
            return found
    return []


@dataclass(slots=True)
class _Family:
    """One family while its series come together; labels are made equal at the end."""

    name: str
    kind: str
    unit: str
    documentation: str
    series: list[_Series] = field(default_factory=list)
    seen: set[tuple[tuple[str, str], ...]] = field(default_factory=set)

    def build(self) -> Family:
        family = Family(self.name, self.documentation, self.kind, self.unit)
        keys = sorted({key for labels, _, _ in self.series for key in labels})
        for labels, value, exemplars in self.series:
            full = {key: labels.get(key, "") for key in keys}
            if isinstance(value, Buckets):
                family.samples.extend(_histogram_samples(self.name, full, value, exemplars))
            else:
                name = self.name + TOTAL if self.kind == "counter" else self.name
                family.samples.append(Sample(name, full, value))
        return family


class _Families:
    """All families of one scrape, by name."""

    def __init__(self) -> None:
        self._families: dict[str, _Family] = {}
        self._claims: set[str] = set()
        self._target: Family | None = None

    def add_target(self, collected: Sequence[MetricsData]) -> None:
        """Describe the process by its resource, as upstream does."""
        resources = [resource for data in collected for resource in data.resource_metrics]
        if not resources:
            return
        self._target = Family("target", "Target metadata", "info")
        labels: _Labels = {}
        for resource in resources:
            labels.update(_labels(resource.resource.attributes))
        self.claim("target", "info")
        self._target.samples.append(Sample("target_info", labels, 1.0))

    def add(self, metric: Metric, scope_labels: _Labels, scope: str) -> None:
        """Take in one metric whole, or leave it out whole."""
        try:
            self._add(metric, scope_labels)
        except Exception as error:
            guard.once(
                f"prometheus.skip.{clean(str(metric.name))}",
                "metric %r of scope %r: %s: %s. It is left out of the Prometheus endpoint; "
                "rename it or drop it with a View.",
                metric.name,
                scope,
                type(error).__name__,
                error,
            )

    def claim(self, name: str, kind: str) -> bool:
        """Reserve a family's names; False where one of them is taken."""
        names = [name + suffix for suffix in _SUFFIXES.get(kind, ("",))]
        if not self._claims.isdisjoint(names):
            return False
        self._claims.update(names)
        return True

    def build(self) -> Iterator[Family]:
        if self._target is not None:
            yield self._target
        for family in self._families.values():
            if family.series:
                yield family.build()

    def _add(self, metric: Metric, scope_labels: _Labels) -> None:
        kind = _kind(metric)
        unit = metric.unit or ""
        name = family_name(metric.name, unit, kind)
        series = list(_series(metric, kind, scope_labels))
        family = self._families.get(name)
        if family is None or family.kind != kind.value:
            if not self.claim(name, kind.value):
                raise ValueError(f"another metric already has the Prometheus name {name!r}")
            suffix = unit_suffix(unit)
            family = _Family(name, kind.value, suffix, clean(metric.description or ""))
            self._families[name] = family
        for item in series:
            # An empty label is an absent one to Prometheus.
            key = tuple(sorted((k, v) for k, v in item[0].items() if v))
            if key in family.seen:
                guard.once(
                    f"prometheus.duplicate.{name}",
                    "metric %r: two series have the same labels; the first is shown. "
                    "Use attribute keys that differ in letters or digits.",
                    metric.name,
                )
                continue
            family.seen.add(key)
            family.series.append(item)


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


def _series(metric: Metric, kind: Kind, scope_labels: _Labels) -> Iterator[_Series]:
    for point in metric.data.data_points:
        labels = scope_labels | _labels(point.attributes or {})
        if isinstance(point, NumberDataPoint):
            value = float(point.value)
            if math.isnan(value):
                continue  # no data is no point
            if kind is Kind.COUNTER and value < 0:
                raise ValueError("a counter below 0")
            yield labels, value, {}
            continue
        if "le" in labels:
            labels["exported_le"] = labels.pop("le")
        buckets = _buckets(point)
        yield labels, buckets, _exemplars(point, buckets)


def _buckets(point: HistogramDataPoint | ExponentialHistogramDataPoint) -> Buckets:
    if isinstance(point, HistogramDataPoint):
        return of_histogram(point)
    return of_exponential(point)


def _histogram_samples(
    name: str, labels: _Labels, buckets: Buckets, exemplars: Mapping[int, Exemplar]
) -> Iterator[Sample]:
    for index, le in enumerate(le_strings(buckets.bounds)):
        count = float(buckets.counts[index])
        yield Sample(f"{name}_bucket", {**labels, "le": le}, count, None, exemplars.get(index))
    # prometheus_client's own family class leaves the count out with the sum.
    yield Sample(f"{name}_count", labels, float(buckets.counts[-1]))
    if buckets.sum is not None:
        yield Sample(f"{name}_sum", labels, buckets.sum)


def _exemplars(
    point: HistogramDataPoint | ExponentialHistogramDataPoint, buckets: Buckets
) -> dict[int, Exemplar]:
    """Return the newest exemplar of each bucket: the format has room for one."""
    found: dict[int, Exemplar] = {}
    for exemplar in sorted(point.exemplars or (), key=lambda item: item.time_unix_nano):
        labels: _Labels = {}
        if exemplar.trace_id:
            labels["trace_id"] = f"{exemplar.trace_id:032x}"
        if exemplar.span_id:
            labels["span_id"] = f"{exemplar.span_id:016x}"
        prediction = (exemplar.filtered_attributes or {}).get(PREDICTION_ID)
        if prediction is not None:
            text = _value(prediction)
            used = sum(len(key) + len(value) for key, value in labels.items())
            if used + len(PREDICTION_ID) + len(text) <= _EXEMPLAR_CHARACTERS:
                labels[PREDICTION_ID] = text
        if not labels or not math.isfinite(exemplar.value):
            continue
        at = Timestamp(*divmod(exemplar.time_unix_nano, 1_000_000_000))
        found[buckets.index(exemplar.value)] = Exemplar(labels, float(exemplar.value), at)
    return found


def _scope_labels(scope: InstrumentationScope) -> _Labels:
    attributes = getattr(scope, "attributes", None) or {}
    return _labels({f"otel_scope_{key}": value for key, value in attributes.items()}) | {
        "otel_scope_name": clean(scope.name or ""),
        "otel_scope_version": clean(scope.version or ""),
        "otel_scope_schema_url": clean(scope.schema_url or ""),
    }


def _labels(attributes: Mapping[str, object]) -> _Labels:
    """Return labels; keys that become one label are joined, in the order of the keys."""
    labels: _Labels = {}
    for key in sorted(attributes):
        label, value = label_name(key), _value(attributes[key])
        labels[label] = f"{labels[label]};{value}" if label in labels else value
    return labels


def _value(value: object) -> str:
    return clean(value if isinstance(value, str) else json.dumps(value, default=str))

"""Custom metrics are money: of a model's features, the top few have gauges in Datadog.

What is said of the whole model always goes there, so that no alarm is missed for it: how many
features have drifted, and whether a family has.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from opentelemetry.sdk.metrics.export import Gauge, Metric, MetricsData, ScopeMetrics
from tidegauge.producer import SCOPE_NAME
from tidegauge.top import choose
from tidegauge_semconv import attributes as a
from tidegauge_semconv import metrics as m

#: A model: its name and version.
_Model: TypeAlias = tuple[str, str]

# What features are ranked by, the most telling first. Each is not negative.
_RANKED_BY = (
    m.DRIFT_DETECTED.name,
    m.DRIFT_PSI_VALUE.name,
    m.DRIFT_KS_STATISTIC.name,
    m.DRIFT_JS_DISTANCE.name,
    m.DRIFT_KL_DIVERGENCE.name,
)
# Bins are asked for with a setting, and only all of them add up to something.
_ALWAYS = frozenset({m.DRIFT_REFERENCE_BIN_RATIO.name})


class FeatureBudget:
    """Leaves out the gauges of all features but the top ones of each model.

    A feature stays until it has been far outside for ten new verdicts.
    """

    def __init__(self, max_features: int) -> None:
        self._max_features = max_features
        self._ranks: dict[_Model, dict[str, list[float]]] = {}
        self._members: dict[_Model, dict[str, int]] = {}

    def trim(self, data: MetricsData) -> MetricsData:
        """Return what a reader collected without the gauges of other features."""
        ranks = _ranks(data)
        members: dict[_Model, dict[str, int]] = {}
        for model, features in ranks.items():
            before = self._members.get(model, {})
            # The same once more is no new verdict: readers export more often than windows close.
            same = self._ranks.get(model) == features
            members[model] = before if same else self._choose(features, before)
        self._ranks, self._members = ranks, members
        if all(len(members[model]) == len(features) for model, features in ranks.items()):
            return data
        return _without(data, members)

    def _choose(
        self, features: Mapping[str, list[float]], members: Mapping[str, int]
    ) -> dict[str, int]:
        ranked = sorted(features, key=lambda name: ([-each for each in features[name]], name))
        return choose(ranked, self._max_features, members)


def _ranks(data: MetricsData) -> dict[_Model, dict[str, list[float]]]:
    """Return the greatest value, over all windows, of each thing that a feature is ranked by."""
    found: defaultdict[_Model, dict[str, list[float]]] = defaultdict(dict)
    for scope in _own(data):
        for metric in scope.metrics:
            place = _RANKED_BY.index(metric.name) if metric.name in _RANKED_BY else None
            for model, feature, point in _of_features(metric):
                values = found[model].setdefault(feature, [-1.0] * len(_RANKED_BY))
                if place is not None:
                    values[place] = max(values[place], point.value)
    return dict(found)


def _without(data: MetricsData, members: Mapping[_Model, Mapping[str, int]]) -> MetricsData:
    own = {id(scope) for scope in _own(data)}
    return MetricsData(
        [
            replace(
                resource,
                scope_metrics=[
                    _thinned(scope, members) if id(scope) in own else scope
                    for scope in resource.scope_metrics
                ],
            )
            for resource in data.resource_metrics
        ]
    )


def _thinned(scope: ScopeMetrics, members: Mapping[_Model, Mapping[str, int]]) -> ScopeMetrics:
    left_out = {
        id(point)
        for metric in scope.metrics
        for model, feature, point in _of_features(metric)
        if feature not in members[model]
    }
    kept = []
    for metric in scope.metrics:
        data: Any = metric.data
        points = [point for point in data.data_points if id(point) not in left_out]
        if len(points) == len(data.data_points):
            kept.append(metric)
        elif points:
            kept.append(replace(metric, data=replace(data, data_points=points)))
    return replace(scope, metrics=kept)


def _own(data: MetricsData) -> Iterator[ScopeMetrics]:
    for resource in data.resource_metrics:
        yield from (each for each in resource.scope_metrics if each.scope.name == SCOPE_NAME)


def _of_features(metric: Metric) -> Iterator[tuple[_Model, str, Any]]:
    """Yield the gauges of single features: the model, the feature, the point."""
    if not isinstance(metric.data, Gauge) or metric.name in _ALWAYS:
        return
    points: Sequence[Any] = metric.data.data_points
    for point in points:
        feature = point.attributes.get(a.FEATURE)
        if feature:
            named = point.attributes
            yield (named.get(a.MODEL_NAME, ""), named.get(a.MODEL_VERSION, "")), feature, point

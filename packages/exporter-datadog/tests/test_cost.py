"""Which features have gauges in Datadog: the top few of each model, and everything of the model."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from tidegauge_exporter_datadog.cost import FeatureBudget
from tidegauge_semconv import MetricSpec, metrics

Values = dict[str, float]


def metric(spec: MetricSpec, values: Values, model: str = "fraud", **more: str) -> Metric:
    """Return a metric with a point for each feature."""
    points = [
        NumberDataPoint({"model_name": model, "model_version": "3", "feature": f, **more}, 1, 2, v)
        for f, v in values.items()
    ]
    data: Any = Gauge(points)
    if spec is metrics.MODEL_FEATURE_BIN:
        data = Sum(points, AggregationTemporality.DELTA, is_monotonic=True)
    return Metric(spec.name, "", "", data)


def collected(*found: Metric, scope: str = "tidegauge") -> MetricsData:
    """Return what a reader collects."""
    scopes = [ScopeMetrics(InstrumentationScope(scope), list(found), "")]
    return MetricsData([ResourceMetrics(Resource({}), scopes, "")])


def shown(data: MetricsData, spec: MetricSpec, model: str = "fraud") -> set[str]:
    """Return the features that have a point."""
    return {
        str((point.attributes or {})["feature"])
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for each in scope.metrics
        for point in each.data.data_points
        if each.name == spec.name and (point.attributes or {})["model_name"] == model
    }


def psi(**values: float) -> Metric:
    """Return PSI of features."""
    return metric(metrics.DRIFT_PSI_VALUE, values)


def test_the_top_features_have_all_their_gauges() -> None:
    """Alarms first, then PSI; statistics of the others are left out as well."""
    data = collected(
        psi(a=0.1, b=0.9, c=0.5, d=0.4),
        metric(metrics.DRIFT_DETECTED, {"": 1.0, "a": 1.0, "b": 0.0}),
        metric(metrics.DRIFT_KS_STATISTIC, {"a": 0.1, "d": 0.9}),
        metric(metrics.DRIFT_EFFECTIVE_ROWS, {"c": 1.0}),
    )
    found = FeatureBudget(2).trim(data)
    assert {"a", "b"} == shown(found, metrics.DRIFT_PSI_VALUE)
    assert {"", "a", "b"} == shown(found, metrics.DRIFT_DETECTED)
    assert {"a"} == shown(found, metrics.DRIFT_KS_STATISTIC)
    assert set() == shown(found, metrics.DRIFT_EFFECTIVE_ROWS)


def test_of_a_model_with_few_features_all_are_shown() -> None:
    """What was collected is handed on as it is."""
    data = collected(psi(a=0.1, b=0.9))
    assert FeatureBudget(2).trim(data) is data


def test_each_model_has_its_own_room() -> None:
    """One that drifts does not take it from another."""
    data = collected(
        psi(a=0.9, b=0.8), metric(metrics.DRIFT_PSI_VALUE, {"a": 0.1, "c": 0.2}, "churn")
    )
    found = FeatureBudget(1).trim(data)
    assert {"a"} == shown(found, metrics.DRIFT_PSI_VALUE)
    assert {"c"} == shown(found, metrics.DRIFT_PSI_VALUE, "churn")


def test_no_features_at_all() -> None:
    """What is said of the model goes."""
    data = collected(psi(a=0.9), metric(metrics.DRIFT_DETECTED, {"": 1.0, "a": 1.0}))
    found = FeatureBudget(0).trim(data)
    assert set() == shown(found, metrics.DRIFT_PSI_VALUE)
    assert {""} == shown(found, metrics.DRIFT_DETECTED)


def test_a_feature_stays_while_it_is_near() -> None:
    """The same verdict, exported again and again, is no reason to go."""
    budget = FeatureBudget(1)
    budget.trim(collected(psi(a=0.9, b=0.8, c=0.7, d=0.6)))
    later = collected(psi(a=0.1, b=0.8, c=0.7, d=0.6))
    for _ in range(50):
        assert {"a"} == shown(budget.trim(later), metrics.DRIFT_PSI_VALUE)
    for turn in range(1, 10):
        new = collected(psi(a=0.1, b=0.8 + turn / 100, c=0.7, d=0.6))
        found = shown(budget.trim(new), metrics.DRIFT_PSI_VALUE)
    assert {"b"} == found


def test_bins_that_were_asked_for_are_all_there() -> None:
    """Half of them add up to nothing."""
    values = {f"f{i}": 1.0 for i in range(5)}
    data = collected(
        metric(metrics.MODEL_FEATURE_BIN, values, bin="1"),
        metric(metrics.DRIFT_REFERENCE_BIN_RATIO, values, bin="1"),
        metric(metrics.DRIFT_PSI_VALUE, values),
    )
    found = FeatureBudget(1).trim(data)
    assert 5 == len(shown(found, metrics.MODEL_FEATURE_BIN))
    assert 5 == len(shown(found, metrics.DRIFT_REFERENCE_BIN_RATIO))
    assert 1 == len(shown(found, metrics.DRIFT_PSI_VALUE))


def test_the_apps_own_instruments_are_its_own() -> None:
    """It may have an attribute of that name."""
    data = collected(psi(a=0.1, b=0.9), scope="app")
    assert FeatureBudget(0).trim(data) is data


RANKS = st.dictionaries(st.sampled_from("abcdefgh"), st.floats(0, 5), max_size=8)


@given(st.lists(RANKS, max_size=12), st.integers(0, 4))
def test_never_more_than_the_budget(exports: list[Values], most: int) -> None:
    """Whatever drifts, comes and goes; and no room is left unused."""
    budget = FeatureBudget(most)
    for values in exports:
        found = shown(budget.trim(collected(psi(**values))), metrics.DRIFT_PSI_VALUE)
        assert found <= set(values)
        assert min(most, len(values)) == len(found)


@pytest.mark.parametrize("most", [0, 1])
def test_nothing_collected(most: int) -> None:
    """Nothing is left of nothing."""
    data = MetricsData([])
    assert FeatureBudget(most).trim(data) is data

"""What is muted has a tag, by the attributes that it shares with what mutes it."""

from __future__ import annotations

from typing import Any

from opentelemetry.sdk.metrics.export import (
    Gauge,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from tidegauge_exporter_datadog.mapping import points
from tidegauge_exporter_datadog.muted import mark
from tidegauge_exporter_datadog.unified import UnifiedTags
from tidegauge_semconv import MetricSpec, metrics
from tidegauge_semconv import attributes as a

MODEL = {"model_name": "fraud", "model_version": "3", "reference": "ab12", "window": "1d"}


def gauge(spec: MetricSpec, *rows: dict[str, str], value: float = 1.0) -> Metric:
    """Return a metric with a point for each row of attributes."""
    found: list[Any] = [NumberDataPoint({**MODEL, **row}, 1, 2, value) for row in rows]
    return Metric(spec.name, "", "", Gauge(found))


def collected(*found: Metric, scope: str = "tidegauge") -> MetricsData:
    """Return what a reader collects."""
    scopes = [ScopeMetrics(InstrumentationScope(scope), list(found), "")]
    return MetricsData([ResourceMetrics(Resource({}), scopes, "")])


def marked(data: MetricsData) -> list[str]:
    """Return the features, or families, of the series that Datadog gets with the tag."""
    found = []
    for point in points(mark(data), UnifiedTags(), 1.0):
        tags = dict(each.split(":", 1) for each in point.tags)
        if tags.get("muted") == "true":
            found.append(f"{point.name} {tags.get('feature', tags.get('family'))}")
    return found


DETECTED = gauge(
    metrics.DRIFT_DETECTED,
    {"feature": "amount", "family": "inputs"},
    {"feature": "age", "family": "inputs"},
    {"feature": "", "family": "inputs"},
    {"feature": "", "family": "outputs"},
)
PSI = gauge(metrics.DRIFT_PSI_VALUE, {"feature": "amount"}, {"feature": "age"})


def test_without_a_mute_nothing_changes() -> None:
    """The same object goes on: this is the way of every export."""
    data = collected(DETECTED, PSI)
    assert data is mark(data)
    over = collected(
        DETECTED, gauge(metrics.DRIFT_MUTED, {"feature": "age", "family": "inputs"}, value=0.0)
    )
    assert over is mark(over)


def test_a_muted_feature_and_family_have_the_tag() -> None:
    """Of other families, features and windows, and of bins, nothing has it; what mutes stays."""
    muted = gauge(
        metrics.DRIFT_MUTED,
        {"feature": "amount", "family": "inputs"},
        {"feature": "", "family": "inputs"},
        {"feature": "age", "family": "inputs", "window": "1000rows"},
    )
    bins = gauge(metrics.DRIFT_REFERENCE_BIN_RATIO, {"feature": "amount", "bin": "3"})
    rows = gauge(metrics.DRIFT_WINDOW_ROWS, {})
    data = collected(DETECTED, PSI, bins, rows, muted)
    assert [
        "drift.detected amount",
        "drift.detected inputs",
        "drift.psi.value amount",
    ] == marked(data)
    sent = points(mark(data), UnifiedTags(), 1.0)
    assert 3 == sum(point.name == metrics.DRIFT_MUTED.name for point in sent)
    assert len(sent) == len(points(data, UnifiedTags(), 1.0))


def test_what_is_said_of_a_reference_has_the_tag_with_the_whole_model() -> None:
    """Its age where all windows are muted; a family or a feature that is muted is not enough."""
    age = Metric(metrics.DRIFT_REFERENCE_AGE.name, "", "", Gauge([_of_reference(5.0)]))
    states = gauge(metrics.DRIFT_FEATURES, {"state": "reference_mismatch"}, {"window": "1000rows"})

    def silent(*rows: dict[str, str]) -> set[str]:
        data = mark(collected(age, states, gauge(metrics.DRIFT_MUTED, *rows)))
        sent = points(data, UnifiedTags(), 1.0)
        return {each.name for each in sent if "muted:true" in each.tags}

    whole = {"feature": "", "family": a.OF_REFERENCE}
    assert set() == silent({"feature": "", "family": "inputs"}, {"feature": "age", "family": ""})
    assert {metrics.DRIFT_FEATURES.name} == silent(whole)
    assert {metrics.DRIFT_REFERENCE_AGE.name} == silent({**whole, "window": ""})
    both = {metrics.DRIFT_FEATURES.name, metrics.DRIFT_REFERENCE_AGE.name}
    assert both == silent(whole, {**whole, "window": ""})


def _of_reference(value: float) -> NumberDataPoint:
    named = {key: MODEL[key] for key in metrics.DRIFT_REFERENCE_AGE.attributes}
    return NumberDataPoint(named, 1, 2, value)


def test_metrics_of_the_app_are_left_alone() -> None:
    """Another scope's metrics of such names mute nothing of ours, and are not muted."""
    muted = gauge(metrics.DRIFT_MUTED, {"feature": "amount", "family": "inputs"})
    theirs = collected(PSI, muted, scope="app").resource_metrics[0].scope_metrics
    ours = collected(DETECTED).resource_metrics[0].scope_metrics
    both = MetricsData([ResourceMetrics(Resource({}), [*theirs, *ours], "")])
    assert [] == marked(both)
    reverse = MetricsData(
        [
            ResourceMetrics(
                Resource({}),
                [*collected(PSI, scope="app").resource_metrics[0].scope_metrics,
                 *collected(muted).resource_metrics[0].scope_metrics],
                "",
            )
        ]
    )  # fmt: skip
    assert [] == marked(reverse)

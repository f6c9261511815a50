from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest
from tidegauge_alerting import AlertDefinition, Comparison, Severity
from tidegauge_alerting.alert_file import load, own_sources
from tidegauge_alerting.definitions import by_name
from tidegauge_alerting.measures import (
    Across,
    EffectiveGuard,
    EventGuard,
    Increase,
    Last,
    Measure,
    Quantile,
    Reachable,
    RowGuard,
    Share,
    StabilityIndex,
    Vanished,
    Where,
)
from tidegauge_alerting.prometheus_expression import expression
from tidegauge_semconv import Kind, MetricSpec, all_metrics

DEFAULT_ALERTS = load(sources=own_sources()).alerts
FLEET_ALERTS = load(sources=own_sources()).off
BY_NAME = {definition.name: definition for definition in DEFAULT_ALERTS}
ALL = {definition.name: definition for definition in (*DEFAULT_ALERTS, *FLEET_ALERTS)}
each_alert = pytest.mark.parametrize("alert", DEFAULT_ALERTS, ids=lambda alert: alert.name)

KINDS: dict[type[Measure], Kind] = {
    Last: Kind.GAUGE,
    Share: Kind.COUNTER,
    Quantile: Kind.HISTOGRAM,
    Increase: Kind.COUNTER,
    Vanished: Kind.COUNTER,
    Reachable: Kind.COUNTER,
    Across: Kind.GAUGE,
}


def _where(alert: AlertDefinition) -> tuple[Where, ...]:
    match alert.measure:
        case Last(where=where) | Across(where=where):
            return where
        case Share(part=part):
            return part
        case _:
            return ()


def test_every_alert_about_a_model_can_be_muted_or_its_page_says_why_not() -> None:
    """`tidegauge mute` is for drift: what it leaves alone is in the table of its page."""
    page = Path(__file__).parents[3] / "docs" / "how-to" / "mute.md"
    table = page.read_text("utf-8").partition("| why not |")[2].partition("\n\n")[0]
    models = {
        each.name
        for each in (*DEFAULT_ALERTS, *FLEET_ALERTS)
        if any(key.startswith("model_") for key in each.metric.attributes)
    }
    spared = {name for name in re.findall(r"`(\w+)`", table) if name[0].isupper()}
    muted = {name for name in models if "drift_muted" in expression(ALL[name])}
    assert {"ReferenceOld", "ReferenceMismatch", "ModelDrift", "FleetDrift"} <= muted
    assert models - muted <= spared
    assert set() == muted & spared


def test_the_alerts_are_the_promised_ones() -> None:
    """Name, comparison, threshold, guard, time and severity are what the documentation promises."""
    promised = {
        "MissingValues": (">", 0.01, 0, "warning"),
        "OutOfRangeValues": (">", 0.01, 0, "warning"),
        "NewCategories": (">", 0.01, 0, "warning"),
        "TypeErrors": (">", 0.01, 0, "warning"),
        "ModelDrift": ("==", 1, 0, "critical"),
        "InputDrift": ("==", 1, 0, "warning"),
        "DataDriftDetected": (">", 0.2, 60, "warning"),
        "SegmentDrift": ("==", 1, 0, "warning"),
        "CorrelationDrift": ("==", 1, 0, "warning"),
        "ManyModelsDrift": (">", 0.2, 300, "warning"),
        "ReferenceMismatch": (">", 0, 0, "warning"),
        "ReferenceOld": (">", 15_552_000, 0, "info"),
        "StreamDrift": ("==", 1, 0, "info"),
        "HighErrorRate": (">", 0.05, 300, "critical"),
        "HighLatency": (">", 0.5, 300, "warning"),
        "ModelTelemetryMissing": (">=", 20, 900, "warning"),
        "TelemetryTargetDown": ("==", 0, 300, "warning"),
        "RowsDropped": (">", 0.999, 900, "info"),
        "TidegaugeFaults": (">", 0, 0, "info"),
        "TidegaugeExportFailing": (">", 0, 0, "info"),
    }
    assert promised == {
        d.name: (d.comparison.value, d.threshold, d.for_s, d.severity.value) for d in DEFAULT_ALERTS
    }


def test_fleet_drift_is_the_promised_one() -> None:
    """Its metrics exist, and it joins them on attributes that both have."""
    (alert,) = FLEET_ALERTS
    measure, guard = alert.measure, alert.guard
    assert isinstance(measure, StabilityIndex)
    assert isinstance(guard, EffectiveGuard)
    assert (alert.comparison, alert.threshold, alert.for_s, alert.severity.value) == (
        Comparison.ABOVE, 0.2, 300, "warning",
    )  # fmt: skip
    assert (measure.windows_s, measure.floor, guard.minimum) == ((3600, 86_400), 1e-4, 300)
    assert alert.metric.kind is Kind.COUNTER
    assert {alert.metric, measure.reference, guard.effect} <= set(all_metrics())
    assert (*measure.by, measure.bins) == alert.metric.attributes == measure.reference.attributes
    assert measure.by == guard.effect.attributes
    assert alert.labels == (*measure.by, "window")


@pytest.mark.parametrize(
    ("windows_s", "got"),
    [((), "none"), ((30,), "30 s"), ((3600, 5400), "3600 s, 5400 s")],
)
def test_windows_that_make_no_sense_are_refused(windows_s: tuple[int, ...], got: str) -> None:
    """A window that is too short, or not made of whole short ones, is a clear error."""
    measure = FLEET_ALERTS[0].measure
    assert isinstance(measure, StabilityIndex)
    with pytest.raises(ValueError, match="windows") as caught:
        measure.over(windows_s)
    assert str(caught.value) == (
        f"windows: got {got}; expected at least 60 s each, all multiples of the shortest. "
        "Leave them out for 1h and 1d."
    )


def test_windows_are_ordered() -> None:
    """The shortest is counted, the others are made of it."""
    measure = FLEET_ALERTS[0].measure
    assert isinstance(measure, StabilityIndex)
    assert measure.over((7200, 3600, 7200)).windows_s == (3600, 7200)


@each_alert
def test_metrics_exist_and_have_the_attributes(alert: AlertDefinition) -> None:
    """An alert uses metrics of the suite, of a fitting kind, and only attributes that they have."""
    guard = alert.guard.metric if isinstance(alert.guard, RowGuard) else alert.metric
    assert {alert.metric, guard, *alert.see} <= set(all_metrics())
    assert KINDS[type(alert.measure)] is alert.metric.kind
    assert {*alert.labels, *(where.attribute for where in _where(alert))} <= set(
        alert.metric.attributes
    )


def test_a_row_guard_is_joined_on_all_attributes() -> None:
    """A guard of rows belongs to the very series that it guards, or to one of its family."""
    guarded = [(d, d.guard) for d in DEFAULT_ALERTS if isinstance(d.guard, RowGuard)]
    assert guarded
    for alert, guard in guarded:
        chosen = {where.attribute for where in guard.where}
        assert {*alert.metric.attributes} == {*guard.metric.attributes} - chosen


def test_definitions_can_be_compared_and_kept_in_sets() -> None:
    """Definitions are values."""
    again = dataclasses.replace(DEFAULT_ALERTS[0])
    assert {DEFAULT_ALERTS[0]} == {again}


def test_another_threshold_changes_nothing_else() -> None:
    """A tuned alert is the same alert."""
    tuned = BY_NAME["ModelTelemetryMissing"].with_threshold(100)
    assert tuned == dataclasses.replace(BY_NAME["ModelTelemetryMissing"], threshold=100)


def test_another_minimum_changes_nothing_else() -> None:
    """A tuned guard is the same guard."""
    tuned = BY_NAME["DataDriftDetected"].with_minimum(1000)
    guard = tuned.guard
    assert isinstance(guard, RowGuard)
    assert (guard.minimum, guard.metric.name) == (1000, "drift.effective.rows")
    assert EventGuard(50) == BY_NAME["HighLatency"].with_minimum(50).guard


@pytest.mark.parametrize(
    ("name", "threshold", "message"),
    [
        (
            "HighErrorRate",
            5,
            (
                "threshold of HighErrorRate: got 5; expected a share above 0 and below 1. "
                "5 % is 0.05; leave it out for 0.05."
            ),
        ),
        (
            "HighErrorRate",
            float("nan"),
            (
                "threshold of HighErrorRate: got nan; expected a share above 0 and below 1. "
                "5 % is 0.05; leave it out for 0.05."
            ),
        ),
        (
            "HighLatency",
            -1,
            "threshold of HighLatency: got -1; expected a number above 0. Leave it out for 0.5.",
        ),
        (
            "DataDriftDetected",
            float("inf"),
            (
                "threshold of DataDriftDetected: got inf; expected a number above 0. "
                "Leave it out for 0.2."
            ),
        ),
        (
            "ModelDrift",
            0.5,
            (
                "threshold of ModelDrift: got 0.5; expected none: the alert compares a verdict. "
                "Leave it out."
            ),
        ),
    ],
)
def test_a_threshold_that_makes_no_sense_is_refused(
    name: str, threshold: float, message: str
) -> None:
    """A refusal says what is allowed."""
    with pytest.raises(ValueError, match="expected") as caught:
        BY_NAME[name].with_threshold(threshold)
    assert message == str(caught.value)


@pytest.mark.parametrize(
    ("name", "minimum", "message"),
    [
        (
            "HighLatency",
            0,
            "minimum of HighLatency: got 0; expected a number of at least 1. Leave it out for 5.",
        ),
        (
            "InputDrift",
            10,
            "minimum of InputDrift: got 10; expected none: the alert has no guard. Leave it out.",
        ),
    ],
)
def test_a_minimum_that_makes_no_sense_is_refused(name: str, minimum: float, message: str) -> None:
    """A refusal says what is allowed."""
    with pytest.raises(ValueError, match="expected") as caught:
        BY_NAME[name].with_minimum(minimum)
    assert message == str(caught.value)


def test_a_name_stands_for_one_alert() -> None:
    """Two alerts of one name are refused."""
    with pytest.raises(ValueError, match="twice") as caught:
        by_name([*DEFAULT_ALERTS, BY_NAME["InputDrift"]])
    assert str(caught.value) == (
        "alert definitions: got InputDrift twice; expected each name once. Rename one."
    )


def test_a_definition_of_ones_own_is_like_a_default_one() -> None:
    """An alert on any gauge of the suite carries that gauge's attributes."""
    spec: MetricSpec = next(spec for spec in all_metrics() if spec.name == "model.accuracy")
    own = AlertDefinition(
        "LowAccuracy", spec, Last(), Comparison.AT_LEAST, 0.9, Severity.INFO, "{model}", "{model}"
    )
    assert spec.attributes == own.labels


def test_a_cooldown_comes_from_the_severity() -> None:
    """What wakes somebody is said again after hours, a note after a week."""
    found = {alert.severity.value: alert.cooldown_s for alert in DEFAULT_ALERTS}
    assert found == {"critical": 4 * 3600, "warning": 24 * 3600, "info": 7 * 24 * 3600}
    assert dataclasses.replace(BY_NAME["HighLatency"], cooldown_s=60).cooldown_s == 60


@pytest.mark.parametrize(
    ("comparison", "fires", "stays"),
    [
        (Comparison.ABOVE, [0.6], [0.45, 0.5, 0.6]),
        (Comparison.AT_LEAST, [0.5, 0.6], [0.4, 0.45, 0.5, 0.6]),
        (Comparison.EQUAL, [0.5], [0.5]),
    ],
)
def test_an_alert_begins_and_stays(
    comparison: Comparison, fires: list[float], stays: list[float]
) -> None:
    """It begins beyond the threshold and goes on until the recovery; NaN is no value."""
    alert = dataclasses.replace(
        BY_NAME["HighLatency"],
        comparison=comparison,
        recovery=None if comparison is Comparison.EQUAL else 0.4,
    )
    values = [0.3, 0.4, 0.45, 0.5, 0.6, float("nan")]
    assert fires == [value for value in values if alert.fires_at(value)]
    assert stays == [value for value in values if alert.stays_at(value)]


@pytest.mark.parametrize(
    ("comparison", "low", "fires"),
    [
        (Comparison.BELOW, None, [0.1, 0.3]),
        (Comparison.AT_MOST, None, [0.1, 0.3, 0.5]),
        (Comparison.OUTSIDE, 0.2, [0.1, 0.6]),
    ],
)
def test_an_alert_can_be_about_little(
    comparison: Comparison, low: float | None, fires: list[float]
) -> None:
    """Below a threshold, or outside a band."""
    latency = dataclasses.replace(BY_NAME["HighLatency"], recovery=None)
    alert = dataclasses.replace(latency, comparison=comparison, low=low)
    values = [0.1, 0.3, 0.5, 0.6, float("nan")]
    assert fires == [value for value in values if alert.fires_at(value)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"recovery": 0.6},
            (
                "recovery of HighLatency: got 0.6; expected at most 0.5. "
                "Give where the alert ends, or leave it out."
            ),
        ),
        (
            {"recovery": 0.4, "comparison": Comparison.BELOW},
            (
                "recovery of HighLatency: got 0.4; expected at least 0.5. "
                "Give where the alert ends, or leave it out."
            ),
        ),
        (
            {"recovery": 0.5, "comparison": Comparison.EQUAL},
            (
                "recovery of HighLatency: got 0.5; expected none: the alert has no side to come "
                "back from. Give where the alert ends, or leave it out."
            ),
        ),
        (
            {"low": 0.1},
            (
                "low of HighLatency: got 0.1; expected none. "
                "Give a low with the comparison 'outside', and with no other."
            ),
        ),
        (
            {"comparison": Comparison.OUTSIDE},
            (
                "low of HighLatency: got None; expected a number below 0.5. "
                "Give a low with the comparison 'outside', and with no other."
            ),
        ),
        (
            {"comparison": Comparison.OUTSIDE, "low": 0.5},
            (
                "low of HighLatency: got 0.5; expected a number below 0.5. "
                "Give a low with the comparison 'outside', and with no other."
            ),
        ),
    ],
)
def test_a_band_that_makes_no_sense_is_refused(changes: dict[str, Any], message: str) -> None:
    """A recovery on the wrong side would never end, a band without an end never fires."""
    with pytest.raises(ValueError, match="expected") as caught:
        dataclasses.replace(BY_NAME["HighLatency"], **{"recovery": None, **changes})
    assert message == str(caught.value)


def test_a_recovery_moves_with_its_threshold() -> None:
    """A tuned alert recovers as far from its threshold as before, in proportion."""
    assert BY_NAME["HighLatency"].with_threshold(1).recovery == 0.8

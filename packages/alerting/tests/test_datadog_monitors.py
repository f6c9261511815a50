"""Definitions as Datadog monitors: what they ask, whom they tell, and what they cannot be."""

from __future__ import annotations

import dataclasses
import json
import re
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tidegauge_alerting.alert_file import load
from tidegauge_alerting.channels import Channel, Secret
from tidegauge_alerting.datadog.monitors import Rendered, monitors
from tidegauge_alerting.datadog.queries import conditions
from tidegauge_alerting.datadog.query_language import (
    NotExpressibleError,
    filter_tag,
    number,
    window,
)
from tidegauge_alerting.datadog.scope import Scope
from tidegauge_alerting.definitions import AlertDefinition, Comparison, Severity
from tidegauge_alerting.measures import (
    Across,
    EffectiveGuard,
    EventGuard,
    Increase,
    Last,
    Quantile,
    Share,
    Vanished,
    Where,
)
from tidegauge_exporter_datadog.naming import attribute_tags
from tidegauge_semconv import attributes as a
from tidegauge_semconv import metrics
from tidegauge_testkit.contracts import commands
from tidegauge_testkit.datadog_monitors import check_monitor, check_query

DEFAULT_ALERTS, FLEET_ALERTS = load().alerts, load().off
EVERY = (*DEFAULT_ALERTS, *FLEET_ALERTS)
# Of this package; others have pages of their own.
OWN = {
    name
    for file in (resources.files("tidegauge_alerting") / "definitions").iterdir()
    for name in re.findall(r"^  - name: (\w+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
}
MODEL = (a.MODEL_NAME, a.MODEL_VERSION)


def definition(**changes: Any) -> AlertDefinition:
    """Return a definition on the last value of a gauge, but for some changes."""
    return AlertDefinition(
        **{
            "name": "MemoryHigh",
            "metric": metrics.MODEL_MEMORY_USAGE,
            "measure": Last(),
            "comparison": Comparison.ABOVE,
            "threshold": 1e9,
            "severity": Severity.WARNING,
            "summary": "{model_name} uses {value:number}",
            "description": "Look at the host.",
            **changes,
        }
    )


def one(found: AlertDefinition, **options: Any) -> dict[str, Any]:
    """Return the only monitor of a definition."""
    (monitor,) = monitors([found], **options).monitors
    check_monitor(dict(monitor.body))
    return dict(monitor.body)


def queries(found: AlertDefinition, scope: Scope | None = None) -> dict[str, str]:
    """Return the queries of a definition by the names of its conditions; Datadog takes each."""
    made = {each.name: each.text for each in conditions(found, scope or Scope())}
    for query in made.values():
        check_query(query, "query alert")
    return made


def whole(rendered: Rendered) -> list[dict[str, Any]]:
    """Return the bodies that are sent, as if each monitor had its place as its number."""
    numbers = {each.key: place for place, each in enumerate(rendered.monitors, 1)}
    return [dict(each.with_numbers(numbers).body) for each in rendered.monitors]


@pytest.mark.parametrize("scope", [Scope(), Scope(("env:prod",), by_version=True)])
def test_datadogs_models_take_every_default(scope: Scope) -> None:
    """Each alert is one monitor that tells somebody, or is left out with a reason."""
    rendered = monitors(EVERY, scope=scope)
    for body in whole(rendered):
        check_monitor(body)
    left_out = [name for name, _ in rendered.left_out]
    assert ["TelemetryTargetDown", "FleetDrift"] == [name for name in left_out if name in OWN]
    told = [each.body["name"] for each in rendered.monitors if "/" not in each.key]
    assert [f"Tidegauge: {d.name}" for d in EVERY if d.name not in left_out] == told
    assert all("managed-by:tidegauge" in each.body["tags"] for each in rendered.monitors)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"type": "nonsense"}, "no form that is allowed"),
        ({"name": 1}, "Required value type is str"),
        ({"severity": "critical"}, "monitor.severity: unknown"),
        ({"priority": 9}, "priority is from 1 to 5"),
        ({"options": {"thresholds": {"critical": 1e9, "high": 1}}}, "thresholds.high: unknown"),
        ({"options": {"on_missing_data": "ignore"}}, "no form that is allowed"),
        ({"options": {"thresholds": {"critical": 2}}}, "does not match that used in the query"),
        (
            {"options": {"thresholds": {"critical": 1e9}, "notify_by": ["team"]}},
            "team is no group of the query",
        ),
        (
            {"options": {"thresholds": {"critical": 1e9, "critical_recovery": 2e9}}},
            "wrong side",
        ),
        ({"query": "max(last_5m):max:m{*} by {model_name} > 1e9"}, "invalid"),
        ({"query": "max(last_5m):max:m{!a:*,b IN (c)} > 1000000000"}, "filter"),
        ({"query": "max(last_9w):max:m{*} > 1000000000"}, "window"),
        ({"query": "avg(last_5m):sum:m{*}.as_count() > 1000000000"}, "as_count"),
        ({"query": "max(last_5m):log(max:m{*}) > 1000000000"}, "log is unknown"),
        ({"tags": ["Team:Risk"]}, "would be changed"),
    ],
)
def test_what_datadog_would_refuse_is_seen(changes: dict[str, Any], fault: str) -> None:
    """The checks of these tests fail on a body that is wrong in one thing."""
    body = one(definition())
    with pytest.raises(ValueError, match=fault):
        check_monitor({**body, **changes})


def test_the_last_value_of_a_gauge() -> None:
    """It is grouped by what its series always have; a verdict is compared from its side."""
    found = definition(for_s=600, recovery=8e8)
    assert {"value": "min(last_10m):max:model.memory.usage{*} by {model_name} > 1000000000"} == (
        queries(found)
    )
    assert {"critical": 1e9, "critical_recovery": 8e8} == one(found)["options"]["thresholds"]
    low = definition(comparison=Comparison.BELOW, threshold=0.25, for_s=60)
    assert {"value": "max(last_5m):min:model.memory.usage{*} by {model_name} < 0.25"} == (
        queries(low)
    )
    verdict = definition(
        metric=metrics.DRIFT_DETECTED,
        measure=Last((Where(a.FEATURE, ("",)), Where(a.FAMILY, ("inputs",)))),
        comparison=Comparison.EQUAL,
        threshold=1,
    )
    by = "by {model_name,reference,window,family}"
    limited = "{!feature:*,family:inputs,!muted:true}"
    assert {"value": f"max(last_5m):max:drift.detected{limited} {by} >= 1"} == queries(verdict)
    by = "by {model_name,model_version,reference,window,family}"
    limited = "{env:prod,!feature:*,family:inputs,!muted:true}"
    assert {"value": f"max(last_5m):max:drift.detected{limited} {by} >= 1"} == queries(
        verdict, Scope(("env:prod",), by_version=True)
    )


def test_what_may_have_no_value_is_no_group() -> None:
    """A monitor grouped by a tag does not see the series without it: most GPUs have no parent."""
    found = definition(metric=metrics.HW_GPU_MEMORY_UTILIZATION, summary="{value:percent}")
    assert "by {hw.id,hw.name} >" in queries(found)["value"]


def test_a_filter_of_several_values_is_of_words() -> None:
    """Datadog takes no "!" or "," beside IN; values are as the exporter sends them."""
    where = (Where(a.WINDOW, ("1d", "Last Day")), Where(a.FEATURE, ("", "Amount, EUR")))
    found = definition(metric=metrics.DRIFT_DETECTED, measure=Last(where))
    asked = queries(found, Scope(("env:prod",)))["value"]
    wanted = "{env:prod AND window IN (1d,last_day) AND (NOT feature:* OR feature:amount_eur)"
    assert wanted in asked
    (sent,) = attribute_tags({a.FEATURE: "Amount, EUR"})
    assert sent.lower() in asked


@given(
    st.lists(
        st.builds(
            Where,
            st.sampled_from((a.FEATURE, a.WINDOW, a.FAMILY)),
            st.lists(st.text(max_size=12), min_size=1, max_size=3).map(tuple),
        ),
        max_size=3,
        unique_by=lambda each: each.attribute,
    )
)
def test_whatever_a_filter_asks_for_the_query_is_whole(where: list[Where]) -> None:
    """Braces, commas, stars and other alphabets end no filter; what no tag can be is refused."""
    found = definition(metric=metrics.DRIFT_DETECTED, measure=Last(tuple(where)))
    rendered = monitors([found], scope=Scope(("env:prod",)))
    for body in whole(rendered):
        check_monitor(body)
    assert all("can have one of the values" in reason for _, reason in rendered.left_out)
    assert 1 == len(rendered.monitors) + len(rendered.left_out)


def test_a_guarded_gauge_is_one_formula() -> None:
    """Below the guard its value is 0, which is no drift; the least rows of all replicas count."""
    (found,) = (d for d in DEFAULT_ALERTS if d.name == "DataDriftDetected")
    by = "by {model_name,reference,feature,window}"
    rows = f"min:drift.effective.rows{{*}} {by}"
    assert {
        "value": f"min(last_5m):max:drift.psi.value{{!muted:true}} {by}"
        f" * clamp_max(clamp_min({rows} - 299, 0), 1) > 0.2"
    } == queries(found)
    assert ["model_name"] == one(found)["options"]["notify_by"]


def test_a_guard_can_be_of_some_series() -> None:
    """The verdict on data quality alone guards the shares of it."""
    (found,) = (d for d in DEFAULT_ALERTS if d.name == "MissingValues")
    assert "min:drift.detected{family:data_quality} by" in queries(found)["value"]


def test_a_share_is_of_some_events() -> None:
    """Dropped rows are a share of those that were seen, and not of those of all states."""
    (found,) = (d for d in DEFAULT_ALERTS if d.name == "RowsDropped")
    assert "tidegauge.rows{state:seen}" in queries(found)["value"]


def test_a_share_is_held_and_guarded_by_other_monitors() -> None:
    """The window now and the one before; and events enough; all of it in one composite."""
    found = definition(
        name="HighErrorRate",
        metric=metrics.MODEL_REQUESTS,
        measure=Share((Where(a.STATUS, ("error",)),), MODEL, 300),
        threshold=0.05,
        recovery=0.04,
        guard=EventGuard(5),
        for_s=300,
        summary="{value:percent} of the calls of {model} fail",
    )
    part = "sum:model.requests{status:error} by {model_name}.as_count()"
    share = f"sum(last_5m):{part} / sum:model.requests{{*}} by {{model_name}}.as_count() > 0.05"
    events = f"sum(last_5m):{part} >= 5"
    assert {"value": share, "before": share, "events": events} == queries(found)
    rendered = monitors([found])
    *parts, whole_one = whole(rendered)
    for body in (*parts, whole_one):
        check_monitor(body)
    assert "1 && 2 && 3" == whole_one["query"]
    assert ["higherrorrate/value", "higherrorrate/before", "higherrorrate/events"] == list(
        rendered.monitors[-1].parts
    )
    assert [None, 300, None] == [each["options"].get("evaluation_delay") for each in parts]
    assert {"critical": 0.05, "critical_recovery": 0.04} == parts[1]["options"]["thresholds"]
    assert "{{a.value}} (of 1) of the calls of {{model_name.name}} fail" in whole_one["message"]
    assert not any("@" in each["message"] for each in parts)


def test_a_longer_time_is_covered_by_windows_side_by_side() -> None:
    """12 minutes of windows of 5: that of now, and those that ended 5, 10 and 12 minutes ago."""
    found = definition(
        metric=metrics.TIDEGAUGE_ERRORS,
        measure=Increase((a.CAUSE,), 300),
        for_s=720,
        summary="{cause}",
    )
    made = conditions(found, Scope())
    assert [0, 300, 600, 720] == [each.delay_s for each in made]
    assert {"sum(last_5m):sum:tidegauge.errors{*} by {cause}.as_count() > 1000000000"} == {
        each.text for each in made
    }


def test_too_few_of_something_is_no_monitor() -> None:
    """Of no events at all nothing is sent: it would be silent just where it should speak."""
    for comparison in (Comparison.BELOW, Comparison.AT_MOST):
        found = definition(
            metric=metrics.MODEL_REQUESTS,
            measure=Increase((a.MODEL_NAME,), 900),
            comparison=comparison,
            threshold=1,
            summary="{model_name}",
        )
        with pytest.raises(NotExpressibleError, match="a count of 0 is not sent"):
            conditions(found, Scope())


def test_a_quantile_needs_percentiles_and_counts_what_is_beyond() -> None:
    """Both are read from the distribution that the exporter sends."""
    found = definition(
        metric=metrics.MODEL_REQUEST_LATENCY,
        measure=Quantile(0.999, MODEL, 600),
        threshold=0.3,
        guard=EventGuard(20),
        summary="{value:duration}",
    )
    series = "model.request.latency{*} by {model_name}"
    assert {
        "value": f"percentile(last_10m):p99.9:{series} > 0.3",
        "events": f"sum(last_10m):count(v: v>0.3):{series}.as_count() >= 20",
    } == queries(found)


def test_what_vanished_is_a_lack_of_data() -> None:
    """A gauge is missing, not a count: no requests are no end; it ends with its window."""
    found = definition(
        metric=metrics.MODEL_REQUESTS,
        measure=Vanished((a.MODEL_NAME,), 7200),
        comparison=Comparison.AT_LEAST,
        threshold=20,
        for_s=900,
        summary="{model_name} is gone",
    )
    body = one(found)
    assert "max(last_15m):max:model.memory.usage{*} by {model_name} < 0" == body["query"]
    options = body["options"]
    assert ("show_and_notify_no_data", ["no data"], 2) == (
        options["on_missing_data"], options["renotify_statuses"], options["timeout_h"]
    )  # fmt: skip
    assert body["message"].startswith("{{#is_no_data}}\n{{model_name.name}} is gone\n")
    causes = dataclasses.replace(
        found, metric=metrics.TIDEGAUGE_ERRORS, measure=Vanished((a.CAUSE,), 7200), summary="gone"
    )
    with pytest.raises(NotExpressibleError, match="no gauge is there as long"):
        conditions(causes, Scope())


def test_models_that_drift_together_are_counted() -> None:
    """A share of models, from so many on; sums of other values would be two aggregations."""
    verdicts = definition(
        metric=metrics.DRIFT_DETECTED,
        measure=Across("max", (a.MODEL_NAME,), "avg", where=(Where(a.FEATURE, ("",)),)),
        comparison=Comparison.AT_LEAST,
        threshold=0.5,
        guard=EventGuard(3),
        summary="{value:percent}",
    )
    each = "max:drift.detected{!feature:*,!muted:true} by {model_name}"
    share = f"count_nonzero({each}) / count_not_null({each})"
    assert {
        "value": f"max(last_5m):({share})"
        f" * clamp_max(clamp_min(count_nonzero({each}) - 2, 0), 1) >= 0.5"
    } == queries(verdicts)
    highest = dataclasses.replace(
        verdicts, measure=Across("max", (a.MODEL_NAME,), "max"), guard=None
    )
    assert {"value": "max(last_5m):max:drift.detected{!muted:true} >= 0.5"} == queries(highest)
    sums = definition(measure=Across("max", (a.MODEL_NAME,), "sum"), summary="{value:number}")
    with pytest.raises(NotExpressibleError, match="would be two aggregations; monitors have one"):
        conditions(sums, Scope())


def test_a_band_is_two_monitors() -> None:
    """Each says the value on its own side."""
    found = definition(
        comparison=Comparison.OUTSIDE, low=0.2, threshold=0.8,
        summary="{value:number} is not in {low:number} to {threshold:number}",
    )  # fmt: skip
    below, above = whole(monitors([found]))
    check_monitor(below)
    check_monitor(above)
    assert below["query"].startswith("min(last_5m):min:")
    assert below["query"].endswith(" < 0.2")
    assert above["query"].startswith("max(last_5m):max:")
    assert above["query"].endswith(" > 0.8")
    assert "Tidegauge: MemoryHigh (below)" == below["name"]
    assert "{{value}} is not in 0.2 to 0.8" in below["message"]
    assert below["message"] == above["message"]


@dataclass(frozen=True)
class Median:
    """A measure that nobody has a query for."""

    by: tuple[str, ...] = ()


def test_a_measure_or_guard_that_is_new_is_noticed() -> None:
    """Leaving it out in silence would be an alert that nobody misses."""
    strange: Any = Median()
    with pytest.raises(TypeError, match=r"measure of MemoryHigh: got Median\(by=\(\)\); expected"):
        conditions(definition(measure=strange), Scope())
    guard = EffectiveGuard(metrics.DRIFT_DESIGN_EFFECT, 3)
    with pytest.raises(TypeError, match="guard of MemoryHigh: got EffectiveGuard"):
        conditions(definition(guard=guard), Scope())


def test_severity_cooldown_runbook_and_channels() -> None:
    """Channels become handles of Datadog's own integrations; a secret is not read."""
    channels = {
        "ml": Channel("ml", "slack", url=Secret(env="NOT_SET"), channel="#ml-alerts"),
        "oncall": Channel("oncall", "pagerduty", routing_key=Secret(file="/none")),
        "mail": Channel("mail", "email", to=("a@example.com", "b@example.com")),
        "hook": Channel("hook", "webhook", url=Secret(env="NOT_SET"), send_resolved=False),
    }
    found = definition(
        severity=Severity.CRITICAL, cooldown_s=5400, channels=("ml", "hook", "mail"),
        runbook_url="https://example.com/{name}", first_steps="Ask {model_name}.",
    )  # fmt: skip
    body = one(found, channels=channels)
    assert (1, 90) == (body["priority"], body["options"]["renotify_interval"])
    assert "severity:critical" in body["tags"]
    assert (
        "{{#is_alert}}\n"
        "{{model_name.name}} uses {{value}}\n\n"
        "Look at the host.\n\n"
        "First: Ask {{model_name.name}}.\n\n"
        "Runbook: https://example.com/MemoryHigh\n\n"
        "@webhook-hook\n"
        "{{/is_alert}}\n"
        "{{#is_recovery}}\nMemoryHigh has ended.\n{{/is_recovery}}\n"
        "@slack-ml-alerts @a@example.com @b@example.com"
    ) == body["message"]
    routed = one(definition(), channels=channels, routes={Severity.WARNING: ("oncall",)})
    assert routed["message"].endswith("\n@pagerduty-oncall")


def test_names_that_one_tag_would_have_are_refused() -> None:
    """Tags have no capital letters: the second monitor would overwrite the first."""
    with pytest.raises(ValueError, match="got the tag tidegauge-alert:memoryhigh twice"):
        monitors([definition(), definition(name="MEMORYHIGH")])


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(1, "last_1m"), (61, "last_2m"), (300, "last_5m"), (3600, "last_1h"), (5400, "last_90m"),
     (86_400, "last_1d"), (172_800, "last_48h"), (604_800, "last_1w")],
)  # fmt: skip
def test_windows(seconds: int, text: str) -> None:
    """As the reference writes them, never shorter than what was asked for."""
    assert text == window(seconds)


@given(st.floats(1e-9, 1e15))
def test_numbers_have_no_exponent(value: float) -> None:
    """And are what they were, to the digits that a threshold has."""
    text = number(value)
    assert "e" not in text
    assert pytest.approx(value, rel=1e-5, abs=1e-15) == float(text)


def test_a_window_of_more_than_a_week_is_left_out() -> None:
    """It is said, and the others are there."""
    long = definition(
        metric=metrics.TIDEGAUGE_ERRORS, measure=Increase((), 30 * 86_400), summary="errors"
    )
    rendered = monitors([long, definition(name="Other")])
    assert (("MemoryHigh", "a window of 2592000 s is longer than a week"),) == rendered.left_out
    assert ["other"] == [each.key for each in rendered.monitors]


def test_tags_to_filter_by() -> None:
    """As the exporter sends them; what is none is refused."""
    assert "env:prod" == filter_tag("env:Prod")
    with pytest.raises(ValueError, match="got 'prod'; expected key:value"):
        filter_tag("prod")


def test_the_file_says_what_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    """In it, and beside the output, so that a pipe has only the file."""
    runbook = ("--runbook-url", "https://x.org/{name}")
    terminal = commands.run("rules render", "datadog", "--severity", "warning", *runbook)
    document = json.loads(terminal.written)
    assert (
        "made by tidegauge rules render datadog --severity warning"
        in (document["datadog_monitors"])
    )
    assert ["TelemetryTargetDown"] == list(document["left_out"])
    assert [] == terminal.lines
    assert capsys.readouterr().err.startswith("TelemetryTargetDown is left out: ")
    messages = [each["message"] for each in document["monitors"]]
    assert any("Runbook: https://x.org/HighLatency" in each for each in messages)


def test_a_file_of_somebody_else_stays(tmp_path: Any) -> None:
    """Only files that this wrote are replaced."""
    path = tmp_path / "monitors.json"
    for _ in range(2):
        terminal = commands.run("rules render", "datadog", "-o", str(path))
        assert 0 == terminal.status
    assert (
        f"{path}: {len(DEFAULT_ALERTS) - 1} alerts. "
        "tidegauge rules apply datadog puts them into Datadog." == (terminal.lines[0])
    )
    path.write_text("{}")
    with pytest.raises(Exception, match="this command did not write"):
        commands.run("rules render", "datadog", "-o", str(path))


def test_the_page_says_what_becomes_of_every_alert() -> None:
    """In the table of monitors, or among what Datadog cannot have."""
    page = Path(__file__).parents[3] / "docs" / "how-to" / "datadog-monitors.md"
    _, monitored, left = re.split(
        r"\n## What the monitors are|\n## What Datadog cannot have", page.read_text()
    )
    rows = "".join(re.findall(r"^\| (`.*?) \|", monitored, re.MULTILINE))
    left_out = {name for name, _ in monitors(EVERY).left_out}
    shown = set(re.findall(r"`(\w+)`", rows))
    assert OWN - left_out <= shown <= {each.name for each in EVERY} - left_out
    assert OWN & left_out == set(re.findall(r"^- `(\w+)`:", left, re.MULTILINE))

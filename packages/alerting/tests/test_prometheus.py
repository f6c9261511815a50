from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Any

import promql_parser
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from tidegauge_alerting import (
    AlertDefinition,
    Comparison,
    Severity,
    render_prometheus,
    rule_groups,
)
from tidegauge_alerting.alert_file import load, own_sources
from tidegauge_alerting.measures import Across, EffectiveGuard, EventGuard, Last, Where
from tidegauge_alerting.prometheus_expression import expression
from tidegauge_alerting.promql import duration
from tidegauge_exporter_prometheus import prometheus_name
from tidegauge_semconv import Kind, MetricSpec, all_metrics, attributes, metrics

if TYPE_CHECKING:
    from collections.abc import Iterator

DEFAULT_ALERTS = load(sources=own_sources()).alerts
FLEET_ALERTS = load(sources=own_sources()).off
BY_NAME = {definition.name: definition for definition in DEFAULT_ALERTS}
EVERY = (*DEFAULT_ALERTS, *FLEET_ALERTS)
EXPRESSIONS = {
    ":".join((rule.get("alert") or rule["record"], *rule["labels"].values()))
    if "record" in rule and "labels" in rule
    else rule.get("alert") or rule["record"]: rule["expr"]
    for group in rule_groups(EVERY)
    for rule in group["rules"]
}
each_expression = pytest.mark.parametrize("text", EXPRESSIONS.values(), ids=EXPRESSIONS.keys())

# Prometheus's own, and what the rules themselves record.
_FEATURE = {*metrics.DRIFT_PSI_VALUE.attributes}
FOREIGN = {
    "ALERTS": {"alertname", "alertstate", *metrics.DRIFT_DETECTED.attributes},
    "up": {"job", "instance"},
    "tidegauge:target:known": {"job", "instance"},
    "tidegauge:fleet_bin:increase": _FEATURE | {attributes.BIN},
    "tidegauge:fleet_bin:share": _FEATURE | {attributes.BIN},
    "tidegauge:fleet_rows:effective": _FEATURE,
    "tidegauge:fleet:psi": _FEATURE,
}


def series_labels() -> dict[str, set[str]]:
    """Return every series name of the suite with its labels."""
    found = dict(FOREIGN)
    for spec in all_metrics():
        name = prometheus_name(spec)
        labels = {*spec.attributes, "job", "instance"}
        found[name] = labels
        if spec.kind is Kind.HISTOGRAM:
            found[f"{name}_bucket"] = labels | {"le"}
    return found


def nodes(node: Any) -> Iterator[Any]:
    """Yield a parsed expression and all that is in it."""
    yield node
    children = [
        *(getattr(node, name, None) for name in ("lhs", "rhs", "expr", "param", "vector_selector")),
        *(getattr(node, "args", None) or []),
    ]
    for child in children:
        if child is not None:
            yield from nodes(child)


@each_expression
def test_an_expression_names_series_that_exist(text: str) -> None:
    """Every expression is PromQL, and every series, label and matcher in it exists."""
    known = series_labels()
    selectors = [
        node for node in nodes(promql_parser.parse(text))
        if isinstance(node, promql_parser.VectorSelector)
    ]  # fmt: skip
    assert selectors
    for selector in selectors:
        assert selector.name is not None
        assert selector.name in known
        assert {m.name for m in selector.matchers.matchers} <= known[selector.name]


@each_expression
def test_an_expression_groups_by_labels_that_exist(text: str) -> None:
    """Labels to sum by and to join on are labels of all series beneath them."""
    known = series_labels()
    for node in nodes(promql_parser.parse(text)):
        labels = _grouping(node)
        for below in nodes(node):
            if isinstance(below, promql_parser.VectorSelector):
                assert labels <= known[str(below.name)]


def _grouping(node: Any) -> set[str]:
    if isinstance(node, promql_parser.AggregateExpr) and node.modifier is not None:
        return set(node.modifier.labels)
    if isinstance(node, promql_parser.BinaryExpr) and node.modifier is not None:
        matching = node.modifier.matching
        if matching is None or matching.type == promql_parser.LabelModifierType.Exclude:
            return set()
        return set(matching.labels)
    return set()


def test_drift_is_guarded_by_its_own_rows() -> None:
    """The expressions on drift are the documented ones to the letter, unless it is muted."""
    feature = "on (model_name, model_version, reference, feature, window)"
    family = "on (model_name, model_version, reference, feature, window, family)"
    assert EXPRESSIONS["DataDriftDetected"] == (
        f"(drift_psi_value > 0.2 and {feature} drift_effective_rows >= 300\n"
        "or (drift_psi_value > 0.15\n"
        "  and ignoring (alertname, alertstate, alertgroup, severity) "
        'ALERTS{alertname="DataDriftDetected",alertstate="firing"}))\n'
        f"unless {feature} drift_muted == 1"
    )
    assert EXPRESSIONS["ModelDrift"] == (
        'drift_detected{feature="",family=~"outputs|data_quality"} == 1\n'
        f"unless {family} drift_muted == 1"
    )
    assert EXPRESSIONS["InputDrift"] == (
        f'drift_detected{{feature="",family="inputs"}} == 1\nunless {family} drift_muted == 1'
    )


def test_another_measure_is_a_clear_error() -> None:
    """A measure that nobody has taught to this renderer is no rule that never fires."""
    wrong = dataclasses.replace(BY_NAME["InputDrift"], measure=object())  # type: ignore[arg-type]
    with pytest.raises((TypeError, AttributeError)):
        expression(wrong)


def test_below_above_and_outside_are_comparisons() -> None:
    """Each comparison is PromQL's own; a band is two of them."""
    own = dataclasses.replace(BY_NAME["DataDriftDetected"], guard=None, recovery=None)
    for comparison, low, expected in (
        (Comparison.BELOW, None, "drift_psi_value < 0.2"),
        (Comparison.AT_MOST, None, "drift_psi_value <= 0.2"),
        (Comparison.OUTSIDE, 0.1, "(drift_psi_value < 0.1\nor drift_psi_value > 0.2)"),
    ):
        text = expression(dataclasses.replace(own, comparison=comparison, low=low))
        assert text.startswith(f"{expected}\nunless on (")
        promql_parser.parse(text)


def test_what_fires_stays_until_it_recovers() -> None:
    """Beyond the recovery an alert goes on if it fires, and does not begin."""
    latency = BY_NAME["HighLatency"]
    text = expression(latency)
    begins = expression(dataclasses.replace(latency, recovery=None))
    assert text.startswith(f"{begins}\nor (histogram_quantile(")
    assert text.endswith(
        "> 0.4\n  and ignoring (alertname, alertstate, alertgroup, severity) "
        'ALERTS{alertname="HighLatency",alertstate="firing"})'
    )
    promql_parser.parse(text)
    psi = BY_NAME["DataDriftDetected"]
    assert expression(psi).startswith("(drift_psi_value > 0.2 and on")
    assert ")\nunless on (model_name" in expression(psi)


def test_series_are_put_together_twice() -> None:
    """How many models drift: each model once, without the muted ones, at least so many."""
    many = dataclasses.replace(
        BY_NAME["InputDrift"],
        measure=Across("max", ("model_name",), "avg", where=(Where("family", ("inputs",)),)),
        comparison=Comparison.ABOVE,
        threshold=0.2,
        guard=EventGuard(5),
    )
    each = (
        '(\n  max by (model_name) (drift_detected{family="inputs"} unless on (model_name, '
        "model_version, reference, feature, window, family) drift_muted == 1)\n)"
    )
    assert expression(many) == f"avg by () {each} > 0.2\nand sum by () {each} >= 5"
    promql_parser.parse(expression(many))


def test_the_latency_guard_counts_beyond_the_bucket_of_the_threshold() -> None:
    """The guard's bound is the largest bucket bound up to the threshold, in both spellings."""
    latency = BY_NAME["HighLatency"]
    assert '{le="0.5"}' in expression(latency)
    assert '{le="0.5"}' in expression(latency.with_threshold(0.7))
    assert r'{le=~"1(\\.0)?"}' in expression(latency.with_threshold(1.5))
    assert '_bucket{le="+Inf"}' in expression(latency.with_threshold(0.00001))
    assert "  - sum" not in expression(latency.with_threshold(0.00001))


def test_fleet_drift_needs_its_rows_and_bins_without_a_series() -> None:
    """A bin that no replica has ever shown counts 0; too few rows have no index."""
    bins = EXPRESSIONS["tidegauge:fleet_bin:increase:1h"]
    assert bins == (
        "sum by (model_name, model_version, reference, feature, bin) "
        '(increase(model_feature_bin_total{bin!~"missing|other"}[1h]))\n'
        "or 0 * max by (model_name, model_version, reference, feature, bin) "
        "(drift_reference_bin_ratio)"
    )
    long = EXPRESSIONS["tidegauge:fleet_bin:increase:1d"]
    assert 'sum_over_time(tidegauge:fleet_bin:increase{window="1h"}[1d:1h])' in long
    for window in ("1h", "1d"):
        assert EXPRESSIONS[f"tidegauge:fleet:psi:{window}"].endswith(
            "and on (model_name, model_version, reference, feature) "
            f'tidegauge:fleet_rows:effective{{window="{window}"}} >= 300'
        )
    assert EXPRESSIONS["FleetDrift"] == (
        "tidegauge:fleet:psi > 0.2\n"
        "unless on (model_name, model_version, reference, feature) drift_muted == 1"
    )


def test_two_alerts_share_one_recorded_index() -> None:
    """Another threshold is another alert on the same series; another index would overwrite them."""
    (fleet,) = FLEET_ALERTS
    strong = dataclasses.replace(fleet.with_threshold(0.5), name="FleetDriftStrong")
    (one,) = rule_groups([fleet, strong])
    assert [rule["alert"] for rule in one["rules"] if "alert" in rule] == [
        "FleetDrift", "FleetDriftStrong",
    ]  # fmt: skip
    assert len(one["rules"]) == 2 * 4 + 2
    with pytest.raises(ValueError, match=r"^alert definitions: got FleetDrift and FleetDriftStron"):
        rule_groups([fleet, strong.with_minimum(1000)])


def test_a_guard_belongs_to_its_measure() -> None:
    """Events cannot be divided by a gauge elsewhere, and an index has no other guard."""
    effective = EffectiveGuard(metrics.DRIFT_DESIGN_EFFECT, 300)
    with pytest.raises(TypeError, match=r"^guard of HighErrorRate: got an EffectiveGuard on Share"):
        expression(dataclasses.replace(BY_NAME["HighErrorRate"], guard=effective))
    (fleet,) = FLEET_ALERTS
    with pytest.raises(TypeError, match=r"^guard of FleetDrift: got EventGuard"):
        rule_groups([dataclasses.replace(fleet, guard=EventGuard(5))])
    (free,) = rule_groups([dataclasses.replace(fleet, guard=None)])
    assert not any(">=" in rule["expr"] for rule in free["rules"])


def test_events_cannot_guard_a_gauge() -> None:
    """A guard that cannot be counted is a clear error, not a rule that never fires."""
    wrong = dataclasses.replace(BY_NAME["InputDrift"], guard=EventGuard(5))
    with pytest.raises(TypeError, match=r"^guard of InputDrift: got an EventGuard on Last"):
        expression(wrong)


@given(value=st.text(st.characters(codec="utf-8"), min_size=1))
def test_any_label_value_is_quoted(value: str) -> None:
    """A label value comes back from a parser as it went in, alone and among others."""
    for values in ((value,), (value, "other")):
        alert = dataclasses.replace(BY_NAME["InputDrift"], measure=Last((Where("family", values),)))
        if "\x00" in value:
            continue
        parsed = promql_parser.parse(expression(alert))
        selector = next(
            node for node in nodes(parsed) if isinstance(node, promql_parser.VectorSelector)
        )
        matcher = selector.matchers.matchers[0]
        if len(values) == 1:
            assert value == matcher.value


def test_rendering_is_stable_and_readable_back() -> None:
    """The same definitions give the same bytes, and the YAML holds exactly the groups."""
    text = render_prometheus(EVERY, runbook_url="https://runbooks.example.com/{name}")
    again = render_prometheus(EVERY, runbook_url="https://runbooks.example.com/{name}")
    assert text == again
    groups = rule_groups(EVERY, runbook_url="https://runbooks.example.com/{name}")
    assert {"groups": groups} == yaml.safe_load(text)


def test_the_header_says_how_the_file_was_made() -> None:
    """Who finds the file knows how to make it again."""
    lines = render_prometheus(DEFAULT_ALERTS, made_by="tidegauge rules render prometheus").split(
        "\n"
    )
    assert lines[0].startswith("# Tidegauge's alert rules for Prometheus (tidegauge-alerting ")
    assert lines[2] == "#   tidegauge rules render prometheus"
    assert lines[3] == "groups:"


def test_each_alert_has_severity_summary_and_description() -> None:
    """An alert says how urgent it is, what happened and what to look at."""
    rules = {
        rule["alert"]: rule for rule in rule_groups(DEFAULT_ALERTS)[0]["rules"] if "alert" in rule
    }
    assert list(BY_NAME) == list(rules)
    for name, rule in rules.items():
        assert {"severity": BY_NAME[name].severity.value} == rule["labels"]
        assert list(rule["annotations"]) == ["summary", "description", "first_steps"]
        assert ("for" in rule) == (BY_NAME[name].for_s > 0)
        assert "{}" not in str(rule["annotations"])


def test_a_runbook_is_named_only_where_there_is_one() -> None:
    """The annotation has the alert's name in it, and is absent without an address."""
    with_one = rule_groups(DEFAULT_ALERTS, runbook_url="https://r.example.com/{name}#top")
    urls = [rule["annotations"]["runbook_url"] for rule in with_one[0]["rules"] if "alert" in rule]
    assert [f"https://r.example.com/{name}#top" for name in BY_NAME] == urls
    assert "runbook_url" not in render_prometheus(DEFAULT_ALERTS)


def test_the_text_of_a_tuned_alert_has_its_threshold() -> None:
    """What a person reads is what the rule compares with."""
    rule = rule_groups([BY_NAME["HighErrorRate"].with_threshold(0.125)])[0]["rules"][0]
    assert "> 0.125" in rule["expr"]
    assert "More than 12.5 % of the calls" in rule["annotations"]["description"]


@pytest.mark.parametrize(
    "text", ["{{{{ $labels.pod }}}}", "{{{{{{", "{{{{ end }}}} {{{{ nil }}}}", "{{{value:number}"]
)
def test_braces_of_a_text_open_no_template(text: str) -> None:
    """What a user writes in double braces is shown, and never run by the vendor."""
    own = dataclasses.replace(BY_NAME["HighLatency"], summary=text, runbook_url="https://a/{{b}}")
    rule = rule_groups([own])[0]["rules"][0]
    for shown in (rule["annotations"]["summary"], rule["annotations"]["runbook_url"]):
        left = re.sub(r'\{\{ "\{+" \}\}', "", shown).replace('{{ $value | printf "%.3g" }}', "")
        assert "{" not in left


def test_a_brace_without_partner_is_refused() -> None:
    """A text that cannot be read is a clear error."""
    own = dataclasses.replace(BY_NAME["HighLatency"], summary="{value")
    with pytest.raises(ValueError, match=r"^text of HighLatency: got '\{value'; expected each"):
        rule_groups([own])


@pytest.mark.parametrize("field", ["feature", "target", "see", "value", "value:euros", "", "0"])
def test_a_text_names_only_what_the_alert_carries(field: str) -> None:
    """A placeholder that would stay empty at night fails when it is rendered."""
    wrong = dataclasses.replace(BY_NAME["HighLatency"], summary=f"{{{field}}}")
    with pytest.raises(ValueError, match=r"^text of HighLatency: got ") as caught:
        rule_groups([wrong])
    assert (
        f"text of HighLatency: got {f'{{{field}}}'!r}; expected one of model_name, model_version, "
        "model, target, see, value:FORM, threshold:FORM, FORM one of number, percent, duration. "
        "Use what the alert carries."
    ) == str(caught.value)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(1, "1s"), (60, "1m"), (90, "90s"), (300, "5m"), (3600, "1h"), (5400, "90m"), (172_800, "2d")],
)
def test_durations_are_written_as_prometheus_does(seconds: int, text: str) -> None:
    """A duration is one number in the largest unit that fits."""
    assert text == duration(seconds)


def test_a_gauge_without_guard_renders_for_any_metric() -> None:
    """A definition of one's own needs no more than a metric and a number."""
    spec: MetricSpec = metrics.MODEL_ACCURACY
    own = AlertDefinition(
        "Accuracy", spec, Last(), Comparison.AT_LEAST, 0.95, Severity.INFO,
        "{model} is at {value:percent}", "Above {threshold:number}.",
    )  # fmt: skip
    assert expression(own) == "model_accuracy >= 0.95"

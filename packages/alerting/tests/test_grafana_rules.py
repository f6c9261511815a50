from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jsonschema
import promql_parser
import pytest
import yaml
from grafana_foundation_sdk.models.alerting import Rule
from hypothesis import given
from hypothesis import strategies as st
from tidegauge_alerting import AlertDefinition, Comparison, Severity
from tidegauge_alerting.alert_file import load, own_sources
from tidegauge_alerting.channels import Channel, Secret
from tidegauge_alerting.dashboard_files import load_dashboards
from tidegauge_alerting.grafana import contacts, texts
from tidegauge_alerting.grafana.files import draw
from tidegauge_alerting.grafana.rules import HEADER, render_rules
from tidegauge_alerting.vendors import Request
from tidegauge_testkit.contracts import commands

SCHEMA = json.loads(Path(__file__).with_name("grafana_alerting.schema.json").read_text())
DEFAULT_ALERTS, FLEET_ALERTS = load().alerts, load(sources=own_sources()).off
(HIGH_ERROR_RATE,) = (alert for alert in DEFAULT_ALERTS if alert.name == "HighErrorRate")
CHANNELS = {
    channel.name: channel
    for channel in (
        Channel("oncall", "pagerduty", routing_key=Secret(file="/run/secrets/pagerduty")),
        Channel("ml", "slack", url=Secret(env="SLACK_URL"), channel="#ml", send_resolved=False),
        Channel("team", "email", to=("a@example.com", "b@example.com")),
        Channel("hook", "webhook", address="https://example.com/hook?cost=$5"),
        Channel("secret_hook", "webhook", url=Secret(file="/run/secrets/hook")),
    )
}
ROUTES = {Severity.CRITICAL: ("oncall", "ml"), Severity.WARNING: ("ml",)}


def rendered(
    definitions: Sequence[AlertDefinition], **more: Any
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the file as Grafana reads it, held to the schema, and its rules."""
    written = render_rules(Request(definitions, "tidegauge rules render grafana", **more))
    assert written.text.startswith(HEADER)
    data = yaml.safe_load(written.text)
    jsonschema.validate(data, SCHEMA)
    rules = [rule for group in data["groups"] for rule in group["rules"]]
    assert len(rules) == written.number
    return data, rules


def test_every_alert_is_a_rule() -> None:
    """All but those on recorded values are there, in order, each with an identity of its own."""
    _, rules = rendered(DEFAULT_ALERTS)
    assert [rule["title"] for rule in rules] == [alert.name for alert in DEFAULT_ALERTS]
    assert len({rule["uid"] for rule in rules}) == len(rules)
    for rule in rules:
        promql_parser.parse(rule["data"][0]["model"]["expr"])


def test_a_recorded_index_is_left_to_prometheus() -> None:
    """What would have no data without other rules is said to be left out."""
    written = render_rules(Request(FLEET_ALERTS, "x"))
    assert written.number == 0
    assert [name for name, _ in written.left_out] == [alert.name for alert in FLEET_ALERTS]


def test_no_expression_needs_our_recording_rules() -> None:
    """Grafana asks a Prometheus that may have none of our rules: no records, no ALERTS."""
    _, rules = rendered(DEFAULT_ALERTS)
    for rule in rules:
        assert not re.search(r"tidegauge:|ALERTS", rule["data"][0]["model"]["expr"])


def test_the_librarys_own_model_reads_a_rule() -> None:
    """Reading a rule and writing it again loses nothing that both formats have."""
    _, rules = rendered(DEFAULT_ALERTS, channels=CHANNELS, routes=ROUTES)
    for rule in rules:
        again = Rule.from_json(
            {**rule, "folderUID": "tidegauge", "ruleGroup": "tidegauge", "orgID": 1}
        ).to_json()
        for key in ("uid", "title", "condition", "noDataState", "execErrState", "for", "labels"):
            assert rule[key] == again[key]
        assert rule["annotations"] == again["annotations"]


def holds(evaluator: dict[str, Any], value: float) -> bool:
    """Compare as Grafana does."""
    first, last = evaluator["params"][0], evaluator["params"][-1]
    found: bool = {
        "gt": value > first,
        "lt": value < first,
        "within_range": first < value < last,
        "outside_range": value < first or value > last,
    }[evaluator["type"]]
    return found


@pytest.mark.parametrize("recovers", [False, True])
def test_grafana_compares_as_the_definition_does(recovers: bool) -> None:
    """It begins and ends at the same values, the threshold and the recovery themselves included."""
    alerts: list[AlertDefinition] = []
    for comparison in Comparison:
        has_side = comparison not in (Comparison.EQUAL, Comparison.OUTSIDE)
        below = comparison in (Comparison.BELOW, Comparison.AT_MOST)
        alerts.append(
            dataclasses.replace(
                HIGH_ERROR_RATE,
                name=f"Alert{len(alerts)}",
                comparison=comparison,
                threshold=2.0,
                low=1.0 if comparison is Comparison.OUTSIDE else None,
                recovery=(3.0 if below else 1.0) if recovers and has_side else None,
            )
        )
    _, rules = rendered(alerts)
    for alert, rule in zip(alerts, rules, strict=True):
        (condition,) = rule["data"][1]["model"]["conditions"]
        assert ("unloadEvaluator" in condition) == (alert.recovery is not None)
        for value in (-1.0, 0.0, 0.999, 1.0, 1.001, 1.999, 2.0, 2.001, 2.999, 3.0, 3.001):
            assert alert.fires_at(value) == holds(condition["evaluator"], value)
            if alert.recovery is not None:
                assert alert.stays_at(value) != holds(condition["unloadEvaluator"], value)


def test_whom_an_alert_tells_stands_in_the_rule() -> None:
    """The channels of its severity, or its own; as often as its cooldown allows."""
    own = dataclasses.replace(HIGH_ERROR_RATE, name="Own", channels=("team",), cooldown_s=5400)
    info = dataclasses.replace(HIGH_ERROR_RATE, name="Info", severity=Severity.INFO)
    data, rules = rendered([HIGH_ERROR_RATE, own, info], channels=CHANNELS, routes=ROUTES)
    settings = [rule.get("notification_settings") for rule in rules]
    assert settings == [
        {
            "receiver": "tidegauge oncall and ml",
            "group_by": ["grafana_folder", "alertname", "model_name"],
            "repeat_interval": "4h",
        },
        {
            "receiver": "tidegauge team",
            "group_by": ["grafana_folder", "alertname", "model_name"],
            "repeat_interval": "90m",
        },
        None,
    ]
    assert [point["name"] for point in data["contactPoints"]] == [
        "tidegauge oncall and ml", "tidegauge team",
    ]  # fmt: skip
    assert "policies" not in data  # they would replace the organisation's own


def test_secrets_are_references(monkeypatch: pytest.MonkeyPatch) -> None:
    """The file names where a secret is; it is never read."""
    monkeypatch.setenv("SLACK_URL", "https://hooks.example.com/secret")
    alert = dataclasses.replace(HIGH_ERROR_RATE, channels=tuple(CHANNELS))
    data, _ = rendered([alert], channels=CHANNELS)
    (point,) = data["contactPoints"]
    assert {each["type"] + str(each["settings"]) for each in point["receivers"]} == {
        "pagerduty{'integrationKey': '$__file{/run/secrets/pagerduty}'}",
        "slack{'url': '${SLACK_URL}', 'recipient': '#ml'}",
        "email{'addresses': 'a@example.com;b@example.com', 'singleEmail': True}",
        "webhook{'url': 'https://example.com/hook?cost=$$5', 'httpMethod': 'POST'}",
        "webhook{'url': '$__file{/run/secrets/hook}', 'httpMethod': 'POST'}",
    }
    assert [each["disableResolveMessage"] for each in point["receivers"]] == [
        False, True, False, False, False,
    ]  # fmt: skip
    assert len({each["uid"] for each in point["receivers"]}) == 5


@pytest.mark.parametrize(
    ("channel", "message"),
    [
        (
            None,
            "channel: got 'x'; expected one of none. Define it under channels, or correct the "
            "name.",
        ),
        (
            Channel("x", "slack"),
            "channel x: got no url; expected where it is kept, a file or a variable. Name one.",
        ),
        (
            Channel("x", "pagerduty", routing_key=Secret(file="/a}b")),
            "channel x: got '/a}b'; expected a path without '}', which ends it in Grafana's files. "
            "Move the file.",
        ),
    ],
)  # fmt: skip
def test_a_channel_that_cannot_be_is_refused(channel: Channel | None, message: str) -> None:
    """The message names the channel, never a secret."""
    with pytest.raises(ValueError, match=re.escape(message)):
        contacts.contact_point(["x"], {"x": channel} if channel else {})


@given(st.text(alphabet='ab${}" \\n:-', max_size=20))
def test_words_of_a_user_are_no_template(words: str) -> None:
    """A text is shown as it is: Grafana's templates and variables find nothing in it."""
    escaped = texts.escape(words)
    assert "$" not in escaped
    shown = re.sub(
        r'\{\{ "((?:\\x24|\{)+)" \}\}', lambda found: found[1].replace("\\x24", "$"), escaped
    )
    assert words == shown
    assert "{{" not in re.sub(r'\{\{ "(?:\\x24|\{+)" \}\}', "", escaped)


def test_a_rule_leads_to_the_panel_that_shows_it() -> None:
    """The panel of that number, on the dashboard of that uid, is one of the alert's."""
    _, rules = rendered(DEFAULT_ALERTS)
    files = draw(load_dashboards(), {alert.name: alert for alert in DEFAULT_ALERTS}).files
    pages = {
        page["uid"]: page
        for name, text in files.items()
        if name.endswith(".json")
        for page in [json.loads(text)]
    }
    linked = [rule for rule in rules if "panelId" in rule]
    assert len(linked) >= 6
    told = {
        (dashboard.name, panel.title): panel.alerts
        for dashboard in load_dashboards()
        for panel in dashboard.panels
    }
    for rule in linked:
        page = pages[rule["dashboardUid"]]
        (panel,) = (each for each in page["panels"] if each["id"] == rule["panelId"])
        name = page["uid"].removeprefix("tidegauge-").replace("-", "_")
        assert rule["title"] in told[name, panel["title"]]


def test_the_data_source_is_the_one_that_is_provisioned() -> None:
    """Rules ask the data source that the other file makes."""
    files = draw(load_dashboards(), {}).files
    (source,) = yaml.safe_load(files["datasources/tidegauge.yaml"])["datasources"]
    _, rules = rendered(DEFAULT_ALERTS)
    assert {rule["data"][0]["datasourceUid"] for rule in rules} == {source["uid"]}
    assert source["url"] == "${PROMETHEUS_URL}"
    (provider,) = yaml.safe_load(files["dashboards/tidegauge.yaml"])["providers"]
    assert provider["options"]["path"].endswith("/dashboards/tidegauge")


def test_the_command_writes_the_file(tmp_path: Path) -> None:
    """It is one more vendor of the same command, and says what to do with the file."""
    path = tmp_path / "tidegauge.yaml"
    terminal = commands.run("rules render", "grafana", "-o", path)
    assert terminal.lines == [
        f"{path}: {len(DEFAULT_ALERTS)} alerts. Put it into provisioning/alerting of Grafana, and "
        "start Grafana again.",
        "Its data source is in what tidegauge dashboards render grafana writes.",
    ]
    jsonschema.validate(yaml.safe_load(path.read_text()), SCHEMA)

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from tidegauge_alerting import load, rule_groups
from tidegauge_alerting.alert_file import own_sources
from tidegauge_alerting.kubernetes import resources
from tidegauge_alerting.vendors import Request
from tidegauge_testkit.backends import Promtool
from tidegauge_testkit.contracts import commands

SCHEMA = json.loads((Path(__file__).parent / "operator.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
FILE = """\
version: 1
channels:
  oncall: {type: pagerduty, routing_key_file: /etc/key, address: "http://pd.example.com"}
  ml: {type: slack, url_file: /etc/slack-url, channel: "#ml"}
  mail: {type: email, to: a@example.com, from: b@example.com, smarthost: smtp.example.com:587,
         username: u, password_file: /etc/password}
  retrain: {type: webhook, address: "http://example.com/alerts"}
  secret: {type: webhook, url_file: /etc/hook}
routes: {critical: [oncall, ml, retrain, secret], warning: [ml], info: [mail]}
"""


def request(tmp_path: Path, text: str = FILE) -> Request:
    """Return what the command asks for."""
    path = tmp_path / "alerts.yaml"
    path.write_text(text)
    file = load(path, sources=own_sources(), enable=["FleetDrift"])
    channels = {channel.name: channel for channel in file.channels}
    return Request(file.alerts, "tidegauge rules render", channels=channels, routes=file.routes)


def by_kind(found: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return resources by their kinds."""
    return {each["kind"]: each for each in found}


def test_the_resources_are_the_operators(tmp_path: Path) -> None:
    """Every field is one that the operator's reference has, of its type."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    found = resources(request(tmp_path))
    assert [each["kind"] for each in found] == [
        "PrometheusRule", "AlertmanagerConfig", "ServiceMonitor", "PodMonitor",
    ]  # fmt: skip
    for each in found:
        VALIDATOR.validate(each)
    VALIDATOR.validate(by_kind(resources(request(tmp_path, "version: 1\n")))["AlertmanagerConfig"])


@pytest.mark.parametrize("kind", ["PrometheusRule", "AlertmanagerConfig", "PodMonitor"])
def test_the_schema_can_refuse(kind: str, tmp_path: Path) -> None:
    """A field that the operator does not know is no resource."""
    found = by_kind(resources(request(tmp_path)))[kind]
    found["spec"]["group_by"] = ["model_name"]
    assert not VALIDATOR.is_valid(found)


def test_routes_and_secrets_are_alertmanagers(tmp_path: Path) -> None:
    """The same routes and texts; a secret is a key of the secret beside it."""
    spec = by_kind(resources(request(tmp_path)))["AlertmanagerConfig"]["spec"]
    receivers = {each["name"]: each for each in spec["receivers"]}
    pages = receivers["tidegauge-oncall-ml-retrain-secret"]
    assert pages["pagerdutyConfigs"][0]["routingKey"] == {"name": "tidegauge", "key": "key"}
    assert pages["pagerdutyConfigs"][0]["url"] == "http://pd.example.com/v2/enqueue"
    assert pages["slackConfigs"][0]["apiURL"] == {"name": "tidegauge", "key": "slack-url"}
    hooks = [
        {"sendResolved": True, "url": "http://example.com/alerts"},
        {"sendResolved": True, "urlSecret": {"name": "tidegauge", "key": "hook"}},
    ]
    assert pages["webhookConfigs"] == hooks
    mail = receivers["tidegauge-mail"]["emailConfigs"][0]
    assert mail["authPassword"] == {"name": "tidegauge", "key": "password"}
    repeats = {route["receiver"]: route["repeatInterval"] for route in spec["route"]["routes"]}
    assert repeats == {
        "tidegauge-oncall-ml-retrain-secret": "4h", "tidegauge-ml": "1d", "tidegauge-mail": "7d",
    }  # fmt: skip
    assert len(spec["inhibitRules"]) == 5


def test_a_file_that_is_no_key_is_refused(tmp_path: Path) -> None:
    """Kubernetes has keys of letters, digits and three signs."""
    text = FILE.replace("/etc/slack-url", "/etc/slack url")
    with pytest.raises(ValueError, match=r"^secret: got the file 'slack url'; expected letters"):
        resources(request(tmp_path, text))


@pytest.mark.backends
def test_promtool_accepts_the_groups(tmp_path: Path) -> None:
    """What the operator will hand to Prometheus is a rule file."""
    source, target = tmp_path / "alerts.yaml", tmp_path / "tidegauge.k8s.yaml"
    source.write_text(FILE)
    assert commands.run("rules render", "kubernetes", "--alerts", source, "-o", target).status == 0
    rule, *_ = yaml.safe_load_all(target.read_text())
    groups = tmp_path / "groups.yml"
    groups.write_text(json.dumps(rule["spec"]))
    assert "SUCCESS" in Promtool().check_rules(groups)
    assert rule["spec"]["groups"] == rule_groups(load(source).alerts)

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from tidegauge_alerting import load
from tidegauge_alerting.alert_file import own_sources
from tidegauge_alerting.alertmanager import HEADER, VENDOR, configuration, inhibitions, ways
from tidegauge_alerting.vendors import Request
from tidegauge_testkit.contracts import commands

if TYPE_CHECKING:
    from pathlib import Path

FILE = """\
version: 1
channels:
  oncall: {type: pagerduty, routing_key_file: /etc/key}
  ml: {type: slack, url_file: /etc/url, channel: "{{ .ExternalURL }}"}
  mail: {type: email, to: a@example.com, from: b@example.com, smarthost: smtp.example.com:587,
         username: u, password_file: /etc/password}
  retrain: {type: webhook, address: "http://example.com/alerts", send_resolved: false}
  secret: {type: webhook, url_file: /etc/hook}
routes: {critical: [oncall, ml], warning: [ml], info: [mail]}
alerts:
  - {name: ModelDrift, channels: [oncall, retrain]}
  - {name: HighLatency, cooldown: 2h}
"""


def request(tmp_path: Path, text: str = FILE) -> Request:
    """Return what the command asks for, of this package's definitions and a file."""
    path = tmp_path / "alerts.yaml"
    path.write_text(text)
    file = load(path, sources=own_sources())
    channels = {channel.name: channel for channel in file.channels}
    return Request(file.alerts, "tidegauge rules render", channels=channels, routes=file.routes)


def receivers(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the receivers by their names."""
    return {each["name"]: each for each in found["receivers"]}


def test_each_alert_has_one_way(tmp_path: Path) -> None:
    """By its channels and cooldown; the first route that fits is its own."""
    asked = request(tmp_path)
    found = configuration(asked)
    for alert in asked.definitions:
        fitting = [
            route
            for route in found["route"]["routes"]
            if re.fullmatch(route["matchers"][1].split('"')[1], alert.name)
        ]
        assert len(fitting) == 1
        assert fitting[0]["matchers"][0] == f'severity="{alert.severity.value}"'
    by_name = {name: way for way in ways(asked) for name in way.names}
    assert {
        name: (by_name[name].receiver, by_name[name].cooldown_s)
        for name in ("ModelDrift", "HighErrorRate", "HighLatency", "InputDrift", "TidegaugeFaults")
    } == {
        "ModelDrift": ("tidegauge-oncall-retrain", 14_400),
        "HighErrorRate": ("tidegauge-oncall-ml", 14_400),
        "HighLatency": ("tidegauge-ml", 7200),
        "InputDrift": ("tidegauge-ml", 86_400),
        "TidegaugeFaults": ("tidegauge-mail", 604_800),
    }


def test_without_a_file_nobody_is_told(tmp_path: Path) -> None:
    """Alerts stand on Alertmanager's own page; that is a configuration too."""
    found = configuration(request(tmp_path, "version: 1\n"))
    assert [each["name"] for each in found["receivers"]] == ["tidegauge-nobody"]
    assert {route["receiver"] for route in found["route"]["routes"]} == {"tidegauge-nobody"}


def test_one_page_a_model(tmp_path: Path) -> None:
    """What fires together about a model is one message."""
    assert configuration(request(tmp_path))["route"]["group_by"] == ["model_name"]


def test_what_says_more_inhibits_what_says_less(tmp_path: Path) -> None:
    """A model's outputs its inputs, its inputs their features, many models each of them."""
    found = list(inhibitions(request(tmp_path).definitions))
    model = ("model_name", "model_version")
    quality = ("MissingValues", "OutOfRangeValues", "NewCategories", "TypeErrors")
    assert found == [
        ("ModelDrift", ("InputDrift", "DataDriftDetected", *quality), model),
        ("InputDrift", ("DataDriftDetected",), model),
        ("ManyModelsDrift", ("InputDrift", "DataDriftDetected", *quality), ()),
        ("ReferenceMismatch", ("InputDrift", "DataDriftDetected"), model),
    ]
    file = load(enable=["FleetDrift"], sources=own_sources())
    fleet = [each for each in inhibitions(file.alerts) if each[0] == "FleetDrift"]
    assert fleet == [("FleetDrift", ("DataDriftDetected",), (*model, "feature"))]


def test_secrets_are_references(tmp_path: Path) -> None:
    """Alertmanager reads the files; a variable it cannot read is a clear error."""
    found = receivers(configuration(request(tmp_path)))
    oncall = found["tidegauge-oncall-ml"]
    assert oncall["pagerduty_configs"][0]["routing_key_file"] == "/etc/key"
    assert oncall["slack_configs"][0]["api_url_file"] == "/etc/url"
    (mail,) = found["tidegauge-mail"]["email_configs"]
    assert mail["auth_password_file"] == "/etc/password"  # noqa: S105 - a path
    with pytest.raises(ValueError, match="expected") as caught:
        configuration(request(tmp_path, FILE.replace("url_file: /etc/url", "url_env: SLACK_URL")))
    assert str(caught.value) == (
        "secret of channel ml: got the variable SLACK_URL; expected a file: Alertmanager reads no "
        "variables. Write it to a file and name that."
    )


def test_a_webhook_has_an_address_or_a_file(tmp_path: Path) -> None:
    """One that is no secret stands there, the other is read by Alertmanager 0.26."""
    text = FILE.replace("info: [mail]", "info: [retrain, secret]")
    (hooks,) = (
        each["webhook_configs"]
        for name, each in receivers(configuration(request(tmp_path, text))).items()
        if name == "tidegauge-retrain-secret"
    )
    assert hooks == [
        {"send_resolved": False, "url": "http://example.com/alerts"},
        {"send_resolved": True, "url_file": "/etc/hook"},
    ]


def test_what_a_user_writes_is_no_template(tmp_path: Path) -> None:
    """Nor does what a model is called speak to Slack: <!channel> would wake all of it."""
    (slack,) = receivers(configuration(request(tmp_path)))["tidegauge-ml"]["slack_configs"]
    assert slack["channel"] == '{{ "{{" }} .ExternalURL }}'
    for template in (slack["title"], slack["text"], slack["fallback"]):
        actions = re.findall(r"\{\{ (.*?) \}\}", template)
        values = [each for each in actions if re.match(r"\(index|\.Annotations|\.( |$)", each)]
        assert values
        assert all('reReplaceAll "<" "&lt;"' in each for each in values)


def test_the_command_writes_it(tmp_path: Path) -> None:
    """Its header makes it again; amtool, where it is installed, accepts it."""
    source, target = tmp_path / "alerts.yaml", tmp_path / "alertmanager.yml"
    source.write_text(FILE)
    terminal = commands.run("rules render", "alertmanager", "--alerts", source, "-o", target)
    assert terminal.status == 0
    text = target.read_text()
    assert text.startswith(HEADER)
    assert VENDOR.header == HEADER
    assert f"rules render alertmanager --alerts {source}" in text
    assert yaml.safe_load(text)["route"]["group_interval"] == "1m"
    amtool = shutil.which("amtool")
    if amtool is None:
        pytest.skip("amtool is not installed")
    done = subprocess.run(
        [amtool, "check-config", target], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, "SUCCESS" in done.stdout) == (0, True)

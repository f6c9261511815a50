from __future__ import annotations

import re
from pathlib import Path

import pytest
from tidegauge_alerting import prometheus_fleet, render_prometheus, rule_groups
from tidegauge_alerting.alert_file import load, own_sources
from tidegauge_alerting.promql import duration
from tidegauge_exporter_prometheus import prometheus_name
from tidegauge_semconv import metrics
from tidegauge_testkit.backends.stories import Firing, Series, Story, play

DEFAULT_ALERTS = load(sources=own_sources()).alerts
FLEET_ALERTS = load(sources=own_sources()).off
DOCS = Path(__file__).parents[3] / "docs" / "how-to"
PAGE = DOCS / "alerts.md"
FLEET_PAGE = DOCS / "fleet-drift.md"


def test_the_page_of_the_fleet_has_its_alert() -> None:
    """The table has one row an alert, with its severity and time."""
    row = re.compile(r"^\| `(\w+)` \| (\w+) \| .* \| ([\w ]+) \| .* \|$", re.MULTILINE)
    assert row.findall(FLEET_PAGE.read_text()) == [
        (alert.name, alert.severity.value, duration(alert.for_s)) for alert in FLEET_ALERTS
    ]


def test_the_page_names_every_series_of_the_fleet() -> None:
    """What the rules record and read stands in the table, with its labels."""
    text = FLEET_PAGE.read_text()
    for spec in (metrics.MODEL_FEATURE_BIN, metrics.DRIFT_REFERENCE_BIN_RATIO):
        assert f"| `{prometheus_name(spec)}` |" in text
    for record in (prometheus_fleet.INDEX, prometheus_fleet.ROWS, prometheus_fleet.SHARES):
        assert f"| `{record}` |" in text


@pytest.mark.backends
def test_the_example_of_a_model_that_nobody_calls_does_what_it_says(tmp_path: Path) -> None:
    """It begins when no process has had a call for 20 minutes, and ends with the first."""
    (example,) = re.findall(r"```yaml\n(version: 1\n.*?)```", PAGE.read_text(), re.DOTALL)
    path = tmp_path / "tidegauge-alerts.yaml"
    path.write_text(example)
    (alert,) = (each for each in load(path).alerts if each.name == "ModelNotCalled")
    requests = prometheus_name(metrics.MODEL_REQUESTS)
    fraud = {"model_name": "fraud", "status": "success", "job": "serve"}
    idle, busy = {**fraud, "instance": "a:1"}, {**fraud, "instance": "b:1", "model_name": "churn"}
    quiet = {**busy, "instance": "c:1"}
    story = Story(
        "ModelNotCalled",
        "called for 10 minutes, then by nobody for 30, then again",
        (
            Series(requests, "0+5x10 50x29 51+5x10", idle),
            Series(requests, "0x60", {**idle, "status": "error"}),
            Series(requests, "0+5x60", busy),
            Series(requests, "7x60", quiet),
        ),
        (
            Firing(24),
            Firing(32, ({"model_name": "fraud"},)),
            Firing(38, ({"model_name": "fraud"},)),
            Firing(42),
        ),
    )
    play([story], rule_groups([alert]), tmp_path, labels={"severity": alert.severity.value})


def test_the_example_of_the_page_works(tmp_path: Path) -> None:
    """The file of alerts renders as it stands, with what it says."""
    (example,) = re.findall(r"```yaml\n(# yaml-language.*?)```", PAGE.read_text(), re.DOTALL)
    path = tmp_path / "tidegauge-alerts.yaml"
    path.write_text(example)
    found = load(path)
    by_name = {alert.name: alert for alert in found.alerts}
    assert (by_name["HighLatency"].threshold, by_name["HighLatency"].recovery) == (0.8, 0.64)
    assert "StrongShift" in by_name
    assert "TidegaugeFaults" not in by_name
    assert [channel.name for channel in found.channels_of(by_name["StrongShift"])] == ["oncall"]
    assert "alert: StrongShift" in render_prometheus(found.alerts)

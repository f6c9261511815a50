from __future__ import annotations

import re
from pathlib import Path

from tidegauge_alerting import prometheus_fleet, render_prometheus
from tidegauge_alerting.alert_file import load, own_sources
from tidegauge_alerting.promql import duration
from tidegauge_exporter_prometheus import prometheus_name
from tidegauge_semconv import metrics

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

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tidegauge_alerting import DEFAULT_ALERTS, FLEET_ALERTS, AlertDefinition, prometheus_fleet
from tidegauge_alerting.promql import duration
from tidegauge_exporter_prometheus import prometheus_name
from tidegauge_semconv import metrics

DOCS = Path(__file__).parents[3] / "docs" / "how-to"
PAGE = DOCS / "alerts.md"
FLEET_PAGE = DOCS / "fleet-drift.md"


@pytest.mark.parametrize(("page", "alerts"), [(PAGE, DEFAULT_ALERTS), (FLEET_PAGE, FLEET_ALERTS)])
def test_the_page_lists_every_alert(page: Path, alerts: tuple[AlertDefinition, ...]) -> None:
    """The table has one row an alert, with its severity and time, in the rendered order."""
    row = re.compile(r"^\| `(\w+)` \| (\w+) \| .* \| ([\w ]+) \| .* \|$", re.MULTILINE)
    rows = row.findall(page.read_text())
    assert rows == [
        (alert.name, alert.severity.value, duration(alert.for_s) if alert.for_s else "at once")
        for alert in alerts
    ]


def test_the_page_names_every_series_of_the_fleet() -> None:
    """What the rules record and read stands in the table, with its labels."""
    text = FLEET_PAGE.read_text()
    for spec in (metrics.MODEL_FEATURE_BIN, metrics.DRIFT_REFERENCE_BIN_RATIO):
        assert f"| `{prometheus_name(spec)}` |" in text
    for record in (prometheus_fleet.INDEX, prometheus_fleet.ROWS, prometheus_fleet.SHARES):
        assert f"| `{record}` |" in text


def test_the_example_of_the_page_works() -> None:
    """The definition of one's own renders as it stands."""
    (example,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    names: dict[str, str] = {}
    exec(example, names)  # noqa: S102 - the page's own example
    assert "alert: StrongShift" in names["text"]

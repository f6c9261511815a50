"""The how-to page says what the code does."""

from __future__ import annotations

from pathlib import Path

from tidegauge.settings import rows
from tidegauge_exporter_prometheus import prometheus_name
from tidegauge_exporter_prometheus.settings import PrometheusSettings
from tidegauge_semconv import all_metrics

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "prometheus.md"
BEGIN, END = "<!-- names: begin -->\n", "<!-- names: end -->\n"


def test_the_table_of_names_is_complete() -> None:
    """Every metric of the suite has its row; on a difference, paste what the test expects."""
    table = PAGE.read_text().split(BEGIN)[1].split(END)[0]
    lines = ["| Prometheus | type | labels | what it is |", "| --- | --- | --- | --- |"]
    for spec in all_metrics():
        labels = ", ".join(spec.attributes)
        lines.append(f"| `{prometheus_name(spec)}` | {spec.kind} | {labels} | {spec.description} |")
    expected = "\n".join(lines) + "\n"
    assert table == expected, f"paste this between the markers of {PAGE.name}:\n{expected}"


def test_every_setting_is_on_the_page() -> None:
    """Who looks for a variable finds it."""
    page = PAGE.read_text()
    assert [row.env for row in rows(PrometheusSettings).values() if row.env not in page] == []

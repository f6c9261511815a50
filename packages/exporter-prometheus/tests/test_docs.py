"""The how-to page says what the code does."""

from __future__ import annotations

from pathlib import Path

from tidegauge.settings import rows
from tidegauge_exporter_prometheus.settings import PrometheusSettings

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "prometheus.md"


def test_every_setting_is_on_the_page() -> None:
    """Who looks for a variable finds it."""
    page = PAGE.read_text()
    assert [row.env for row in rows(PrometheusSettings).values() if row.env not in page] == []

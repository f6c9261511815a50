"""All files that Grafana reads, by their place in one folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tidegauge_alerting.dashboard_vendors import Drawn
from tidegauge_alerting.definitions import AlertDefinition
from tidegauge_alerting.grafana.dashboards import render_dashboard, uid
from tidegauge_alerting.panels import Dashboard


def draw(dashboards: Sequence[Dashboard], alerts: Mapping[str, AlertDefinition]) -> Drawn:
    """Return a file for each dashboard."""
    return Drawn(
        {
            f"dashboards/{uid(dashboard.name)}.json": render_dashboard(dashboard, alerts)
            for dashboard in dashboards
        }
    )

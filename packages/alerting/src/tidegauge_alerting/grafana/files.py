"""What Grafana shows, as a folder that it reads when it starts: its provisioning folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tidegauge_alerting import block_yaml
from tidegauge_alerting.dashboard_vendors import Drawn
from tidegauge_alerting.definitions import AlertDefinition
from tidegauge_alerting.grafana.dashboards import render_dashboard
from tidegauge_alerting.grafana.grid import uid
from tidegauge_alerting.grafana.rules import SOURCE
from tidegauge_alerting.panels import Dashboard

# Where Grafana's packages and images have their provisioning folder.
_FOLDER = "/etc/grafana/provisioning/dashboards/tidegauge"

_MADE_BY = "tidegauge dashboards render grafana"

_SOURCES: dict[str, Any] = {
    "apiVersion": 1,
    "datasources": [
        {
            "name": "Tidegauge Prometheus",
            "uid": SOURCE,
            "type": "prometheus",
            "access": "proxy",
            # Grafana puts in a variable of its own environment.
            "url": "${PROMETHEUS_URL}",
            "jsonData": {"httpMethod": "POST"},
        }
    ],
}
_PROVIDER: dict[str, Any] = {
    "apiVersion": 1,
    "providers": [
        {
            "name": "tidegauge",
            "folder": "Tidegauge",
            "type": "file",
            "disableDeletion": False,
            "allowUiUpdates": False,
            "options": {"path": _FOLDER},
        }
    ],
}


def draw(dashboards: Sequence[Dashboard], alerts: Mapping[str, AlertDefinition]) -> Drawn:
    """Return the dashboards, what tells Grafana to read them, and their data source."""
    return Drawn(
        {
            "datasources/tidegauge.yaml": _yaml("The data source of the dashboards", _SOURCES),
            "dashboards/tidegauge.yaml": _yaml("Where the dashboards are", _PROVIDER),
            **{
                f"dashboards/tidegauge/{uid(each.name)}.json": render_dashboard(each, alerts)
                for each in dashboards
            },
        }
    )


def _yaml(title: str, data: Mapping[str, Any]) -> str:
    return block_yaml.heading(f"# {title}", _MADE_BY) + block_yaml.dump(data)

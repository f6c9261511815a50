"""Alert rules as code: vendor-neutral definitions, and what renders them."""

from __future__ import annotations

from tidegauge_alerting.defaults import DEFAULT_ALERTS, FLEET_ALERTS
from tidegauge_alerting.definitions import AlertDefinition, Comparison, Severity
from tidegauge_alerting.prometheus import render_prometheus, rule_groups

__all__ = [
    "DEFAULT_ALERTS",
    "FLEET_ALERTS",
    "AlertDefinition",
    "Comparison",
    "Severity",
    "render_prometheus",
    "rule_groups",
]

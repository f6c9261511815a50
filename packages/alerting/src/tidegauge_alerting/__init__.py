"""Alert rules as code: vendor-neutral definitions, and what renders them."""

from __future__ import annotations

from tidegauge_alerting.alert_file import AlertFile, load
from tidegauge_alerting.definitions import AlertDefinition, Comparison, Severity
from tidegauge_alerting.prometheus import render_prometheus, rule_groups
from tidegauge_alerting.sections import AlertFileError

__all__ = [
    "AlertDefinition",
    "AlertFile",
    "AlertFileError",
    "Comparison",
    "Severity",
    "load",
    "render_prometheus",
    "rule_groups",
]

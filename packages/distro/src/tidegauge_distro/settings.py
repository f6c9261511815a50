"""Where telemetry goes when nobody says so, and the environment that says so."""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from dataclasses import dataclass

from tidegauge.settings import setting


@dataclass(frozen=True, slots=True)
class DistroSettings:
    """One row a setting."""

    metrics_exporter: str = setting(
        "OTEL_METRICS_EXPORTER",
        "tidegauge_prometheus",
        "Where metrics go: names of installed exporters by comma, or none. The default needs "
        "tidegauge-exporter-prometheus; where an OTLP endpoint is set, otlp is the default.",
    )
    traces_exporter: str = setting(
        "OTEL_TRACES_EXPORTER",
        "none",
        "Where traces go. Where an OTLP endpoint is set, otlp is the default.",
    )
    logs_exporter: str = setting(
        "OTEL_LOGS_EXPORTER",
        "none",
        "Where logs go. Where an OTLP endpoint is set, otlp is the default.",
    )


def environment() -> MutableMapping[str, str]:
    """Return the environment that OpenTelemetry reads its exporters from, to set defaults in."""
    return os.environ

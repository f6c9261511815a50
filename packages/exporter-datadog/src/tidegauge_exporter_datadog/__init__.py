"""Metrics and events for Datadog, through the Agent's DogStatsD or its HTTP API."""

from __future__ import annotations

from tidegauge_exporter_datadog.exporter import DatadogExporter

__all__ = ["DatadogExporter"]

"""Metrics and events for Datadog, through the Agent's DogStatsD or its HTTP API."""

from __future__ import annotations

__all__: list[str] = []

"""Sets Tidegauge up: ``configure()`` in code, or OpenTelemetry's distro without code."""

from __future__ import annotations

from tidegauge_distro.by_hand import configure

__all__ = ["configure"]

"""Telemetry of LitServe APIs as models of their own."""

from __future__ import annotations

from tidegauge_litserve.instrumentor import LitserveInstrumentor

__all__ = ["LitserveInstrumentor"]

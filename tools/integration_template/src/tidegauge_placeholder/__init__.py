"""Zero-code telemetry of PLACEHOLDER predictions."""

from __future__ import annotations

from tidegauge_placeholder.instrumentor import PlaceholderInstrumentor

__all__ = ["PlaceholderInstrumentor"]

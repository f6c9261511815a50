"""Zero-code telemetry of transformers pipelines."""

from __future__ import annotations

from tidegauge_transformers.instrumentor import TransformersInstrumentor

__all__ = ["TransformersInstrumentor"]

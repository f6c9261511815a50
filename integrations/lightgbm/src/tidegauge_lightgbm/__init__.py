"""Zero-code telemetry of LightGBM predictions."""

from __future__ import annotations

from tidegauge_lightgbm.instrumentor import LightGBMInstrumentor

__all__ = ["LightGBMInstrumentor"]

"""Zero-code telemetry of CatBoost predictions."""

from __future__ import annotations

from tidegauge_catboost.instrumentor import CatBoostInstrumentor

__all__ = ["CatBoostInstrumentor"]

"""Zero-code telemetry of XGBoost predictions."""

from __future__ import annotations

from tidegauge_xgboost.instrumentor import XGBoostInstrumentor

__all__ = ["XGBoostInstrumentor"]

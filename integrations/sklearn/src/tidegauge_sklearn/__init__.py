"""Zero-code telemetry of scikit-learn predictions."""

from __future__ import annotations

from tidegauge_sklearn.instrumentor import SklearnInstrumentor

__all__ = ["SklearnInstrumentor"]

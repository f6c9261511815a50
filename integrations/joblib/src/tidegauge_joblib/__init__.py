"""Names models after the files that joblib loads."""

from __future__ import annotations

from tidegauge_joblib.instrumentor import JoblibInstrumentor

__all__ = ["JoblibInstrumentor"]

"""Zero-code telemetry of MLflow's pyfunc models and its model server."""

from __future__ import annotations

from tidegauge_mlflow.instrumentor import MlflowInstrumentor

__all__ = ["MlflowInstrumentor"]

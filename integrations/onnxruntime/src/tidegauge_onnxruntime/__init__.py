"""Zero-code telemetry of ONNX Runtime predictions."""

from __future__ import annotations

from tidegauge_onnxruntime.instrumentor import OnnxruntimeInstrumentor

__all__ = ["OnnxruntimeInstrumentor"]

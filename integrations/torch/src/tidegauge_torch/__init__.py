"""Zero-code telemetry of the PyTorch models that you name."""

from __future__ import annotations

from tidegauge_torch.instrumentor import TorchInstrumentor

__all__ = ["TorchInstrumentor"]

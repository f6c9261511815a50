"""Names models after the files that skops loads."""

from __future__ import annotations

from tidegauge_skops.instrumentor import SkopsInstrumentor

__all__ = ["SkopsInstrumentor"]

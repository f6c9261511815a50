"""The request that a prediction is made for, of Starlette apps."""

from __future__ import annotations

from tidegauge_starlette.instrumentor import StarletteInstrumentor

__all__ = ["StarletteInstrumentor"]

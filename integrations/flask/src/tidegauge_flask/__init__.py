"""The request that a prediction is made for, of Flask apps."""

from __future__ import annotations

from tidegauge_flask.instrumentor import FlaskInstrumentor

__all__ = ["FlaskInstrumentor"]

"""The request that a prediction is made for, of Django apps."""

from __future__ import annotations

from tidegauge_django.instrumentor import DjangoInstrumentor

__all__ = ["DjangoInstrumentor"]

"""Starlette under instrumentation for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tidegauge import guard
from tidegauge_starlette import StarletteInstrumentor


@pytest.fixture
def instrumented() -> Iterator[StarletteInstrumentor]:
    """Instrument Starlette for one test, in which nothing of ours goes wrong."""
    instrumentor = StarletteInstrumentor()
    instrumentor.instrument(skip_dep_check=True)
    guard.reset()
    yield instrumentor
    instrumentor.uninstrument()
    assert guard.counts() == {}

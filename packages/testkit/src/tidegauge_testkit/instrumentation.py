"""Turns an instrumentor on for the length of a block."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T", bound=Any)


@contextmanager
def switched_on(instrumentor: T) -> Iterator[T]:
    """Instrument, whatever is installed; afterwards take it back, unless the block has done so."""
    instrumentor.instrument(skip_dep_check=True)
    try:
        yield instrumentor
    finally:
        if instrumentor._is_instrumented_by_opentelemetry:  # noqa: SLF001 - nowhere public
            instrumentor.uninstrument()

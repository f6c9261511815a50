"""Turns an instrumentor on for the length of a block."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
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


@contextmanager
def all_switched_on(instrumentors: Iterable[Any]) -> Iterator[None]:
    """Do so with several, one after the other."""
    with ExitStack() as stack:
        for instrumentor in instrumentors:
            stack.enter_context(switched_on(instrumentor))
        yield

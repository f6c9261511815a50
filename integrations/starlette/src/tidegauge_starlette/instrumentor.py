"""The entry that ``opentelemetry-instrument`` calls."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from opentelemetry.instrumentation.instrumentor import (  # type: ignore[attr-defined]
    BaseInstrumentor,
)
from tidegauge.guard import guarded
from tidegauge.patcher import Patcher
from tidegauge.start import begin

from tidegauge_starlette._patches import PATCHES

_patcher = Patcher(PATCHES)


class StarletteInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """Tells predictions which request of a Starlette or FastAPI app they are made for.

    Registers hooks and nothing else: it imports no Starlette, starts no thread, raises nothing.
    """

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return what must be installed for this to make sense."""
        return ("starlette >= 0.40",)

    def _instrument(self, **_: Any) -> None:
        with guarded("instrument.starlette"):
            _patcher.install()
            begin()

    def _uninstrument(self, **_: Any) -> None:
        with guarded("instrument.starlette"):
            _patcher.remove()

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

from tidegauge_placeholder._patches import PATCHES

_patcher = Patcher(PATCHES)


class PlaceholderInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """Records every prediction of PLACEHOLDER models.

    Registers hooks and nothing else: it imports no library, starts no thread, raises nothing.
    """

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return what must be installed for this to make sense."""
        return ("placeholder-distribution >= 0.0.0",)

    def _instrument(self, **_: Any) -> None:
        with guarded("instrument.placeholder"):
            _patcher.install()
            begin()

    def _uninstrument(self, **_: Any) -> None:
        with guarded("instrument.placeholder"):
            _patcher.remove()

"""The entry that ``opentelemetry-instrument`` calls."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from opentelemetry.instrumentation.instrumentor import (  # type: ignore[attr-defined]
    BaseInstrumentor,
)
from tidegauge.guard import guarded
from tidegauge.patcher import Patcher

from tidegauge_skops._patches import PATCHES

_patcher = Patcher(PATCHES)


class SkopsInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """Remembers which file a model was loaded from.

    Registers hooks and nothing else: it imports no skops, starts no thread, raises nothing.
    """

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return what must be installed for this to make sense."""
        return ("skops >= 0.11",)

    def _instrument(self, **_: Any) -> None:
        with guarded("instrument.skops"):
            _patcher.install()

    def _uninstrument(self, **_: Any) -> None:
        with guarded("instrument.skops"):
            _patcher.remove()

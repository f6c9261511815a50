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

from tidegauge_lightgbm._patches import PATCHES

_patcher = Patcher(PATCHES)


class LightGBMInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """Records every prediction of boosters and of LightGBM's estimators.

    Registers hooks and nothing else: it imports no LightGBM, starts no thread, raises nothing.
    """

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return what must be installed for this to make sense."""
        return ("lightgbm >= 4.0",)

    def _instrument(self, **_: Any) -> None:
        with guarded("instrument.lightgbm"):
            _patcher.install()
            begin()

    def _uninstrument(self, **_: Any) -> None:
        with guarded("instrument.lightgbm"):
            _patcher.remove()

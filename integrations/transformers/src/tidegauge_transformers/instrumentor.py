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

from tidegauge_transformers._patches import PATCHES

_patcher = Patcher(PATCHES)


class TransformersInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """Records every prediction of pipelines of transformers.

    Registers hooks and nothing else: it imports no transformers, starts no thread, raises nothing.
    """

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return what must be installed for this to make sense."""
        return ("transformers >= 4.48",)

    def _instrument(self, **_: Any) -> None:
        with guarded("instrument.transformers"):
            _patcher.install()
            begin()

    def _uninstrument(self, **_: Any) -> None:
        with guarded("instrument.transformers"):
            _patcher.remove()

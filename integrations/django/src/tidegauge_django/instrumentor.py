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

from tidegauge_django._patches import PATCHES

_patcher = Patcher(PATCHES)


class DjangoInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """Tells predictions which request of a Django app they are made for.

    Registers hooks and nothing else: it imports no Django, starts no thread, raises nothing.
    """

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return what must be installed for this to make sense."""
        return ("django >= 4.2",)

    def _instrument(self, **_: Any) -> None:
        with guarded("instrument.django"):
            _patcher.install()
            begin()

    def _uninstrument(self, **_: Any) -> None:
        with guarded("instrument.django"):
            _patcher.remove()

"""The entry that ``opentelemetry-instrument`` calls."""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import Any

from opentelemetry.instrumentation.instrumentor import (  # type: ignore[attr-defined]
    BaseInstrumentor,
)
from tidegauge.guard import guarded
from tidegauge.misconfiguration import misconfigured
from tidegauge.patcher import Patcher
from tidegauge.settings import load_what_is_right
from tidegauge.start import begin

from tidegauge_litserve._patches import NAMED, PATCHES, ROUTES
from tidegauge_litserve.settings import LitserveSettings

_logger = logging.getLogger("tidegauge")
_patcher, _routes = Patcher(PATCHES), Patcher(ROUTES)


class LitserveInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """Records ``predict`` of LitServe APIs whose class is named; of no others where none is.

    Predictions in a worker, whoever records them, know the path of their API.

    Registers hooks and nothing else: it imports no LitServe, starts no thread, raises nothing.
    ``instrument(classes=("MyAPI",))`` names them in code.
    """

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return what must be installed for this to make sense."""
        return ("litserve >= 0.2.12",)

    def _instrument(self, **given: Any) -> None:
        with guarded("instrument.litserve"):
            _routes.install()
            settings, errors = load_what_is_right(LitserveSettings)
            for error in errors:
                misconfigured(_logger, error.subject, f"{error} No API of LitServe is watched.")
            NAMED.names = frozenset(given.get("classes") or settings.classes)
            if NAMED.names:
                _patcher.install()
                begin()

    def _uninstrument(self, **_: Any) -> None:
        with guarded("instrument.litserve"):
            _patcher.remove()
            _routes.remove()

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

from tidegauge_torch._patches import CHOSEN, PATCHES
from tidegauge_torch.settings import TorchSettings

_logger = logging.getLogger("tidegauge")
_patcher = Patcher(PATCHES)


class TorchInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """Records the predictions of modules whose class is named; of no others where none is.

    Registers hooks and nothing else: it imports no torch, starts no thread, raises nothing.
    ``instrument(classes=("MyNet",))`` names them in code.
    """

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return what must be installed for this to make sense."""
        return ("torch >= 2.6",)

    def _instrument(self, **given: Any) -> None:
        with guarded("instrument.torch"):
            settings, errors = load_what_is_right(TorchSettings)
            for error in errors:
                misconfigured(_logger, error.subject, f"{error} No PyTorch module is watched.")
            CHOSEN.names = frozenset(given.get("classes") or settings.classes)
            if CHOSEN.names:
                _patcher.install()
                begin()

    def _uninstrument(self, **_: Any) -> None:
        with guarded("instrument.torch"):
            _patcher.remove()

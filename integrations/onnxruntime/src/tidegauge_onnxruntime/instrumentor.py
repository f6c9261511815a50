"""The entry that ``opentelemetry-instrument`` calls."""

from __future__ import annotations

from collections.abc import Collection
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from opentelemetry.instrumentation.instrumentor import (  # type: ignore[attr-defined]
    BaseInstrumentor,
)
from tidegauge.guard import guarded
from tidegauge.patcher import Patcher
from tidegauge.start import begin

from tidegauge_onnxruntime._patches import PATCHES

# Each brings the module, built for other devices.
_BUILDS = (
    "onnxruntime >= 1.20",
    "onnxruntime-gpu >= 1.20",
    "onnxruntime-directml >= 1.20",
    "onnxruntime-openvino >= 1.20",
    "onnxruntime-qnn >= 1.20",
)

_patcher = Patcher(PATCHES)


class OnnxruntimeInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """Records every prediction of ONNX Runtime sessions.

    Registers hooks and nothing else: it imports no ONNX Runtime, starts no thread, raises nothing.
    """

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return what must be installed for this to make sense: of several builds, what is here."""
        return tuple(name for name in _BUILDS if _installed(name.partition(" ")[0])) or _BUILDS[:1]

    def _instrument(self, **_: Any) -> None:
        with guarded("instrument.onnxruntime"):
            _patcher.install()
            begin()

    def _uninstrument(self, **_: Any) -> None:
        with guarded("instrument.onnxruntime"):
            _patcher.remove()


def _installed(name: str) -> bool:
    try:
        return bool(version(name))
    except PackageNotFoundError:
        return False

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

from tidegauge_xgboost._patches import PATCHES

# One library, several wheels: whichever is there.
_WHEELS = {
    "xgboost": "xgboost >= 2.1",
    "xgboost-cpu": "xgboost-cpu >= 2.1.1",
    "xgboost-cu12": "xgboost-cu12 >= 2.1",
    "xgboost-cu13": "xgboost-cu13 >= 2.1",
}

_patcher = Patcher(PATCHES)


class XGBoostInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """Records every prediction of boosters and of XGBoost's estimators.

    Registers hooks and nothing else: it imports no XGBoost, starts no thread, raises nothing.
    """

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return what must be installed for this to make sense."""
        found = (needed for wheel, needed in _WHEELS.items() if _is_installed(wheel))
        return (next(found, _WHEELS["xgboost"]),)

    def _instrument(self, **_: Any) -> None:
        with guarded("instrument.xgboost"):
            _patcher.install()
            begin()

    def _uninstrument(self, **_: Any) -> None:
        with guarded("instrument.xgboost"):
            _patcher.remove()


def _is_installed(wheel: str) -> bool:
    try:
        version(wheel)
    except PackageNotFoundError:
        return False
    return True

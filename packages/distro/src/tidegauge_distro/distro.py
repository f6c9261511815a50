"""The OpenTelemetry distro: what happens under ``opentelemetry-instrument`` before the SDK."""

from __future__ import annotations

import logging
from importlib.metadata import EntryPoint
from typing import Any

from opentelemetry.instrumentation.distro import BaseDistro  # type: ignore[attr-defined]
from tidegauge.guard import guarded
from tidegauge.misconfiguration import misconfigured

from tidegauge_distro import startup

try:
    from opentelemetry.instrumentation.dependencies import DependencyConflictError
except ImportError:  # not there before 0.53b0

    class DependencyConflictError(Exception):  # type: ignore[no-redef]
        """Never raised: this OpenTelemetry reports conflicts in another way."""


_logger = logging.getLogger("tidegauge")


class TidegaugeDistro(BaseDistro):  # type: ignore[misc]
    """Chooses exporters, checks settings, and lets no broken instrumentor end the others."""

    def _configure(self, **kwargs: Any) -> None:  # noqa: ARG002 - the base's signature
        with guarded("distro.configure"):
            startup.prepare_zero_code()

    def load_instrumentor(self, entry_point: EntryPoint, **kwargs: Any) -> None:
        """Start an instrumentor; one that raises is reported and the others still start."""
        try:
            super().load_instrumentor(entry_point, **kwargs)
        except (ImportError, DependencyConflictError):
            raise  # OpenTelemetry's loader skips these by itself
        except Exception as error:
            name = entry_point.name
            misconfigured(
                _logger,
                name,
                f"Instrumentor {name!r} ({entry_point.value}) could not be started: "
                f"{type(error).__name__}: {error}. The others are not affected; "
                f"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS={name} leaves it out.",
            )
            _logger.debug("%s", entry_point.value, exc_info=error)

"""An app under uvicorn that nobody has changed, watched because of how it was started."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tidegauge_testkit.backends.ports import LOOPBACK, free_port
from tidegauge_testkit.backends.process import wait_until
from tidegauge_testkit.backends.served_app import ServedApp
from tidegauge_testkit.backends.web import get_text

if TYPE_CHECKING:
    from collections.abc import Mapping

_BIN = Path(sys.executable).parent
_SAMPLE = re.compile(r"^(\w+)\{(.*)\} (\S+)$", re.MULTILINE)
_PATIENCE_S = 60.0


class ZeroCodeApp(ServedApp):
    """A module ``app`` under ``opentelemetry-instrument`` and uvicorn.

    Parameters
    ----------
    folder
        Where it runs.
    source
        Source of the module.
    environment
        What is set beside the exporters.
    workers
        How many processes serve.
    """

    def __init__(
        self,
        folder: Path,
        source: str,
        environment: Mapping[str, str] | None = None,
        workers: int = 1,
    ) -> None:
        (folder / "app.py").write_text(source)
        port, metrics_port = free_port(), free_port()
        self._metrics = f"http://{LOOPBACK}:{metrics_port}/metrics"
        inherited = {
            key: value
            for key, value in os.environ.items()  # noqa: TID251 - what a program needs to start
            if not key.startswith(("OTEL_", "TIDEGAUGE_", "PYTHON"))
        }
        given = {
            "OTEL_PYTHON_DISTRO": "tidegauge_distro",
            "OTEL_PYTHON_CONFIGURATOR": "tidegauge_configurator",
            "OTEL_METRICS_EXPORTER": "tidegauge_prometheus",
            "OTEL_TRACES_EXPORTER": "none",
            "OTEL_LOGS_EXPORTER": "none",
            "OTEL_EXPORTER_PROMETHEUS_PORT": str(metrics_port),
            **(environment or {}),
        }
        command = [
            str(_BIN / "opentelemetry-instrument"), str(_BIN / "uvicorn"), "app:app",
            "--host", LOOPBACK, "--port", str(port), "--workers", str(workers),
        ]  # fmt: skip
        super().__init__(folder, command, port, {**inherited, **given}, "/docs")

    def metrics(self) -> str:
        """Return what a scrape returns."""
        return get_text(self._metrics)

    def samples(self, name: str) -> dict[tuple[str, ...], float]:
        """Return one metric's values by model and what else its labels say, empty ones left out."""
        return {
            tuple(text for _, text in re.findall(r'(\w+)="([^"]+)"', labels)): float(value)
            for family, labels, value in _SAMPLE.findall(self.metrics())
            if family == name
        }

    def requests(self, total: int) -> dict[tuple[str, ...], float]:
        """Return the predictions by model, operation and status, once there are so many."""

        def complete() -> dict[tuple[str, ...], float] | None:
            found = self.samples("model_requests_total")
            return found if sum(found.values()) >= total else None

        # What another worker has counted is in its file within a second.
        found: dict[tuple[str, ...], float] = wait_until(complete, "the requests", _PATIENCE_S)
        return found

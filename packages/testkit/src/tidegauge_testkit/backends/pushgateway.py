"""A real Pushgateway: keeps what jobs leave until Prometheus scrapes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidegauge_testkit.backends import web
from tidegauge_testkit.backends.binaries import find
from tidegauge_testkit.backends.ports import LOOPBACK, free_port
from tidegauge_testkit.backends.process import Process

if TYPE_CHECKING:
    from pathlib import Path

_READY_S = 30.0


class Pushgateway(Process):
    """``prometheus-pushgateway`` on a free port, in memory."""

    name = "prometheus-pushgateway"

    def __init__(self, folder: Path) -> None:
        self.target = f"{LOOPBACK}:{free_port()}"
        self.url = f"http://{self.target}"
        super().__init__(
            [
                find("prometheus-pushgateway"),
                f"--web.listen-address={self.target}",
                "--persistence.file=",  # Debian's default is a file that all would share
            ],
            folder,
        )

    def wait_ready(self) -> None:
        """Wait until it takes metrics."""
        self.wait_for(
            lambda: web.answers(f"{self.url}/-/ready"), "the Pushgateway is ready", _READY_S
        )

    def groups(self) -> list[dict[str, str]]:
        """Return the labels of each group that jobs have left."""
        found: list[dict[str, Any]] = web.get_json(f"{self.url}/api/v1/metrics")["data"]
        return [each["labels"] for each in found]

"""A real Alertmanager: of a given configuration, or with every alert to a webhook at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from tidegauge_testkit.backends import web
from tidegauge_testkit.backends.binaries import find
from tidegauge_testkit.backends.ports import LOOPBACK, free_port
from tidegauge_testkit.backends.process import Process

if TYPE_CHECKING:
    from pathlib import Path

_READY_S = 30.0


class Alertmanager(Process):
    """Alertmanager on a free port, with its data in a temporary folder and no gossip.

    Without a ``configuration`` each alert goes out by itself and at once, so that the webhook's
    clock tells the delay.
    """

    name = "alertmanager"

    def __init__(
        self, folder: Path, webhook_url: str = "", *, configuration: str | None = None
    ) -> None:
        self.port = free_port()
        self.address = f"{LOOPBACK}:{self.port}"
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / "alertmanager.yml"
        file.write_text(configuration or _to_a_webhook(webhook_url))
        super().__init__(
            [
                find("prometheus-alertmanager"),
                f"--config.file={file}",
                f"--storage.path={folder / 'data'}",
                f"--web.listen-address={self.address}",
                # Empty turns gossip off; its port would be open to the network.
                "--cluster.listen-address=",
                "--log.level=warn",
            ],
            folder,
        )

    def wait_ready(self) -> None:
        """Wait until alerts are taken."""
        ready = f"http://{self.address}/-/ready"
        self.wait_for(lambda: web.answers(ready), "Alertmanager is ready", _READY_S)


def _to_a_webhook(url: str) -> str:
    return yaml.safe_dump(
        {
            "route": {
                "receiver": "webhook",
                "group_by": ["..."],
                "group_wait": "0s",
                "group_interval": "1s",
                "repeat_interval": "1h",
            },
            "receivers": [
                {"name": "webhook", "webhook_configs": [{"url": url, "send_resolved": True}]}
            ],
        }
    )

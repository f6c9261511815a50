"""A webhook that keeps what Alertmanager sends, with the time at which it came."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidegauge_testkit.backends.loopback_server import LoopbackServer, Reply, Request
from tidegauge_testkit.backends.process import wait_until

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Received:
    """One alert of a notification; ``time_s`` is the monotonic clock."""

    time_s: float
    status: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]

    @property
    def name(self) -> str:
        """The alert's name."""
        return self.labels["alertname"]


class Webhook(LoopbackServer):
    """An HTTP server on a free port of loopback, in threads of this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._received: list[Received] = []
        super().__init__(self._take)
        self.url += "/alerts"

    def received(self, name: str | None = None, status: str = "firing") -> list[Received]:
        """Return the alerts of a name (or all) and a status, in the order in which they came."""
        with self._lock:
            found = list(self._received)
        return [each for each in found if each.status == status and name in (None, each.name)]

    def wait_for(self, name: str, timeout_s: float, status: str = "firing") -> Received:
        """Return the first alert of a name, waiting for it."""

        def first() -> Received | None:
            found = self.received(name, status)
            return found[0] if found else None

        return wait_until(first, f"{name} ({status}) at the webhook", timeout_s)

    def _take(self, request: Request) -> Reply:
        notification = json.loads(request.body)
        with self._lock:
            for alert in notification["alerts"]:
                self._received.append(
                    Received(request.at_s, alert["status"], alert["labels"], alert["annotations"])
                )
        return Reply(200, body=b"")

"""A webhook that keeps what Alertmanager sends, with the time at which it came."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

from tidegauge_testkit.backends.ports import LOOPBACK
from tidegauge_testkit.backends.process import wait_until

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType


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


class Webhook:
    """An HTTP server on a free port of loopback, in threads of this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._received: list[Received] = []
        webhook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                webhook._take(json.loads(body))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *arguments: object) -> None:
                """Say nothing: what came is kept."""

        self._server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://{LOOPBACK}:{self._server.server_port}/alerts"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

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

    def _take(self, notification: dict[str, Any]) -> None:
        now_s = time.monotonic()
        with self._lock:
            for alert in notification["alerts"]:
                self._received.append(
                    Received(now_s, alert["status"], alert["labels"], alert["annotations"])
                )

"""Clients of the app: rows over HTTP, at a steady pace."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

_CLIENTS = 4
_TIMEOUT_S = 10.0
# One window of the demo then spans several panes, whatever the machine.
RATE_PER_S = 100.0


class Traffic:
    """Sends rows from a few threads until all are sent, the time is up, or it is stopped."""

    def __init__(
        self, url: str, rows: Sequence[dict[str, Any]], requests: int, limit_s: float
    ) -> None:
        self.requests = requests
        self.answered = 0
        self.failed = 0
        self.seconds = 0.0
        self.slowest_s = 0.0
        self._url = url
        self._deadline = time.monotonic() + limit_s
        self._rows: Iterator[dict[str, Any]] = itertools.islice(itertools.cycle(rows), requests)
        self._lock = threading.Lock()
        self._next_s = time.monotonic()
        self._stop = threading.Event()

    @property
    def sent(self) -> int:
        """Requests that came to an end."""
        return self.answered + self.failed

    @property
    def cut_short(self) -> bool:
        """Whether the time was up before all rows were sent."""
        return self.sent < self.requests

    def run(self, watch: Callable[[], None], every_s: float) -> None:
        """Send everything, and call ``watch`` now and then meanwhile."""
        began = time.monotonic()
        with ThreadPoolExecutor(_CLIENTS, thread_name_prefix="client") as pool:
            try:
                clients = [pool.submit(self._client) for _ in range(_CLIENTS)]
                while not all(client.done() for client in clients):
                    watch()
                    self._stop.wait(every_s)
                for client in clients:
                    client.result()
            finally:
                self._stop.set()
        self.seconds = time.monotonic() - began

    def _client(self) -> None:
        import httpx  # noqa: PLC0415 - an extra

        # No proxy of the environment: everything is on loopback.
        with httpx.Client(timeout=_TIMEOUT_S, trust_env=False) as client:
            while (row := self._take()) is not None:
                began = time.monotonic()
                try:
                    good = client.post(self._url, json=row).is_success
                except httpx.HTTPError:
                    good = False
                took = time.monotonic() - began
                with self._lock:
                    self.answered += good
                    self.failed += not good
                    self.slowest_s = max(self.slowest_s, took)

    def _take(self) -> dict[str, Any] | None:
        with self._lock:
            now = time.monotonic()
            wait_s = max(0.0, self._next_s - now)
            self._next_s = max(now, self._next_s) + 1 / RATE_PER_S
            row = next(self._rows, None) if now < self._deadline else None
        if row is None or self._stop.wait(wait_s):
            return None
        return row

"""HTTP clients that know what they sent, what was answered, by which process, and when."""

from __future__ import annotations

import contextlib
import http.client
import json
import math
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import cycle
from typing import TYPE_CHECKING, Any, Self

from tidegauge_testkit.backends.ports import LOOPBACK
from tidegauge_testkit.backends.process import wait_until

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

_TIMEOUT_S = 60.0
# A launch that replaces all of its workers refuses for a while.
_PATIENCE_S = 60.0
_KNOCK_S = 0.05


@dataclass(frozen=True, slots=True)
class Answer:
    """A request that was answered with 200: when the client had it, and which process predicted."""

    time_s: float
    worker: int


@dataclass(slots=True)
class Sent:
    """What clients did."""

    answers: list[Answer] = field(default_factory=list)
    #: Requests that reached the app and were not answered with 200: why.
    failures: Counter[str] = field(default_factory=Counter)

    @property
    def failed(self) -> int:
        """Requests without an answer: they may have been predicted or not."""
        return self.failures.total()

    @property
    def done(self) -> int:
        """Requests that have come to an end, one way or the other."""
        return len(self.answers) + self.failed

    def __len__(self) -> int:
        return len(self.answers)

    def add(self, other: Sent) -> None:
        """Take in what other clients did later."""
        self.answers += other.answers
        self.failures += other.failures

    def workers(self) -> list[int]:
        """Return the processes that answered, the one that answered last first."""
        return list(dict.fromkeys(answer.worker for answer in reversed(self.answers)))

    def since(self, worker: int, time_s: float) -> int:
        """Return how many requests a process answered from a moment on."""
        return sum(each.worker == worker and each.time_s >= time_s for each in self.answers)


class Clients:
    """Threads that post at a steady pace, a connection a request.

    Use it as a context manager: leaving it waits until all requests are done.

    Parameters
    ----------
    port, path, bodies
        What is asked, in turn.
    requests
        How many requests reach the app in all; a refused connection is none. Without a number
        they go on until ``end_after``.
    per_s
        The pace of all threads together.
    threads
        How many requests are under way at most.
    """

    def __init__(
        self,
        port: int,
        path: str,
        bodies: Sequence[Any],
        *,
        requests: int | None = None,
        per_s: float = 100.0,
        threads: int = 4,
    ) -> None:
        self._port = port
        self._path = path
        self._bodies = cycle([json.dumps(body) for body in bodies])
        self._left: float = math.inf if requests is None else requests
        self._pause_s = 1 / per_s
        self._lock = threading.Lock()
        self._next_s = 0.0
        self._stop = threading.Event()
        self.sent = Sent()
        self.refused = 0
        self._threads = [threading.Thread(target=self._run) for _ in range(threads)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        if error is not None:
            self._stop.set()
        for thread in self._threads:
            thread.join()

    def wait_answered(self, count: int, timeout_s: float = _PATIENCE_S) -> None:
        """Wait until so many requests are answered or failed."""
        wait_until(
            lambda: self.sent.done >= count,
            f"{count} requests done",
            timeout_s,
            0.01,
        )

    def end_after(self, requests: int) -> None:
        """Send so many more, and no more."""
        with self._lock:
            self._left = requests

    def _run(self) -> None:
        while (body := self._take_turn()) is not None:
            self._ask(body)

    def _take_turn(self) -> str | None:
        with self._lock:
            if self._left <= 0:
                return None
            self._left -= 1
            body = next(self._bodies)
            now_s = time.monotonic()
            self._next_s = max(self._next_s, now_s) + self._pause_s
            pause_s = self._next_s - now_s
        return None if self._stop.wait(pause_s) else body

    def _ask(self, body: str) -> None:
        connection = self._connected()
        if connection is None:
            self._failed("refused")
            return
        with contextlib.closing(connection):
            try:
                connection.request("POST", self._path, body, {"Content-Type": "application/json"})
                with connection.getresponse() as response:
                    content = response.read()
                if response.status != http.HTTPStatus.OK:
                    self._failed(str(response.status))
                    return
                worker = int(json.loads(content)["worker"])
            except (OSError, http.client.HTTPException, ValueError) as error:
                self._failed(type(error).__name__)
                return
        with self._lock:
            self.sent.answers.append(Answer(time.monotonic(), worker))

    def _connected(self) -> http.client.HTTPConnection | None:
        deadline = time.monotonic() + _PATIENCE_S
        while not self._stop.is_set() and time.monotonic() < deadline:
            connection = http.client.HTTPConnection(LOOPBACK, self._port, timeout=_TIMEOUT_S)
            try:
                connection.connect()
            except ConnectionRefusedError:
                self.refused += 1
                self._stop.wait(_KNOCK_S)
            except OSError:
                return None
            else:
                return connection
        return None

    def _failed(self, why: str) -> None:
        with self._lock:
            self.sent.failures[why] += 1

"""Without an Agent: points and events go to Datadog's HTTP API, on a thread of their own.

What is sent is queued; nobody waits but who flushes. A request that fails is tried again while
Datadog would still take it, and counted when it is given up.
"""

from __future__ import annotations

import http.client
import os
import random
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Sequence

from opentelemetry import context
from tidegauge import answers, clock, guard
from tidegauge.answers import Outcome
from tidegauge.http_exchange import Answer
from tidegauge.otel_private import SUPPRESS_KEY

from tidegauge_exporter_datadog.complaints import Complaints
from tidegauge_exporter_datadog.merging import merged
from tidegauge_exporter_datadog.payload import (
    MAX_AGE_S,
    Parcel,
    halves,
    of_event,
    of_points,
)
from tidegauge_exporter_datadog.points import Point
from tidegauge_exporter_datadog.post import Destination, Poster
from tidegauge_exporter_datadog.queue import Waiting
from tidegauge_exporter_datadog.seconds import Seconds
from tidegauge_exporter_datadog.transport import DatadogEvent

_SECOND_S = 1.0


class Intake:
    """The transport without an Agent.

    Parameters
    ----------
    destination : Destination
        The API, or what stands in front of it.
    host : str
        What Datadog calls this host. Without it two hosts would overwrite each other's counts.
    timeout_s : float
        How long a request may hang.
    queue_bytes : int
        Memory for what waits; beyond it the oldest goes.
    first_wait_s : float
        The first wait of an outage.
    wall, monotonic, jitter : callable
        Unix seconds; seconds that never run backwards; a number in [0, 1).
    """

    def __init__(
        self,
        destination: Destination,
        *,
        host: str,
        timeout_s: float = 5.0,
        queue_bytes: int = 8_388_608,
        first_wait_s: float = answers.FIRST_S,
        wall: clock.Clock = clock.system,
        monotonic: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._poster = Poster(destination, timeout_s)
        self._url = destination.url
        self._host = host
        self._queue_bytes = queue_bytes
        self._first_wait_s = first_wait_s
        self._wall = wall
        self._monotonic = monotonic
        self._jitter = jitter
        self._begin()
        # The thread is there from the beginning: a process that ends can start none.
        self._start()
        if hasattr(os, "register_at_fork"):
            begin = weakref.WeakMethod(self._begin)
            os.register_at_fork(after_in_child=lambda: _call(begin()))

    def _begin(self) -> None:
        """Start with nothing; so does a forked child, for its parent sends what waits."""
        self._ready = threading.Condition()
        self._complaints = Complaints(self._url, self._monotonic)
        self._waiting = Waiting(self._queue_bytes)
        self._thread: threading.Thread | None = None
        self._sending = False
        self._closed = False
        # What was collected in a second that is taken, until the next one.
        self._collected = threading.Lock()
        self._held: Sequence[Point] = ()
        self._seconds = Seconds()
        self._failures = 0
        self._not_before_s = 0.0
        # Who was told how long to wait does so, also where somebody flushes.
        self._told = False

    def _start(self) -> bool:
        """See that there is a thread; False where none can be had: the interpreter ends."""
        if self._thread is None:
            thread = threading.Thread(target=self._work, name="tidegauge-datadog", daemon=True)
            try:
                thread.start()
            except RuntimeError:
                return False
            self._thread = thread
        return True

    def send(self, points: Sequence[Point]) -> None:
        """Queue the points of one collection."""
        with guard.guarded("datadog.send"), self._collected:
            waited = bool(self._held)
            self._held = merged(self._held, points)
            self._queue_held(waited=waited)

    def _queue_held(self, *, waited: bool, now: bool = False) -> None:
        at_s = self._wall() if waited else 0.0
        second = self._seconds.take(self._held, at_s, now=now) if self._held else None
        if second is not None:
            points, self._held = self._held, ()
            expires_s = self._monotonic() + MAX_AGE_S
            self._queue(of_points(points, self._host, second, expires_s))
        elif self._held:
            with self._ready:
                self._ready.notify_all()

    def send_event(self, event: DatadogEvent) -> None:
        """Queue an event."""
        with guard.guarded("datadog.send_event"):
            self._queue([of_event(event, self._host, self._monotonic() + MAX_AGE_S)])

    def _queue(self, parcels: Iterable[Parcel]) -> None:
        for parcel in parcels:
            with self._ready:
                gone = 1 if self._closed else self._waiting.append(parcel)
                self._start()
                self._ready.notify_all()
            self._lost(gone, "closed" if self._closed else "full")

    def flush(self, timeout_s: float) -> bool:
        """Wait until nothing waits, within a limit; say whether that is so.

        What waits for its next try is tried at once, unless Datadog has told when.
        """
        with guard.guarded("datadog.flush"):
            if self._flush(timeout_s):
                return True
        return False

    def _flush(self, timeout_s: float) -> bool:
        with self._collected:
            self._queue_held(waited=True, now=True)
        with self._ready:
            if not self._told:
                self._failures, self._not_before_s = 0, 0.0
            self._ready.notify_all()
            if self._start():
                return self._ready.wait_for(self._is_idle, timeout_s)
        deadline_s = self._monotonic() + timeout_s
        while not self._is_idle() and self._monotonic() < deadline_s:
            self._deliver_next(deadline_s)
        return self._is_idle()

    def close(self, timeout_s: float) -> None:
        """Send what waits, within a limit, and end the thread; what still waits is lost."""
        deadline_s = self._monotonic() + timeout_s
        self.flush(timeout_s)
        with guard.guarded("datadog.close"):
            with self._ready:
                self._closed = True
                left = self._waiting.clear() + bool(self._held)
                self._ready.notify_all()
                thread = self._thread
            self._lost(left, "closed")
            if thread is not None:
                thread.join(max(0.0, deadline_s - self._monotonic()))
            self._complaints.catch_up(now=True)

    def _is_idle(self) -> bool:
        return not self._waiting and not self._sending

    def _work(self) -> None:
        # An app that traces its HTTP requests has no interest in ours.
        context.attach(context.set_value(SUPPRESS_KEY, True))
        while not self._closed:
            if not self._held:
                self._deliver_next(None)
                continue
            self._deliver_next(self._monotonic() + _SECOND_S)
            with guard.guarded("datadog.held"), self._collected:
                self._queue_held(waited=True)

    def _deliver_next(self, deadline_s: float | None) -> None:
        """Wait for something that may be sent now, and send it."""
        parcel = self._next(deadline_s)
        if parcel is None:
            return
        left: Sequence[Parcel] = ()
        try:
            left = self._deliver(parcel)
        except Exception as error:
            guard.fault("datadog.deliver", error)
            self._lost(1, "fault")
        with self._ready:
            closed = self._closed
            gone = len(left) if closed else self._waiting.put_back(left)
            self._sending = False
            self._ready.notify_all()
        self._lost(gone, "closed" if closed else "full")
        if closed:  # whoever closes may not have waited for this
            self._complaints.catch_up(now=True)

    def _next(self, deadline_s: float | None) -> Parcel | None:
        expired = 0
        parcel = None
        with self._ready:
            while not self._closed:
                now_s = self._monotonic()
                wait_s = None if deadline_s is None else deadline_s - now_s
                if self._held and deadline_s is None:
                    break  # it waits for the next second only
                if self._waiting:
                    due_s = self._not_before_s - now_s
                    if due_s <= 0:
                        parcel = self._waiting.pop()
                        if parcel.expires_s > now_s:
                            self._sending = True
                            break
                        expired += 1
                        parcel = None
                        continue
                    wait_s = due_s if wait_s is None else min(due_s, wait_s)
                if expired or (wait_s is not None and wait_s <= 0):
                    break
                self._ready.notify_all()
                self._ready.wait(wait_s)
        self._lost(expired, "expired")
        return parcel

    def _deliver(self, parcel: Parcel) -> Sequence[Parcel]:
        """Send one request; return what is to be sent in its place."""
        try:
            answer = self._poster.post(parcel)
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            self._wait(f"{type(reason).__name__}: {reason}", None)
            return [parcel]
        self._complaints.clock(answer.headers.get("Date", ""), self._wall())
        outcome = answers.outcome(answer.status)
        if outcome is Outcome.LATER:
            told_s = answers.told_wait_s(answer.headers, self._wall())
            self._wait(f"HTTP {answer.status} {answer.reason}", told_s)
            return [parcel]
        self._failures, self._told = 0, False
        self._complaints.catch_up()
        if outcome is Outcome.TOO_LARGE:
            parts = halves(parcel)
            self._lost(0 if parts else 1, "too_large")
            return parts
        if outcome is Outcome.REFUSED:
            self._refused(answer)
        return ()

    def _wait(self, got: str, told_s: float | None) -> None:
        self._failures += 1
        wait_s = answers.backoff_s(self._failures, self._jitter(), self._first_wait_s)
        self._told = told_s is not None
        if told_s is not None:
            wait_s = told_s + self._jitter() * self._first_wait_s
        self._not_before_s = self._monotonic() + wait_s
        self._complaints.outage(got, wait_s)

    def _refused(self, answer: Answer) -> None:
        self._complaints.refused(answer)
        self._lost(1, "refused")

    def _lost(self, number: int, reason: str) -> None:
        if number:
            self._complaints.lost(number, reason)


def _call(function: Callable[[], None] | None) -> None:
    if function is not None:
        function()

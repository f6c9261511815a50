"""Sends to the Agent's DogStatsD: over UDP, or over a Unix socket of either kind.

Called in the background. It waits for a reader that is slow, within what it is given, and for
nothing else: where nobody listens, what there is to send is counted as lost, and the next export
tries again. Nothing is kept for later: a count that comes late would be shown as of then.

The ``datadog`` client tries, waits, gives up and logs for each line by itself, and does not say
whether anything has left. So the sockets are ours (``channel``), with what ``packets`` writes.
"""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Sequence

from tidegauge_exporter_datadog.address import Address
from tidegauge_exporter_datadog.channel import Channel
from tidegauge_exporter_datadog.losses import Losses
from tidegauge_exporter_datadog.packets import event_line, pack
from tidegauge_exporter_datadog.points import Point, Tags
from tidegauge_exporter_datadog.resolver import LookupFailure
from tidegauge_exporter_datadog.transport import DatadogEvent

# A reader that lives makes room within this time; one that is stopped makes none at all.
_PATIENCE_S = 0.5

# By reason: what was expected, and what to do.
_FULL = ("full", "an Agent that reads", "Look whether it is overloaded or stopped")
_NO_LISTENER = (
    "no_listener",
    "the Agent to listen",
    "Start it, or say where it is: DD_AGENT_HOST, DD_DOGSTATSD_PORT or DD_DOGSTATSD_URL",
)
_TOO_LONG = (
    "too_long",
    "a line that fits into a datagram",
    "Give the metric fewer or shorter attributes, or drop some with a View",
)
_UNKNOWN_HOST = (
    "unknown_host",
    "a host that the name server knows",
    "Correct DD_AGENT_HOST or DD_DOGSTATSD_URL, or look at the name server",
)


class DogStatsD:
    """One Agent.

    Parameters
    ----------
    address : Address
        Where it listens.
    tags : tuple of str
        What each metric has beside its own tags.
    """

    def __init__(self, address: Address, tags: Tags = ()) -> None:
        self._address = address
        self._tags = tags
        self._losses = Losses(f"DogStatsD at {address}")
        self._channel = Channel(address)
        self._pid = os.getpid()
        self._lock = threading.Lock()

    def _begin_anew(self) -> None:
        """Be a forked child's: the parent's lock may be held, and a stream has one writer."""
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._channel.close()

    def send(self, points: Sequence[Point]) -> None:
        """Send points; what is lost is counted."""
        packets, too_long = pack(points, self._address.most_bytes, self._tags)
        for name in too_long:
            self._lose(1, _TOO_LONG, f"metric {name!r} with tags of more than 8 kB")
        self._send(packets)

    def send_event(self, event: DatadogEvent) -> None:
        """Send an event; one that is lost is counted."""
        self._send([event_line(event)])

    def flush(self, timeout_s: float) -> bool:  # noqa: ARG002 - the signature of transports
        """Return True: nothing waits here."""
        return True

    def close(self, timeout_s: float) -> None:
        """Let go of the socket."""
        if self._pid == os.getpid() and self._lock.acquire(timeout=timeout_s):
            self._channel.close()
            self._lock.release()

    def _send(self, packets: Sequence[bytes]) -> None:
        if self._pid != os.getpid():
            self._begin_anew()
        deadline_s = time.monotonic() + _PATIENCE_S
        if not self._lock.acquire(timeout=_PATIENCE_S):
            self._lose(len(packets), _FULL, "no turn, for what was to be sent before takes long")
            return
        try:
            self._send_all(packets, deadline_s)
        finally:
            self._lock.release()

    def _send_all(self, packets: Sequence[bytes], deadline_s: float) -> None:
        self._refused(1)  # the last one of those before
        for number, packet in enumerate(packets):
            left = len(packets) - number
            try:
                self._channel.write(packet, deadline_s)
            except OSError as error:
                if error.errno == errno.EMSGSIZE:
                    self._lose(1, _TOO_LONG, f"a packet of {len(packet)} bytes")
                    continue
                self._lose(left, _reason(error), error.strerror or str(error))
                return
            if self._refused(left):
                return

    def _refused(self, number: int) -> bool:
        refused = self._channel.refused()
        if refused:
            self._lose(number, _NO_LISTENER, os.strerror(errno.ECONNREFUSED))
        return refused

    def _lose(self, number: int, why: tuple[str, str, str], got: str) -> None:
        reason, expected, advice = why
        self._losses.add(number, reason, f"got {got}; expected {expected}", advice)


def _reason(error: OSError) -> tuple[str, str, str]:
    if isinstance(error, BlockingIOError | TimeoutError) or error.errno == errno.ENOBUFS:
        return _FULL
    return _UNKNOWN_HOST if isinstance(error, LookupFailure) else _NO_LISTENER

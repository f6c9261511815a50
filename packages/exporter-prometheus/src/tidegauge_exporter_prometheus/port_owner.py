"""Whoever has the port that this process wants, and what is said about it.

A port that another process of the same launch has is as it should be: that one answers for all.
"""

from __future__ import annotations

import errno
import http.client
import logging
import os
import socket
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_logger = logging.getLogger(__name__)

_HEADER = "Tidegauge-Launch"
# How often a process that waits makes sure that the owner is still of its own launch.
_ASK_AGAIN_S = 30.0
_ASK_TIMEOUT_S = 2.0
# An owner that is busy starting up may not answer at once.
_ASK_TIMES = 3

_ADVICE = {
    errno.EADDRINUSE: "Another process or reader has the port: set "
    "OTEL_EXPORTER_PROMETHEUS_PORT to a free one (0 takes any), or stop the other",
    errno.EACCES: "Ports below 1024 need a privilege: set "
    "OTEL_EXPORTER_PROMETHEUS_PORT to a higher one",
}
_OTHER_ADVICE = "Set OTEL_EXPORTER_PROMETHEUS_HOST to an address of this machine"

# Held open as long as this process lives, so that no other of its launch repeats the line.
_claims: list[socket.socket] = []


def signature(launch: str) -> tuple[str, str]:
    """Return the header by which an owner is known."""
    return (_HEADER, f"{launch} {os.getpid()}")


class PortOwner:
    """The owner of a port that cannot be had; ``launch`` tells the launch of this process."""

    def __init__(self, host: str, port: int, launch: Callable[[], str]) -> None:
        self._host = host
        self._port = port
        self._launch = launch
        self._explained = False
        self._ask_at_s = 0.0
        self._unanswered = 0

    def explain(self, error: OSError | UnicodeError, retry_s: float, *, ask: bool) -> None:
        """Say once a launch that the port cannot be had, unless one of the launch has it.

        ``ask`` says whether there is the time to ask the owner; else that is left for later.
        """
        if self._explained:
            return
        number = error.errno if isinstance(error, OSError) else None
        if number == errno.EADDRINUSE and not (ask and self._is_foreign()):
            return
        self._explained = True
        if not self._is_first():
            return
        _logger.warning(
            "The Prometheus endpoint cannot listen on %s port %d yet: %s. %s. "
            "The app is not affected; Tidegauge tries again every %g s.",
            # An environment may hold bytes that no log can be written with.
            self._host.encode("utf-8", "backslashreplace").decode(),
            self._port,
            error,
            _ADVICE.get(number or 0, _OTHER_ADVICE),
            retry_s,
        )

    def _is_foreign(self) -> bool:
        """Ask the owner who it is; False where it is ours, or where it is not yet known."""
        launch, now_s = self._launch(), time.monotonic()
        if not launch:
            return True
        if now_s < self._ask_at_s:
            return False
        try:
            answer = self._ask()
        except OSError:  # it is busy, or gone: the port may be free in a moment
            self._unanswered += 1
            return self._unanswered >= _ASK_TIMES
        except http.client.HTTPException:
            return True
        self._unanswered = 0
        self._ask_at_s = now_s + _ASK_AGAIN_S
        owner, _, pid = answer.partition(" ")
        # Another reader of this very process shows other metrics there.
        return owner != launch or pid == str(os.getpid())

    def _ask(self) -> str:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=_ASK_TIMEOUT_S)
        try:
            connection.request("HEAD", "/")
            return connection.getresponse().getheader(_HEADER, "")
        finally:
            connection.close()

    def _is_first(self) -> bool:
        """Whether no process of this launch has said it before.

        The name of a socket says so: it needs no file, and goes with the process that has it.
        Where there are no such names (other systems than Linux), each process speaks for itself.
        """
        if not self._launch():
            return True
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            claim.bind(f"\0tidegauge-{self._launch()}-{self._host}-{self._port}")
        except (OSError, ValueError, UnicodeError) as error:
            claim.close()
            return not (isinstance(error, OSError) and error.errno == errno.EADDRINUSE)
        _claims.append(claim)
        return True

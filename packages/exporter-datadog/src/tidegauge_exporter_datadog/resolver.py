"""Looks up the Agent's host in a thread of its own: a name server that hangs must hang nothing.

The lookup begins when the exporter is built. Numbers and ``localhost`` need none.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from typing import Any, TypeAlias

Found: TypeAlias = tuple[int, Any]

# Not more often is a name looked up again, whether it was found or not.
_AGAIN_S = 30.0


class LookupFailure(OSError):  # noqa: N818 - what it is
    """A host's name leads to no address, or not in time."""


class Resolver:
    """The addresses of one host, the newest that is known."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._found: Found | None = None
        self._error = LookupFailure(f"no answer yet about {host!r}")
        self._done = threading.Event()
        self._began_s = -_AGAIN_S
        self._pid = 0
        self._immediate = _needs_no_lookup(host)
        if not self._immediate:
            self.begin()

    def begin(self) -> None:
        """Look the name up again, unless that was done just now."""
        now_s = time.monotonic()
        recent = self._pid == os.getpid() and now_s - self._began_s < _AGAIN_S
        if self._immediate or recent:
            return
        self._began_s, self._pid, self._done = now_s, os.getpid(), threading.Event()
        try:
            threading.Thread(
                target=self._look_up, args=(self._done,), name="tidegauge-dns", daemon=True
            ).start()
        except RuntimeError:  # the interpreter is ending
            self._done.set()

    def address(self, timeout_s: float) -> Found:
        """Return family and address.

        Raises
        ------
        LookupFailure
            The host is not known, or not yet.
        """
        if self._immediate:
            return _look_up(self._host, self._port)
        self._done.wait(timeout_s if self._found is None else 0)
        if self._found is None:
            self.begin()
            raise self._error
        return self._found

    def _look_up(self, done: threading.Event) -> None:
        try:
            self._found = _look_up(self._host, self._port)
        except OSError as error:
            self._error = LookupFailure(f"{error.strerror} ({self._host!r})")
        finally:
            done.set()


def _look_up(host: str, port: int) -> Found:
    found = socket.getaddrinfo(host, port, 0, socket.SOCK_DGRAM)
    # Agents listen on IPv4 unless told otherwise, also where localhost is ::1 first.
    found.sort(key=lambda each: each[0] != socket.AF_INET)
    family, _, _, _, address = found[0]
    return family, address


def _needs_no_lookup(host: str) -> bool:
    try:
        socket.getaddrinfo(host, None, flags=socket.AI_NUMERICHOST)
    except OSError:
        return host == "localhost"
    return True

"""A socket to the Agent, opened when there is something to write, and again when it has died."""

from __future__ import annotations

import errno
import socket
import struct
import time
from contextlib import suppress

from tidegauge_exporter_datadog.address import Address
from tidegauge_exporter_datadog.resolver import Resolver

# The default of some systems is less than a packet.
_SEND_BUFFER_BYTES = 65_536
_KINDS = {
    # Datadog's clients try both, too: the Agent's setting may have either name.
    "unix": (socket.SOCK_DGRAM, socket.SOCK_STREAM),
    "unixgram": (socket.SOCK_DGRAM,),
    "unixstream": (socket.SOCK_STREAM,),
}


class Channel:
    """Writes packets to one address; for one thread at a time."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._socket: socket.socket | None = None
        self._resolver = Resolver(address.host, address.port) if address.is_udp else None

    def write(self, packet: bytes, deadline_s: float) -> None:
        """Write one packet; wait for room until the deadline of the monotonic clock.

        Raises
        ------
        OSError
            It could not be written, or not be finished.
        """
        if self._socket is not None:
            try:
                self._put(self._socket, packet, deadline_s)
            except ConnectionError:
                # The Agent was started anew: what listens now has another socket. Datagrams over a
                # network have no connection that could be renewed.
                self.close()
                if self._address.is_udp:
                    raise
            else:
                return
        self._socket = self._open(deadline_s)
        self._put(self._socket, packet, deadline_s)

    def refused(self) -> bool:
        """Say whether the network has said since that nobody took a datagram.

        Over loopback it says so at once, else a little later, and not at all through a firewall.
        """
        if self._socket is None or not self._address.is_udp:
            return False
        refused = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0
        if refused:
            self.close()
        return refused

    def close(self) -> None:
        """Let go of the socket; the next packet opens another."""
        open_now, self._socket = self._socket, None
        if open_now is not None:
            with suppress(OSError):
                open_now.close()

    def _put(self, to: socket.socket, packet: bytes, deadline_s: float) -> None:
        to.settimeout(_rest_s(deadline_s))
        if to.type != socket.SOCK_STREAM:
            to.send(packet)
            return
        try:
            to.sendall(struct.pack("<I", len(packet)) + packet)
        except OSError:
            self.close()  # nobody could tell where the next packet begins
            raise

    def _open(self, deadline_s: float) -> socket.socket:
        if self._resolver is not None:
            family, to = self._resolver.address(_rest_s(deadline_s))
            self._resolver.begin()  # it may have moved when this socket has died
            return _connected(family, socket.SOCK_DGRAM, to, deadline_s)
        *others, last = _KINDS[self._address.scheme]
        for kind in others:
            try:
                return _connected(socket.AF_UNIX, kind, self._address.path, deadline_s)
            except OSError as error:
                if error.errno != errno.EPROTOTYPE:
                    raise
        return _connected(socket.AF_UNIX, last, self._address.path, deadline_s)


def _connected(family: int, kind: int, to: object, deadline_s: float) -> socket.socket:
    made = socket.socket(family, kind)
    try:
        made.settimeout(_rest_s(deadline_s))
        if made.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) < _SEND_BUFFER_BYTES:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        made.connect(to)  # type: ignore[arg-type]
    except BaseException:
        made.close()
        raise
    return made


def _rest_s(deadline_s: float) -> float:
    return max(0.0, deadline_s - time.monotonic())

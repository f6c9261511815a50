"""Where the Agent listens: read from a URL, written in messages."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

DEFAULT_PORT = 8125

# A datagram must fit into one frame of Ethernet, with room for the headers of tunnels. What Datadog
# recommends, and its clients do.
_UDP_BYTES = 1432
# What the Agent reads at a time (dogstatsd_buffer_size).
_UNIX_BYTES = 8192

_UDP = "udp"
#: A socket of either kind, of datagrams, of a stream: as Datadog's clients call them.
_UNIX = ("unix", "unixgram", "unixstream")


@dataclass(frozen=True, slots=True)
class Address:
    """A DogStatsD server: ``udp`` with host and port, else a socket's path."""

    scheme: str = _UDP
    host: str = "localhost"
    port: int = DEFAULT_PORT
    path: str = ""

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read a URL as ``DD_DOGSTATSD_URL`` has it; ValueError for anything else."""
        parts = urlsplit(text)
        if parts.scheme == _UDP and parts.hostname and not parts.path.strip("/"):
            # .port raises ValueError for a bad one
            port = parts.port
            return cls(_UDP, parts.hostname, DEFAULT_PORT if port is None else _port(port))
        if parts.scheme in _UNIX and not parts.netloc and len(parts.path) > 1:
            return cls(parts.scheme, "", 0, unquote(parts.path))
        raise ValueError(text)

    @property
    def is_udp(self) -> bool:
        """Whether datagrams cross a network, loopback perhaps."""
        return self.scheme == _UDP

    @property
    def most_bytes(self) -> int:
        """The longest packet that surely arrives whole."""
        return _UDP_BYTES if self.is_udp else _UNIX_BYTES

    def __str__(self) -> str:
        if not self.is_udp:
            return f"{self.scheme}://{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


def _port(port: int) -> int:
    if not port:
        raise ValueError(port)
    return port

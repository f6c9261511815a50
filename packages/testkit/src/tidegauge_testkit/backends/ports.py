"""Free ports on loopback."""

from __future__ import annotations

import contextlib
import random
import socket

LOOPBACK = "127.0.0.1"

# Below those that the kernel gives to clients: one of thousands of connections must not take a
# port away before the server that it was found for listens.
_PORTS = range(12_000, 32_000)
_TRIES = 100


def free_port() -> int:
    """Return a port that nobody listens on now."""
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """Return several ports that nobody listens on now, all different."""
    with contextlib.ExitStack() as held:
        return [_bind_one(held.enter_context(socket.socket())) for _ in range(count)]


def _bind_one(free: socket.socket) -> int:
    for port in random.sample(_PORTS, _TRIES):
        with contextlib.suppress(OSError):
            free.bind((LOOPBACK, port))
            return port
    raise OSError(f"none of {_TRIES} ports is free on {LOOPBACK}")

"""Imports in the background, and forks.

A module's import lock is freed by the thread that imports it, and by nobody else. If the process
forks meanwhile, the child can never import that module: whoever tries waits for ever. So a fork
waits, a moment at most, for imports that are made in the background. It is the one lock of ours
that is held across a fork, by the thread that forks, which is there on both sides.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

# The longest import is that of a numeric library; a fork that waits longer goes on as without us.
_PATIENCE_S = 5.0

_lock = threading.RLock()


def install() -> None:
    """Make forks wait; once in a process."""
    if hasattr(os, "register_at_fork"):  # pragma: no branch - not on Windows
        os.register_at_fork(
            before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork
        )


@contextmanager
def late_import() -> Iterator[None]:
    """Import something inside: ``with late_import(): from scipy import special``."""
    lock = _lock
    with lock:
        yield


def _before_fork() -> None:
    _lock.acquire(timeout=_PATIENCE_S)


def _after_fork() -> None:
    global _lock  # noqa: PLW0603 - one a process
    try:
        _lock.release()
    except RuntimeError:  # it was not to be had in time
        _lock = threading.RLock()

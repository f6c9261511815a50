"""Imports in the background, and forks.

A module's import lock is freed by the thread that imports it, and by nobody else. If the process
forks meanwhile, the child can never import that module: whoever tries waits for ever. So a fork
waits, a moment at most, for imports that are made in the background. These are the only locks of
ours that are held across a fork, by the thread that forks, which is there on both sides.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

# The longest import is that of a numeric library; a fork that waits longer goes on as without us.
_PATIENCE_S = 5.0

# A slow import may need a quick one inside, never the other way round: forks take them in this
# order.
_SLOW, _QUICK = "slow", "quick"
_locks = {_SLOW: threading.RLock(), _QUICK: threading.RLock()}


def install() -> None:
    """Make forks wait; once in a process."""
    if hasattr(os, "register_at_fork"):  # pragma: no branch - not on Windows
        os.register_at_fork(
            before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork
        )


@contextmanager
def late_import(*, slow: bool = False) -> Iterator[None]:
    """Import something inside: ``with late_import(): from scipy import special``.

    One at a time, so that what is found in there is found once. ``slow``: the import takes seconds;
    the others, which a scrape or the end of the process may need, do not wait for it.
    """
    lock = _locks[_SLOW if slow else _QUICK]
    with lock:
        yield


def _before_fork() -> None:
    deadline_s = time.monotonic() + _PATIENCE_S
    for lock in _locks.values():
        lock.acquire(timeout=max(0.0, deadline_s - time.monotonic()))


def _after_fork() -> None:
    for kind, lock in _locks.items():
        try:
            lock.release()
        except RuntimeError:  # it was not to be had in time
            _locks[kind] = threading.RLock()

"""Locks between processes: ``flock``, which the kernel lets go of when their holder dies.

What is locked is a folder with all that is in it, not a file beside it that could be missing. A
lock belongs to an open file, and a forked child has a copy of the descriptor: it would keep the
parent's lock after the parent's death. So all descriptors with locks are listed, and the child
closes them.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

try:
    import fcntl
except ImportError:  # not Unix: every process is alone
    fcntl = None  # type: ignore[assignment]

AVAILABLE = fcntl is not None
_POLL_S = 0.01


class Descriptors:
    """The descriptors of this process that hold locks."""

    def __init__(self) -> None:
        self._open: set[int] = set()

    def open(self, folder: Path) -> int:
        """Open a folder that is to be locked."""
        descriptor = _open(folder)
        self._open.add(descriptor)
        return descriptor

    def share(self, folder: Path) -> None:
        """Keep a shared lock on a folder for good: systemd-tmpfiles leaves such folders alone."""
        fcntl.flock(self.open(folder), fcntl.LOCK_SH | fcntl.LOCK_NB)

    def close(self, descriptor: int) -> None:
        """Unlock and close.

        In this order: a fork in between leaves the child a descriptor without a lock, and never a
        number in the list that the app has got since.
        """
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        self._open.discard(descriptor)
        os.close(descriptor)

    def abandon(self) -> None:
        """Close all without unlocking: this is a forked child, and the locks are the parent's."""
        for descriptor in self._open:
            try:
                os.close(descriptor)
            except OSError:
                continue
        self._open = set()


class FolderLock:
    """An exclusive lock on one folder."""

    def __init__(self, descriptors: Descriptors, folder: Path) -> None:
        self._descriptors = descriptors
        self._folder = folder
        self._descriptor: int | None = None

    @property
    def held(self) -> bool:
        """Whether this process has it."""
        return self._descriptor is not None

    def acquire(self, timeout_s: float = 0.0) -> bool:
        """Take the lock; False where another process keeps it for longer than the limit."""
        deadline = time.monotonic() + timeout_s
        while not self.held and not self._try():
            if time.monotonic() >= deadline:
                return False
            time.sleep(_POLL_S)
        return True

    def _try(self) -> bool:
        descriptor = self._descriptors.open(self._folder)
        locked = False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Somebody may have removed the folder since: then the next one would lock another.
            locked = _is(descriptor, self._folder)
        except BlockingIOError:
            pass
        finally:
            if not locked:
                self._descriptors.close(descriptor)
        if locked:
            self._descriptor = descriptor
        return locked

    def moved(self, folder: Path) -> None:
        """Take note of the folder's new name."""
        self._folder = folder

    def intact(self) -> bool:
        """Say whether the folder that is locked is still the one that others would lock."""
        return self._descriptor is not None and _is(self._descriptor, self._folder)

    def release(self) -> None:
        """Let another process have it."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            self._descriptors.close(descriptor)


def is_locked(folder: Path) -> bool | None:
    """Say whether some process holds the lock on a folder; None where there is no such folder."""
    try:
        descriptor = _open(folder)
    except OSError:
        return None
    try:
        # Shared: any number may look at once, and a forked child that inherits the descriptor
        # while it is open does not make a dead process look alive.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _open(folder: Path) -> int:
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)


def _is(descriptor: int, folder: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), folder.lstat())
    except OSError:
        return False

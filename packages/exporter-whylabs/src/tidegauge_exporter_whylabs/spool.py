"""Profiles on disk: open ones of each process, and those that wait to be sent.

Each process has a folder of its own and keeps a lock on it, which the kernel lets go of when the
process dies: so who comes later knows whose open profiles have nobody any more, and sends them.
A profile is written beside its place and moved there, and moved again when it is closed: it is
never half, and never in two places. Where the disk takes nothing it waits in memory.
"""

from __future__ import annotations

import errno
import os
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from tidegauge.group.locks import AVAILABLE, Descriptors, FolderLock

from tidegauge_exporter_whylabs.local import make, put
from tidegauge_exporter_whylabs.naming import SUFFIX

_OPEN = ".open"
_NEW = ".new"
_WAITING = "waiting"
# Who looks for dead processes has the lock for a moment.
_PATIENCE_S = 1.0
#: Memory for what the disk does not take.
HELD_BYTES = 16_777_216


class Spool:
    """One process' way to the disk. Its threads may use it at the same time.

    Parameters
    ----------
    folder : Path
        Shared by the processes of a host.
    max_bytes : int
        Of closed profiles that wait.
    lost : callable
        Gets how many had to go, and why.
    """

    def __init__(self, folder: Path, max_bytes: int, lost: Callable[[int, str], None]) -> None:
        self.folder = folder
        self.worker = secrets.token_hex(4)
        self._max_bytes = max_bytes
        self._lost = lost
        self._lock = threading.Lock()
        self._descriptors = Descriptors()
        self._own = folder / self.worker
        self._mine = FolderLock(self._descriptors, self._own)
        self._sending = FolderLock(self._descriptors, folder / _WAITING)
        self._held: dict[str, bytes] = {}
        self._gone: set[str] = set()

    def abandon(self) -> None:
        """Let go of what is the parent's: this is a forked child."""
        self._descriptors.abandon()

    # -- the process that makes profiles ---------------------------------------------------------

    def checkpoint(self, stem: str, content: bytes) -> None:
        """Write an open profile over what was written of it before.

        Raises
        ------
        OSError
            It could not be written; what was written before stays.
        """
        self._begin()
        put(self._own / f"{stem}{_NEW}", self._own / f"{stem}{_OPEN}", content)

    def close(self, stem: str, content: bytes) -> OSError | None:
        """Let a profile wait to be sent; return why it waits in memory, if it does."""
        trouble = None
        try:
            self._put_down(stem, content)
        except OSError as error:
            trouble = error
            self._hold(stem, content)
        self._bound()
        return trouble

    def put_down(self) -> None:
        """Write what waits in memory, now that the disk may take it."""
        for stem, content in list(self._held.items()):
            try:
                self._put_down(stem, content)
            except OSError:
                return
            self._release(stem)

    def _put_down(self, stem: str, content: bytes) -> None:
        self.checkpoint(stem, content)
        (self._own / f"{stem}{_OPEN}").replace(self._place(stem))

    def end(self) -> None:
        """Give up the folder of this process."""
        with suppress(OSError):
            self._own.rmdir()  # what is in it is for who comes next
        self._mine.release()

    def _begin(self) -> None:
        if _still(self._mine):
            return
        make(self.folder / _WAITING)
        make(self._own)
        if AVAILABLE and not self._mine.acquire(_PATIENCE_S):
            raise BlockingIOError(errno.EAGAIN, "somebody else has locked it", str(self._own))

    def _hold(self, stem: str, content: bytes) -> None:
        gone = 0
        with self._lock:
            self._held[stem] = content
            while sum(map(len, self._held.values())) > min(HELD_BYTES, self._max_bytes):
                del self._held[next(iter(self._held))]
                gone += 1
        if gone:
            self._lost(gone, "disk")

    def _release(self, stem: str) -> None:
        with self._lock:
            self._held.pop(stem, None)

    def _bound(self) -> None:
        found = self._on_disk()
        total = sum(size for _, size, _ in found)
        gone = 0
        while found and total > self._max_bytes:
            _, size, path = found.pop(0)
            with suppress(FileNotFoundError):  # it was sent just now
                path.unlink()
                gone += 1
            total -= size
        if gone:
            self._lost(gone, "full")

    # -- the process that sends ------------------------------------------------------------------

    def lead(self) -> bool:
        """Say whether this process is the one that sends; it stays so until it ends."""
        if not AVAILABLE or _still(self._sending):
            return True
        try:
            make(self.folder / _WAITING)
            return self._sending.acquire()
        except OSError:
            return True  # what waits is this process' own, in memory: there is no folder

    def recover(self) -> int:
        """Let the open profiles of dead processes wait to be sent; return how many they were."""
        found = 0
        if not AVAILABLE:
            return found
        for folder in self._folders():
            lock = FolderLock(self._descriptors, folder)
            with suppress(OSError):
                if not lock.acquire():
                    continue  # its process lives
                try:
                    for path in sorted(folder.iterdir()):
                        if path.suffix == _OPEN:
                            path.replace(self._place(path.stem))
                            found += 1
                        elif path.suffix == _NEW:
                            path.unlink()
                    folder.rmdir()
                finally:
                    lock.release()
        return found

    def _folders(self) -> list[Path]:
        try:
            entries = sorted(self.folder.iterdir())
        except OSError:
            return []
        aside = {_WAITING, self.worker}
        return [path for path in entries if path.name not in aside and path.is_dir()]

    def waiting(self) -> Iterator[str]:
        """Yield the stems of what waits to be sent, the oldest first, memory's last."""
        for _, _, path in self._on_disk():
            if path.stem not in self._gone:
                yield path.stem
        yield from list(self._held)

    def content(self, stem: str) -> bytes | None:
        """Return what waits; None where it has gone meanwhile, or can't be read."""
        held = self._held.get(stem)
        if held is not None:
            return held
        try:
            return self._place(stem).read_bytes()
        except OSError:  # it keeps no other from being sent
            return None

    def sent(self, stem: str) -> None:
        """Let go of what was sent."""
        held = stem in self._held
        self._release(stem)
        try:
            self._place(stem).unlink(missing_ok=True)
        except OSError:
            if not held:
                self._gone.add(stem)  # it stays there, but is not sent again

    def _place(self, stem: str) -> Path:
        return self.folder / _WAITING / f"{stem}{SUFFIX}"

    def _on_disk(self) -> list[tuple[int, int, Path]]:
        found = []
        with suppress(OSError), os.scandir(self.folder / _WAITING) as entries:
            for entry in entries:
                if entry.name.endswith(SUFFIX):
                    with suppress(FileNotFoundError):
                        at = entry.stat()
                        found.append((at.st_mtime_ns, at.st_size, Path(entry.path)))
        return sorted(found)


def _still(lock: FolderLock) -> bool:
    """Say whether a lock is held, on a folder that is still there; else let go of it."""
    if lock.held and not lock.intact():
        lock.release()
    return lock.held

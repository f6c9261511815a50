"""The leader of a group: who it is, what it keeps for all, and how it clears up after the dead."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tidegauge.group import members
from tidegauge.group.archive import ARCHIVE, Merge, absorb
from tidegauge.group.folder import Layout
from tidegauge.group.locks import Descriptors, FolderLock
from tidegauge.group.members import Record, record_path
from tidegauge.group.records import RecordFile

# Longer than any leader waits before it uses a dead process's record up.
_UNCLAIMED_S = 600.0

#: Called with the name of a record and what went wrong when it was written.
Unwritten = Callable[[str, OSError], None]


class Leadership:
    """The lock that makes a leader, and what only a leader does."""

    def __init__(self, descriptors: Descriptors, layout: Layout, unwritten: Unwritten) -> None:
        self._lock = FolderLock(descriptors, layout.kept)
        self._layout = layout
        self._unwritten = unwritten
        self._kept: dict[str, RecordFile] = {}
        self._dead_since_s: dict[str, float] = {}

    @property
    def held(self) -> bool:
        """Whether this process leads."""
        return self._lock.held

    def place(self) -> tuple[int, int] | None:
        """Return what tells the folder of what is kept from another in its place."""
        try:
            found = self._layout.kept.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def take(self, timeout_s: float = 0.0) -> bool:
        """Lead, unless another process does for longer than the limit."""
        if self._lock.held and self._lock.intact():
            return True
        self.release()
        self._layout.make()  # what somebody has removed
        return self._lock.acquire(timeout_s)

    def release(self) -> None:
        """Let another process lead."""
        self._lock.release()
        self._kept = {}  # the next leader writes them, and this one may come again

    def keep(self, name: str, payload: bytes) -> bool:
        """Write a record of the whole group; False where that fails."""
        record = self._kept.get(name)
        if record is None:
            record = self._kept[name] = RecordFile(record_path(self._layout.kept, name))
        try:
            record.write(payload)
        except OSError as error:
            self._unwritten(name, error)
            return False
        return True

    def drop(self, record: Record) -> None:
        """Remove a record of a dead process."""
        if not record.living and record.worker != ARCHIVE:
            place = self._layout.workers / record.worker
            try:
                record_path(place, record.name).unlink(missing_ok=True)
            except OSError as error:
                self._unwritten(record.name, error)

    def clear(self, merges: Mapping[str, Merge], now_s: float) -> set[str]:
        """Archive what the dead have counted, and remove their places when nothing is in them.

        Returns the names of records that the dead have left and nobody here can merge.
        """
        workers = self._layout.workers
        dead = [
            worker
            for worker in members.all_workers(workers)
            if not members.is_alive(workers / worker)
        ]
        left = {name for worker in dead for name in members.names(workers / worker)}
        for name in sorted(left & merges.keys()):
            try:
                absorb(self._layout, name, dead, merges[name])
            except OSError as error:
                self._unwritten(name, error)
        self._dead_since_s = {worker: self._dead_since_s.get(worker, now_s) for worker in dead}
        for worker, since_s in self._dead_since_s.items():
            if not members.names(workers / worker) or now_s >= since_s + _UNCLAIMED_S:
                members.remove(workers / worker)
        return left - merges.keys()

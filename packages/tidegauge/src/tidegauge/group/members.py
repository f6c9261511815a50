"""The folders of a group's processes: one each, and a lock in it that says that its owner lives.

No pid is compared with another: a pid may come again, and a lock does not outlive its holder.
"""

from __future__ import annotations

import os
import re
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tidegauge.group.locks import Descriptors, FileLock, is_locked
from tidegauge.group.records import NAME, SUFFIX, RecordFile, read

_WORKER = re.compile(r"\d+-[0-9a-f]{8}")
_ALIVE = "alive"
#: A process that is about to end: others need not wait for it, and it does not lead.
LEAVING = "leaving"
#: A process that has somebody to export to, so that it can lead.
ATTACHED = "attached"


@dataclass(frozen=True, slots=True)
class Record:
    """What one process has published."""

    worker: str
    name: str
    living: bool
    payload: bytes


class Membership:
    """The place of this process in a group."""

    def __init__(self, descriptors: Descriptors, workers: Path) -> None:
        """Take a place.

        Raises
        ------
        OSError
            The folder cannot be written.
        """
        self.worker = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._place = workers / self.worker
        self._records: dict[str, RecordFile] = {}
        self._marks: set[str] = set()
        # Under another name first: a place without a lock would look like that of a dead process.
        new = workers / f".{self.worker}"
        new.mkdir(0o700)
        self._alive = FileLock(descriptors, new / _ALIVE)
        try:
            if not self._alive.acquire():
                raise BlockingIOError
            new.rename(self._place)
        except OSError:
            self._alive.release()
            remove(new)
            raise
        self._alive.moved(self._place / _ALIVE)

    def renew(self) -> bool:
        """See to it that others see that this process lives; False where its place is gone.

        Whoever cleared the folder may have left the records. Without the lock they would be
        nobody's, and with a second place they would be counted twice.
        """
        if self._alive.intact():
            return True
        self._alive.release()
        self._marks.clear()
        try:
            return self._alive.acquire()
        except FileNotFoundError:
            return False

    def publish(self, name: str, payload: bytes) -> None:
        """Write a record; raises ``OSError`` where that fails."""
        record = self._records.get(name)
        if record is None:
            record = self._records[name] = RecordFile(record_path(self._place, name))
        record.write(payload)

    def withdraw(self, name: str) -> None:
        """Remove a record."""
        self._records.pop(name, None)
        record_path(self._place, name).unlink(missing_ok=True)

    def mark(self, mark: str) -> None:
        """Say something of this process to the others."""
        if mark not in self._marks:
            (self._place / mark).touch(0o600)
            self._marks.add(mark)

    def unmark(self, mark: str) -> None:
        """Take it back."""
        self._marks.discard(mark)
        (self._place / mark).unlink(missing_ok=True)


def record_path(folder: Path, name: str) -> Path:
    """Return where a record of this name is.

    Raises
    ------
    ValueError
        No record may have this name.
    """
    if not NAME.fullmatch(name):
        raise ValueError(f"record name: got {name!r}; expected 1 to 200 of a-z 0-9 . _ -")
    return folder / (name + SUFFIX)


def names(folder: Path) -> list[str]:
    """Return the names of the records in a folder; none where there is no folder."""
    return [
        name.removesuffix(SUFFIX)
        for name in _entries(folder)
        if name.endswith(SUFFIX) and NAME.fullmatch(name.removesuffix(SUFFIX))
    ]


def all_workers(workers: Path) -> list[str]:
    """Return the processes that have or had a place in a group."""
    return [name for name in _entries(workers) if _WORKER.fullmatch(name)]


def _entries(folder: Path) -> list[str]:
    """Return what is in a folder that may be gone at any moment, but for hidden files."""
    try:
        return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    except OSError:
        return []


def is_alive(place: Path) -> bool:
    """Say whether the owner of a place lives."""
    return not is_dead(place)


def is_dead(place: Path) -> bool:
    """Say whether the owner of a place is dead.

    Without the file of the lock nobody can tell. Then what it has published stays, for its owner
    may come again and would be counted twice; a place with nothing in it is what was left when its
    removal was interrupted.
    """
    locked = is_locked(place / _ALIVE)
    return not locked if locked is not None else not names(place)


def is_marked(place: Path, mark: str) -> bool:
    """Say whether the owner of a place has said this of itself."""
    return (place / mark).exists()


def records_of(workers: Path, worker: str, prefix: str) -> list[Record]:
    """Return the records of one process whose names begin with ``prefix``."""
    place = workers / worker
    wanted = [name for name in names(place) if name.startswith(prefix)]
    if not wanted:
        return []
    # First, not after: of a process that is dead now, all that it wrote is read.
    living = is_alive(place)
    found = []
    for name in wanted:
        content = read(record_path(place, name))
        if content is not None:
            found.append(Record(worker, name, living, content.payload))
    return found


def remove(place: Path) -> None:
    """Remove a place with all that is in it, the lock last: half a place must not look alive."""
    with suppress(OSError):
        for path in sorted(place.iterdir(), key=lambda path: path.name == _ALIVE):
            path.unlink()
        place.rmdir()

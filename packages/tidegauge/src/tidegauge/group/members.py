"""The folders of a group's processes: one each, locked for as long as its owner lives.

No pid is compared with another: a pid may come again, and a lock does not outlive its holder.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tidegauge.group.locks import Descriptors, FolderLock, is_locked
from tidegauge.group.records import NAME, SUFFIX, RecordFile, read

#: Says which of the records in a folder are meant.
Names = Callable[[Path], Sequence[str]]

_WORKER = re.compile(r"\d+-[0-9a-f]{8}")
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
        # Under another name first: a place without a lock would look like that of a dead process.
        new = workers / f".{self.worker}"
        new.mkdir(0o700)
        self._lock = FolderLock(descriptors, new)
        try:
            if not self._lock.acquire():
                raise BlockingIOError
            new.rename(self._place)
        except OSError:
            self._lock.release()
            remove(new)
            raise
        self._lock.moved(self._place)

    def intact(self) -> bool:
        """Say whether others still see this process."""
        return self._lock.intact()

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
        path = self._place / mark
        if not path.exists():
            path.touch(0o600)

    def unmark(self, mark: str) -> None:
        """Take it back."""
        (self._place / mark).unlink(missing_ok=True)


def record_path(folder: Path, name: str) -> Path:
    """Return where a record of this name is.

    Raises
    ------
    ValueError
        No record may have this name.
    """
    if not NAME.fullmatch(name):
        raise ValueError(
            f"record name: got {name!r}; expected 1 to 200 of a-z 0-9 . _ -, no dot first"
        )
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
    except (FileNotFoundError, NotADirectoryError):
        return []


def is_alive(place: Path) -> bool:
    """Say whether the owner of a place lives; a place that cannot be looked at counts as living."""
    return is_locked(place) is not False


def is_marked(place: Path, mark: str) -> bool:
    """Say whether the owner of a place has said this of itself."""
    return (place / mark).exists()


def only(name: str) -> Names:
    """Choose the record of this name."""
    return lambda _: (name,)


def beginning(prefix: str) -> Names:
    """Choose the records whose names begin so."""
    return lambda folder: [name for name in names(folder) if name.startswith(prefix)]


def records_of(workers: Path, worker: str, chosen: Names) -> list[Record]:
    """Return the records of one process that are chosen."""
    place = workers / worker
    wanted = chosen(place)
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
    """Remove a place with all that is in it."""
    with suppress(OSError):
        for path in place.iterdir():
            path.unlink()
        place.rmdir()

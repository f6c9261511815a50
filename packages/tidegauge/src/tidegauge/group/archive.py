"""What dead processes have counted, kept without being counted twice.

An archive is one record: the merged payload, and whose records are in it. So one write decides
both, and a crash before or after it changes no total: a reader leaves out the records of those that
the archive has absorbed, and whoever leads next removes them.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable
from typing import NamedTuple

from tidegauge import plugins
from tidegauge.group import members
from tidegauge.group.folder import Layout
from tidegauge.group.members import Names, Record, only, record_path
from tidegauge.group.records import RecordFile, read
from tidegauge.guard import once

Merge = Callable[[list[bytes]], bytes]

#: The name under which the archive stands among the workers.
ARCHIVE = "archive"

#: Plugins that say how records are merged, by what stands before the first dot of their names.
PLUGINS = "tidegauge_archive"

_LENGTH_BYTES = 4
# An archive is written when a process has died, not more often than a leader ticks.
_READS = 10


class Merges:
    """How records are merged when processes die, by name."""

    def __init__(self) -> None:
        self.known: dict[str, Merge] = {}
        self._unknown: set[str] = set()

    def learn(self, left: set[str]) -> None:
        """Find out how to merge what this process does not publish itself, if a plugin knows it."""
        if left <= self._unknown:
            return
        for entry_point, merge in plugins.load(PLUGINS):
            for name in left:
                if name.partition(".")[0] == entry_point.name:
                    self.known.setdefault(name, merge)
        self._unknown |= left - self.known.keys()


class Archive(NamedTuple):
    """The archive of one name."""

    sequence: int = 0
    absorbed: frozenset[str] = frozenset()
    payload: bytes | None = None


_EMPTY = Archive()


def read_all(layout: Layout, chosen: Names) -> list[Record]:
    """Return the chosen records of all processes, and those of the archive.

    No record is in both: the archive is read before and after the others. One write in between
    does no harm, for then both lists of the absorbed are at hand; after more, all is read again.
    """
    found: list[Record] = []
    after: dict[str, Archive] = {}
    for _ in range(_READS):
        before = _archives(layout, chosen)
        found = [
            record
            for worker in members.all_workers(layout.workers)
            for record in members.records_of(layout.workers, worker, chosen)
        ]
        after = _archives(layout, chosen)
        found = [
            record
            for record in found
            if record.worker
            not in before.get(record.name, _EMPTY).absorbed
            | after.get(record.name, _EMPTY).absorbed
        ]
        if all(
            archive.sequence <= before.get(name, _EMPTY).sequence + 1
            for name, archive in after.items()
        ):
            break
    return found + [
        Record(ARCHIVE, name, living=False, payload=archive.payload)
        for name, archive in after.items()
        if archive.payload is not None
    ]


def _archives(layout: Layout, chosen: Names) -> dict[str, Archive]:
    return {name: _read_archive(layout, name) for name in chosen(layout.archive)}


def _read_archive(layout: Layout, name: str) -> Archive:
    content = read(record_path(layout.archive, name))
    if content is None:
        return _EMPTY
    end = _LENGTH_BYTES + int.from_bytes(content.payload[:_LENGTH_BYTES], "little")
    absorbed = frozenset(json.loads(content.payload[_LENGTH_BYTES:end]))
    return Archive(content.sequence, absorbed, content.payload[end:])


def absorb(layout: Layout, name: str, dead: Iterable[str], merge: Merge) -> None:
    """Merge the records of dead processes into the archive of their name, and remove them.

    Raises
    ------
    OSError
        The archive could not be written. Nothing is removed then.
    """
    before = _read_archive(layout, name)
    payload, taken, done = before.payload, set(), set()
    for worker in dead:
        for record in members.records_of(layout.workers, worker, only(name)):
            if worker in before.absorbed:
                done.add(worker)
                continue
            try:
                payload = merge([record.payload] if payload is None else [payload, record.payload])
            except Exception as error:
                _refuse(record, error)
            else:
                taken.add(worker)
    if taken and payload is not None:
        # Of those absorbed before, the ones whose record is still there must be remembered.
        listed = json.dumps(sorted(taken | done)).encode()
        RecordFile(record_path(layout.archive, name)).write(
            len(listed).to_bytes(_LENGTH_BYTES, "little") + listed + payload
        )
    for worker in taken | done:
        record_path(layout.workers / worker, name).unlink(missing_ok=True)


def _refuse(record: Record, error: Exception) -> None:
    once(
        f"group.merge.{record.name}",
        "The record %r of the ended process %s cannot be merged (%s): what it counted is left out. "
        "Do all workers run the same version of Tidegauge?",
        record.name,
        record.worker,
        type(error).__name__,
        level=logging.ERROR,
        error=error,
    )

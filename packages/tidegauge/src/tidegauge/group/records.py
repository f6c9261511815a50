"""A record: one small file that is never read torn, whatever happens to its writer.

The file holds two copies, written alternately with ``pwrite``: while one is being written, the
other is whole. Each has a sequence number and a checksum, and a reader takes the newest whole one.
A payload that outgrows its place goes into a new file, which then takes the name of the old.

``pwrite`` and no ``mmap``: a mapped file that somebody truncates, and a mapped page for which the
disk has no room, are a SIGBUS, which is a dead app; here they are an ``OSError``.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import struct
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from tidegauge.guard import once

#: What a record may be called. Other files are nobody's.
NAME = re.compile(r"[a-z0-9_-][a-z0-9._-]{0,199}")
SUFFIX = ".record"

_MAGIC = b"TGr1"
# Magic, sequence number, bytes of the payload; then the checksum of these and it.
_HEAD = struct.Struct("<4sQI")
_CHECKSUM_BYTES = 8
_HEADER_BYTES = _HEAD.size + _CHECKSUM_BYTES
# A payload grows by a few bytes each time that a count gets one digit more.
_SPARE = 1.25
_SLOT_STEP_BYTES = 1024
# Far above what a process of 1,000 models publishes; a larger file is not ours.
_LARGEST_SLOT_BYTES = 2**25
# A torn copy is read again: its writer may be at work, and then the other copy is soon the newer.
_TRIES = 4


class Content(NamedTuple):
    """What a record holds."""

    sequence: int
    payload: bytes


class RecordFile:
    """The writer of one record. There is one writer at a time; the caller sees to that."""

    __slots__ = ("_path", "_sequence", "_slot_bytes")

    def __init__(self, path: Path) -> None:
        self._path = path
        self._sequence = -1  # not yet looked at: another process may have written before
        self._slot_bytes = 0

    def write(self, payload: bytes) -> None:
        """Make this the content.

        Raises
        ------
        OSError
            It could not be written; the content is what it was.
        """
        if self._sequence < 0:
            self._continue()
        sequence = self._sequence + 1
        if _HEADER_BYTES + len(payload) > self._slot_bytes or not self._rewrite(sequence, payload):
            self._replace(sequence, payload)
        self._sequence = sequence

    def _continue(self) -> None:
        """Go on where a process before this one has stopped."""
        data = _read(self._path)
        found = _newest(data)[0] if data else None
        self._sequence = found.sequence if found else 0
        # A new file: which of the two copies of the old one is whole need not be known then.
        self._slot_bytes = 0

    def _rewrite(self, sequence: int, payload: bytes) -> bool:
        """Write over the older copy; False where the file is gone, or not as it was left."""
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:  # most often it is gone; in any case it is no file of ours
            return False
        try:
            if os.fstat(descriptor).st_size != 2 * self._slot_bytes:
                return False
            copy = _encode(sequence, payload)
            _write(descriptor, copy, sequence % 2 * self._slot_bytes)
        finally:
            os.close(descriptor)
        return True

    def _replace(self, sequence: int, payload: bytes) -> None:
        """Write a new file with room to spare, all of it: a full disk shows now and not later."""
        wanted = int((_HEADER_BYTES + len(payload)) * _SPARE)
        slot_bytes = -(-wanted // _SLOT_STEP_BYTES) * _SLOT_STEP_BYTES
        if slot_bytes > _LARGEST_SLOT_BYTES:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(self._path))
        slots = [bytes(slot_bytes), bytes(slot_bytes)]
        slots[sequence % 2] = _encode(sequence, payload).ljust(slot_bytes, b"\0")
        new = self._path.with_name(f".{self._path.name}")
        descriptor = os.open(
            new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
        )
        try:
            try:
                _write(descriptor, b"".join(slots), 0)
            finally:
                os.close(descriptor)
            new.rename(self._path)
        except OSError:
            with suppress(OSError):
                new.unlink()
            raise
        self._slot_bytes = slot_bytes


def read(path: Path) -> Content | None:
    """Return what a record holds; None where there is none, or nothing of it is whole.

    Raises
    ------
    OSError
        It is there and cannot be read now: this process has too many open files, for one.
    """
    found = None
    for _ in range(_TRIES):
        data = _read(path)
        if data is None:
            return None
        found, torn = _newest(data)
        if not torn:
            return found
    if found is None:
        once(
            "group.record",
            "A record of the group is damaged and is left out: got no whole copy in %s. If this "
            "comes again, look at the disk, or at who else writes to this folder.",
            path,
            level=logging.ERROR,
        )
    return found


def _encode(sequence: int, payload: bytes) -> bytes:
    head = _HEAD.pack(_MAGIC, sequence, len(payload))
    return head + _checksum(head, payload) + payload


def _checksum(head: bytes, payload: bytes) -> bytes:
    digest = blake2b(head, digest_size=_CHECKSUM_BYTES)
    digest.update(payload)
    return digest.digest()


def _newest(data: bytes) -> tuple[Content | None, bool]:
    """Return the newest whole copy, and whether a copy that claims to be newer is torn."""
    claims = [claim for start in (0, len(data) // 2) if (claim := _claim(data, start))]
    for place, (sequence, length, start) in enumerate(sorted(claims, reverse=True)):
        head = data[start : start + _HEAD.size]
        payload = data[start + _HEADER_BYTES : start + _HEADER_BYTES + length]
        if _checksum(head, payload) == data[start + _HEAD.size : start + _HEADER_BYTES]:
            return Content(sequence, payload), place > 0
    return None, True


def _claim(data: bytes, start: int) -> tuple[int, int, int] | None:
    """Return what a copy says of itself, the sequence and bytes of its payload, and its place."""
    if len(data) < start + _HEADER_BYTES:
        return None
    magic, sequence, length = _HEAD.unpack_from(data, start)
    return (sequence, length, start) if magic == _MAGIC else None


def _read(path: Path) -> bytes | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:  # a link is none of ours
            return None
        raise
    try:
        return os.read(descriptor, min(os.fstat(descriptor).st_size, 2 * _LARGEST_SLOT_BYTES))
    except IsADirectoryError:
        return None
    finally:
        os.close(descriptor)


def _write(descriptor: int, data: bytes, offset: int) -> None:
    """Write all; a disk that is full takes a part first, and says why with the rest."""
    rest = memoryview(data)
    while rest:
        written = os.pwrite(descriptor, rest, offset)
        rest, offset = rest[written:], offset + written

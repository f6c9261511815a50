"""A folder: the place for profiles that needs nobody else."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from tidegauge.answers import Outcome

from tidegauge_exporter_whylabs.naming import SUFFIX
from tidegauge_exporter_whylabs.writer import DELIVERED, Written


class LocalWriter:
    """Writes files into a folder, which is made where it is missing."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.where = str(folder)

    def write(self, stem: str, content: bytes) -> Written:
        """Write a file beside its place and move it there."""
        new = self._folder / f".{stem}.{os.getpid()}"
        try:
            make(self._folder)
            put(new, self._folder / f"{stem}{SUFFIX}", content)
        except OSError as error:
            return Written(
                Outcome.LATER,
                os.strerror(error.errno or errno.EIO),
                "TIDEGAUGE_WHYLABS_DIR",
                "Make room there, or name another folder.",
            )
        return DELIVERED


def make(folder: Path) -> None:
    """Make a folder for its owner only, with those above it; what is there stays as it is.

    Raises
    ------
    OSError
        It cannot be made.
    """
    try:
        folder.mkdir(0o700, exist_ok=True)
    except FileNotFoundError:
        if folder.parent == folder:  # the working folder was removed
            raise
        make(folder.parent)
        folder.mkdir(0o700, exist_ok=True)


def put(new: Path, target: Path, content: bytes) -> None:
    """Write a file that is whole or not there: beside its place first, then moved.

    It is its owner's only: a profile holds values and texts of rows.

    Raises
    ------
    OSError
        It could not be written; what was there before stays.
    """
    try:
        new.unlink(missing_ok=True)  # what a process that was killed has left, or a link
        handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        new.replace(target)
    except OSError:
        new.unlink(missing_ok=True)
        raise

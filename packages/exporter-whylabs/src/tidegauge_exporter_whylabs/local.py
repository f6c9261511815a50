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
            self._folder.mkdir(parents=True, exist_ok=True)
            put(new, self._folder / f"{stem}{SUFFIX}", content)
        except OSError as error:
            return Written(
                Outcome.LATER,
                os.strerror(error.errno or errno.EIO),
                "TIDEGAUGE_WHYLABS_DIR",
                "Make room there, or name another folder.",
            )
        return DELIVERED


def put(new: Path, target: Path, content: bytes) -> None:
    """Write a file that is whole or not there: beside its place first, then moved.

    Raises
    ------
    OSError
        It could not be written; what was there before stays.
    """
    try:
        with new.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        new.replace(target)
    except OSError:
        new.unlink(missing_ok=True)
        raise

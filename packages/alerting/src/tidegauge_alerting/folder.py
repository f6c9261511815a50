"""Writes what was rendered into a folder, each file whole: a vendor may read while we write."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tidegauge.command import CommandError


def write_files(folder: Path, files: Mapping[str, str]) -> None:
    """Write files, each a path in the folder and a text; what else is there is left alone.

    Raises
    ------
    CommandError
        The folder cannot be made or written to.
    """
    for name, text in files.items():
        path = folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
            try:
                with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as new:
                    new.write(text)
                # mkstemp makes files for us alone; the vendor's process is somebody else.
                Path(temporary).chmod(0o644)
                Path(temporary).replace(path)
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise
        except OSError as error:
            raise CommandError(
                f"{path}: cannot be written ({error.strerror}). Choose a folder that you may "
                "write to."
            ) from error

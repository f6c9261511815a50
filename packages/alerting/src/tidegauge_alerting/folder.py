"""Writes what was rendered into a folder, each file whole: a vendor may read while we write."""

from __future__ import annotations

import secrets
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
            write_file(path, text)
        except OSError as error:
            raise CommandError(
                f"{path}: cannot be written ({error.strerror}). Choose a folder that you may "
                "write to."
            ) from error


def write_file(path: Path, text: str) -> None:
    """Write one file. Who may read it, the vendor's process perhaps, is the umask's to say.

    Raises
    ------
    OSError
        It cannot be written; what was there before stays.
    """
    new = path.parent / f".{path.name}.{secrets.token_hex(8)}"
    try:
        with new.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise

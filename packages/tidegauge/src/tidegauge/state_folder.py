"""The folder in which a service leaves what people and later processes read.

By default it is ``tidegauge-<uid>/state`` in the folder of temporary files: a command that the same
user runs on the same host, or in the same container, finds it without being told.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tidegauge.runtime import read_settings, shared
from tidegauge.settings import environment

if TYPE_CHECKING:
    from collections.abc import Callable

#: In place of a folder: nothing is left anywhere.
NONE = "none"
_NAME = "state"
_OTHERS_MAY_WRITE = 0o022
_LARGEST_BYTES = 2**28


class StateFolderError(Exception):
    """Nothing can be written there; the message says why and what to do."""


def folder() -> Path | None:
    """Return the folder that the settings choose; None where nothing is to be left."""
    read_settings()
    setting = shared.settings.state_dir
    if setting == NONE:
        return None
    return Path(setting) if setting else _default()


def readable() -> list[Path]:
    """Return the folders that exist and may hold what is looked for, the likeliest first.

    Where none was chosen: this user's, then those of other users as far as they can be read.
    """
    own = folder()
    found = [] if own is None else [own]
    if not shared.settings.state_dir:
        for parent in dict.fromkeys((_temporary(), Path("/tmp"))):  # noqa: S108 - see _default
            with suppress(OSError):
                found += sorted(parent.glob(f"tidegauge-*/{_NAME}"))
        found = [path for path in found if _is_its_users(path)]
    return [path for path in dict.fromkeys(found) if _is_readable(path)]


def _is_its_users(path: Path) -> bool:
    """Say whether a default folder is made by the user in its name: anybody may make one there."""
    if not hasattr(os, "geteuid"):
        return True
    try:
        found = [each.lstat() for each in (path.parent, path)]
    except OSError:
        return False
    return all(
        stat.S_ISDIR(each.st_mode)
        and path.parent.name == f"tidegauge-{each.st_uid}"
        and not each.st_mode & _OTHERS_MAY_WRITE
        for each in found
    )


def _default() -> Path:
    user = getattr(os, "geteuid", lambda: "user")()
    return _temporary() / f"tidegauge-{user}" / _NAME


def _temporary() -> Path:
    # Not gettempdir(): where that finds no place to write, it ends up in the working folder.
    return Path(environment().get("TMPDIR") or "/tmp")  # noqa: S108 - a folder of our own in it


def _is_readable(path: Path) -> bool:
    try:
        with os.scandir(path) as entries:
            next(entries, None)
    except OSError:
        return False
    return True


def write(name: str, content: bytes) -> None:
    """Write a file into the folder: whole or not at all, and for its owner only.

    Raises
    ------
    StateFolderError
        It cannot be written, or somebody else can write there.
    """
    _put(name, f".{name}.{os.getpid()}", content, Path.replace)


def create(name: str, content: bytes) -> bool:
    """Write a file as ``write`` does, unless it is there; tell whether it was not.

    Of several processes that try at once one creates the file.

    Raises
    ------
    StateFolderError
        As ``write``.
    """
    try:
        # Pids of hosts that share a folder may be equal.
        _put(name, f".{name}.{secrets.token_hex(8)}", content, _link)
    except FileExistsError:
        return False
    return True


def _link(new: Path, target: Path) -> None:
    os.link(new, target)
    new.unlink()


def _put(name: str, by: str, content: bytes, move: Callable[[Path, Path], object]) -> None:
    """Write a file by another name and move it to its own."""
    place = folder()
    if place is None:
        return
    new = place / by
    try:
        _make(place)
        with suppress(FileNotFoundError):
            new.unlink()  # of a process with this pid that was killed meanwhile
        handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        move(new, place / name)
    except OSError as error:
        with suppress(OSError):
            new.unlink()
        if move is _link and isinstance(error, FileExistsError) and (place / name).is_file():
            raise
        raise _unwritable(place, error) from error


def made() -> Path | None:
    """Return the folder, which is there now; None where nothing is to be left.

    Raises
    ------
    StateFolderError
        It cannot be made, or somebody else can write there.
    """
    place = folder()
    if place is not None:
        try:
            _make(place)
        except OSError as error:
            raise _unwritable(place, error) from error
    return place


def _make(place: Path) -> None:
    if shared.settings.state_dir:
        place.mkdir(0o700, parents=True, exist_ok=True)
        return
    for each in (place.parent, place):  # where anybody can write: all of it is this user's, or none
        each.mkdir(0o700, exist_ok=True)
        _refuse_strangers(each)


def _unwritable(place: Path, error: OSError) -> StateFolderError:
    return StateFolderError(
        f"TIDEGAUGE_STATE_DIR: got {error.strerror!r} from {str(place)!r}; expected a folder "
        f"that can be written. Choose another one, or {NONE!r} to leave no files."
    )


def read(name: str) -> bytes | None:
    """Return what ``write`` has left in the folder; None where there is nothing.

    Raises
    ------
    StateFolderError
        It cannot be read, is too large to be ours, or somebody else can write there.
    """
    place = folder()
    if place is None:
        return None
    try:
        if not shared.settings.state_dir:
            for each in (place.parent, place):
                _refuse_strangers(each)
        return content(place / name, _LARGEST_BYTES)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StateFolderError(
            f"TIDEGAUGE_STATE_DIR: got {error.strerror!r} from {str(place / name)!r}; expected a "
            "file that this service has written. Remove it, or choose another folder."
        ) from error


def content(path: Path, most_bytes: int) -> bytes:
    """Return what is in a file. Whoever may write there can put a pipe there: it is not waited for.

    Raises
    ------
    OSError
        It cannot be read, is no file, or is larger.
    """
    with open(path, "rb", opener=_open) as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), str(path))
        if found.st_size > most_bytes:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
        return file.read(most_bytes)


def _open(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def touch(name: str) -> None:
    """Set a file's time to now, if it is there."""
    place = folder()
    if place is not None:
        with suppress(OSError):
            os.utime(place / name)


def _refuse_strangers(path: Path) -> None:
    found = path.lstat()
    mine = found.st_uid == getattr(os, "geteuid", lambda: found.st_uid)()
    if not stat.S_ISDIR(found.st_mode) or not mine or found.st_mode & _OTHERS_MAY_WRITE:
        raise PermissionError(1, "others can write there", str(path))

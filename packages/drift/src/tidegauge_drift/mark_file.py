"""The file of marks as commands change it: one after the other, whole or not at all."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Iterable
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tidegauge.command import CommandError

from tidegauge_drift.marks import FILE, MAXIMUM, MAXIMUM_BYTES, Mark, MarksError, dump, parse

try:
    import fcntl
except ImportError:  # not Unix: of two commands at once one may be lost
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Iterator

_AVAILABLE = fcntl is not None
_WAIT_S = 10.0
_POLL_S = 0.01
# The service may be another user's: it must read the file, and nobody else must write it.
_MODE = 0o644


def read(folder: Path) -> tuple[Mark, ...]:
    """Return the marks in a folder; none where there is no file.

    Raises
    ------
    CommandError
        It cannot be read, or somebody has broken it.
    """
    path = folder / FILE
    try:
        with path.open("rb") as file:
            return parse(file.read(MAXIMUM_BYTES + 1))
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise CommandError(
            f"{path}: got {error.strerror!r} from the file system; expected a file that can be "
            "read. Run the command as the user of the service."
        ) from error
    except MarksError as error:
        raise CommandError(
            f"{path}: {error}; expected what `tidegauge mute` has written. Repair it, or remove "
            "it: its mutes end with it."
        ) from error


def change(folder: Path, edit: Callable[[tuple[Mark, ...]], Iterable[Mark]]) -> None:
    """Replace the marks in a folder by what ``edit`` makes of them; nobody else does meanwhile.

    Raises
    ------
    CommandError
        The file cannot be read or written, or would hold too many.
    """
    try:
        with _locked(folder):
            marks = list(edit(read(folder)))
            if len(marks) > MAXIMUM:
                raise CommandError(
                    f"{folder / FILE}: got {len(marks)} marks; expected at most {MAXIMUM}. "
                    "Mute whole models in place of their features."
                )
            _replace(folder, dump(marks))
    except OSError as error:
        raise CommandError(
            f"TIDEGAUGE_STATE_DIR: got {error.strerror!r} from {str(folder)!r}; expected a folder "
            "that can be written. Run the command as the user of the service."
        ) from error


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep other commands out; the folder itself is what is locked, so that nothing is left."""
    if not _AVAILABLE:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        deadline = time.monotonic() + _WAIT_S
        while not _try(descriptor):
            if time.monotonic() >= deadline:
                raise CommandError(
                    f"{folder}: got a lock that another command has held for {_WAIT_S:g} s; "
                    "expected it free. Look for a `tidegauge mute` that hangs."
                )
            time.sleep(_POLL_S)
        yield
    finally:
        os.close(descriptor)


def _try(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _replace(folder: Path, content: bytes) -> None:
    new = folder / f".{FILE}.{secrets.token_hex(8)}"
    try:
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            new.chmod(_MODE)  # whatever the umask
            _own(descriptor, folder)
        new.replace(folder / FILE)
    except BaseException:
        with suppress(OSError):
            new.unlink()
        raise


def _own(descriptor: int, folder: Path) -> None:
    """Give what root has made to the owner of the folder, who changes it next."""
    if getattr(os, "geteuid", lambda: 1)() == 0:
        owner = folder.stat()
        os.fchown(descriptor, owner.st_uid, owner.st_gid)

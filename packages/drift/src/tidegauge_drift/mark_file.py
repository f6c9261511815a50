"""The file of marks as commands change it: one after the other, whole or not at all."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Iterable
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tidegauge import state_folder
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
        return parse(state_folder.content(path, MAXIMUM_BYTES))
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
        with _locked(folder) as descriptor:
            marks = list(edit(read(folder)))
            if len(marks) > MAXIMUM:
                raise CommandError(
                    f"{folder / FILE}: got {len(marks)} marks; expected at most {MAXIMUM}. "
                    "Mute whole models in place of their features."
                )
            _replace(folder, descriptor, dump(marks))
    except OSError as error:
        raise CommandError(
            f"TIDEGAUGE_STATE_DIR: got {error.strerror!r} from {str(folder)!r}; expected a folder "
            "that can be written. Run the command as the user of the service."
        ) from error


@contextmanager
def _locked(folder: Path) -> Iterator[int | None]:
    """Keep other commands out; the folder itself is what is locked, so that nothing is left.

    Yields its descriptor, where there is one: whoever owns the folder may put another, or a link,
    in its place, while root changes what is in it.
    """
    if not _AVAILABLE:
        yield None
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
        yield descriptor
    finally:
        os.close(descriptor)


def _try(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _replace(folder: Path, within: int | None, content: bytes) -> None:
    above = folder if within is None else Path()
    new, target = above / f".{FILE}.{secrets.token_hex(8)}", above / FILE
    try:
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE, dir_fd=within)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            if within is not None:
                os.fchmod(descriptor, _MODE)  # whatever the umask
                _own(descriptor, within)
        os.replace(new, target, src_dir_fd=within, dst_dir_fd=within)
    except BaseException:
        with suppress(OSError):
            os.unlink(new, dir_fd=within)
        raise


def _own(descriptor: int, folder: int) -> None:
    """Give what root has made to the owner of the folder, who changes it next."""
    if os.geteuid() == 0:
        owner = os.fstat(folder)
        os.fchown(descriptor, owner.st_uid, owner.st_gid)

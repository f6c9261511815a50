"""What the kernel says of running processes: whose children, who listens, who holds a lock."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

_PROC = Path("/proc")
_LISTEN = "0A"
# Fields of /proc/<pid>/stat after the name in brackets, which may hold spaces.
_STATE, _PARENT = 0, 1
# Of a line of /proc/locks: which kind of lock, whose, and on which file.
_KIND, _OWNER, _FILE = 1, 4, 5


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits to be fetched does not."""
    fields = _stat(pid)
    return fields is not None and fields[_STATE] not in "ZX"


def descendants(pid: int) -> set[int]:
    """Return the living processes that a process has started, and those that these have."""
    children: dict[int, set[int]] = {}
    for found in _pids():
        fields = _stat(found)
        if fields is not None and fields[_STATE] not in "ZX":
            children.setdefault(int(fields[_PARENT]), set()).add(found)
    reached: set[int] = set()
    new = {pid}
    while new:
        new = {child for parent in new for child in children.get(parent, ())} - reached
        reached |= new
    return reached


def of_session(session: int) -> set[int]:
    """Return the living processes of a session, whoever their parents are by now."""
    found = set()
    for pid in _pids():
        with contextlib.suppress(OSError):
            if os.getsid(pid) == session and alive(pid):
                found.add(pid)
    return found


def command_line(pid: int) -> str:
    """Return how a process was started; empty where there is none."""
    try:
        return (_PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    except OSError:
        return ""


def listeners(port: int) -> set[int]:
    """Return the processes that hold a socket which listens on a port of IPv4."""
    suffix = f":{port:04X}"
    inodes = set()
    for line in (_PROC / "net" / "tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[1].endswith(suffix) and fields[3] == _LISTEN:
            inodes.add(f"socket:[{fields[9]}]")
    return {pid for pid in _pids() if inodes & _open_files(pid)}


def lock_holder(path: Path) -> int | None:
    """Return the process that holds ``flock`` on a file, None where nobody does."""
    try:
        status = path.stat()
    except OSError:
        return None
    place = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    for line in (_PROC / "locks").read_text().splitlines():
        fields = line.split()
        # Behind an arrow somebody waits for it.
        if "->" not in fields and (fields[_KIND], fields[_FILE]) == ("FLOCK", place):
            return int(fields[_OWNER])
    return None


def _pids() -> list[int]:
    return [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdecimal()]


def _stat(pid: int) -> list[str] | None:
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    return text[text.rindex(")") + 2 :].split()


def _open_files(pid: int) -> set[str]:
    found: set[str] = set()
    with contextlib.suppress(OSError):
        for entry in (_PROC / str(pid) / "fd").iterdir():
            with contextlib.suppress(OSError):
                found.add(str(entry.readlink()))
    return found

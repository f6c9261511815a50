"""Which launch a process belongs to.

A launch is what one process, the launcher, has started by forking or by ``multiprocessing``; any
other program that is started from it, or from its environment, is a launch of its own. The kernel
knows all that is needed: who is whose parent, and whether a process has run ``exec`` since its
fork. What the kernel forgets, because a parent has ended, comes from the parent itself: to a forked
child in memory, to a child of ``multiprocessing`` in an environment variable.
"""

from __future__ import annotations

import os
import re
import sys
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

#: Written by us alone, for our own children.
OWNER_VARIABLE = "TIDEGAUGE_GROUP_OWNER"

# PF_FORKNOEXEC in the kernel's sched.h: forked, and has not run exec since.
_FORKED_ONLY = 0x40
# A zombie, and a process that is being taken down.
_ENDED = "ZX"
_SPAWNED = "--multiprocessing-fork"
# joblib's workers, which its own copy of multiprocessing spawns.
_SPAWNED_BY_LOKY = "loky.backend.popen_loky_posix"
_HELPER = re.compile(r"from [\w.]+\.(resource_tracker|semaphore_tracker|forkserver) import main")
_FORK_SERVER = re.compile(r"from [\w.]+\.forkserver import main")
# No launch is this deep.
_MOST_GENERATIONS = 64
_OWNER = re.compile(r"(\d+)\.(\d+):(\d+)\.(\d+)")


class Process(NamedTuple):
    """What the kernel says of a process."""

    pid: int
    parent: int
    flags: int
    #: Clock ticks since the boot: with the pid, it names one process for as long as this boot.
    start: int
    command: str


@dataclass(frozen=True, slots=True)
class Launch:
    """The launch of this process."""

    #: Twelve hexadecimal digits; empty where the system does not say, and the process is alone.
    identity: str = ""
    boot: str = ""
    pid_namespace: int = 0
    launcher_pid: int = 0
    launcher_start: int = 0
    #: Whether another process is the launcher.
    child: bool = False
    #: Whether this is a process that multiprocessing keeps for itself: it serves nothing.
    helper: bool = False

    def facts(self) -> dict[str, object]:
        """Return what tells this launch from all others."""
        return {
            "boot": self.boot,
            "pid_namespace": self.pid_namespace,
            "launcher_pid": self.launcher_pid,
            "launcher_start": self.launcher_start,
        }

    def instance_id(self) -> str:
        """Return a UUID that all processes of the launch agree on."""
        return str(uuid.UUID(bytes=_digest(self.facts(), 16), version=4))

    def inherited(self) -> Launch:
        """Return the launch of a child that was forked from this process."""
        return replace(self, child=True, helper=False)

    def owner(self, me: Process) -> str:
        """Return what children of ``multiprocessing`` are told."""
        return f"{self.launcher_pid}.{self.launcher_start}:{me.pid}.{me.start}"


def look(pid: int) -> Process | None:
    """Ask the kernel about a process; None where none runs, or where there is no Linux."""
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes().decode(errors="replace")
    except OSError:
        return None
    # The command is in parentheses and may hold any character.
    before, _, after = text.rpartition(")")
    fields = after.split()
    if fields[0] in _ENDED:
        return None
    return Process(pid, int(fields[1]), int(fields[6]), int(fields[19]), before.partition("(")[2])


def lives(pid: object, start: object) -> bool:
    """Say whether a process that once was is still there."""
    found = look(pid) if isinstance(pid, int) else None
    return found is not None and found.start == start


def detect(environ: Mapping[str, str]) -> Launch:
    """Find the launch of this process."""
    me = look(os.getpid())
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        pid_namespace = Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        me = None
    if me is None:
        return Launch()
    argv = sys.orig_argv
    launcher_pid, launcher_start = _launcher(me, argv, environ.get(OWNER_VARIABLE, ""))
    found = Launch(
        boot=boot,
        pid_namespace=pid_namespace,
        launcher_pid=launcher_pid,
        launcher_start=launcher_start,
        child=(launcher_pid, launcher_start) != (me.pid, me.start),
        helper=_runs(_HELPER, argv) and not (me.flags & _FORKED_ONLY),
    )
    return replace(found, identity=_digest(found.facts(), 6).hex())


def _launcher(me: Process, argv: Sequence[str], owner: str) -> tuple[int, int]:
    """Climb from parent to parent as long as the launch goes, or to one that says what it is."""
    told = _OWNER.fullmatch(owner)
    process = me
    for _ in range(_MOST_GENERATIONS):
        parent = _parent_in_launch(process, argv)
        if parent is None:
            break
        process, argv = parent, _arguments(parent.pid)
        if told and (process.pid, process.start) == (int(told[3]), int(told[4])):
            return int(told[1]), int(told[2])
    return process.pid, process.start


def _parent_in_launch(process: Process, argv: Sequence[str]) -> Process | None:
    """Return the parent, if it forked this process or spawned it by multiprocessing."""
    ours = (
        process.flags & _FORKED_ONLY
        or _SPAWNED in argv
        or any(argument.endswith(_SPAWNED_BY_LOKY) for argument in argv)
        or _runs(_FORK_SERVER, argv)
    )
    if not ours:
        return None
    parent = look(process.parent)
    # Where the parent has ended, another process has taken its place, most often the first of all.
    return parent if parent and _same_program(process, parent) else None


def _same_program(child: Process, parent: Process) -> bool:
    try:
        return _program(child) == _program(parent)
    except OSError:  # the parent is another user's: a server that has given up its rights
        return child.command == parent.command


def _program(process: Process) -> Path:
    return Path(f"/proc/{process.pid}/exe").readlink()


def _runs(code: re.Pattern[str], argv: Sequence[str]) -> bool:
    """Say whether an interpreter was started with such code on its command line."""
    return any(
        option == "-c" and code.match(argument) is not None for option, argument in pairwise(argv)
    )


def _arguments(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []


def _digest(facts: Mapping[str, object], size: int) -> bytes:
    return blake2b(repr(sorted(facts.items())).encode(), digest_size=size).digest()

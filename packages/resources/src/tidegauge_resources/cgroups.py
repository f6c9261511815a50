"""Control groups of Linux, both versions: what a container uses, and what it may use.

A limit may stand at any group above the process's own: all those that can be seen from inside
count. ``root`` is where ``/proc`` and ``/sys`` are, which only tests have elsewhere.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

# Version 1 says "no limit" with the largest number of whole pages in 63 bits.
_UNLIMITED = 2**60
_MICRO, _NANO = 1e-6, 1e-9
_V2 = ""


@dataclass(frozen=True, slots=True)
class Group:
    """What one control group says of itself; None for what it does not."""

    memory_usage: float | None = None
    memory_working_set: float | None = None
    memory_limit: float | None = None
    cpu_seconds: float | None = None
    cpu_limit: float | None = None


@dataclass(frozen=True, slots=True)
class Groups:
    """The process's own group, then those above it."""

    levels: tuple[Group, ...] = field(default=())

    @property
    def own(self) -> Group:
        """The group that the process is in."""
        return self.levels[0] if self.levels else Group()

    @property
    def cpu_limit(self) -> float | None:
        """Cores that the process and its neighbours may use together."""
        return min((g.cpu_limit for g in self.levels if g.cpu_limit is not None), default=None)

    @property
    def memory_limit(self) -> float | None:
        """Bytes that the process and its neighbours may use together."""
        found = (g.memory_limit for g in self.levels if g.memory_limit is not None)
        return min(found, default=None)

    @property
    def memory_utilization(self) -> float | None:
        """How near the nearest limit is: of the levels that have one, the fullest counts.

        Pages of files that can be dropped are no use of memory: the kernel takes them back first.
        """
        return max(
            (
                level.memory_working_set / level.memory_limit
                for level in self.levels
                if level.memory_limit and level.memory_working_set is not None
            ),
            default=None,
        )


def available_cpus(root: Path = Path("/")) -> float:
    """Return the cores that this process may use: its affinity, or its quota if that is less."""
    if hasattr(os, "sched_getaffinity"):
        allowed = float(len(os.sched_getaffinity(0)))
    else:
        allowed = float(os.cpu_count() or 1)
    limit = read(root).cpu_limit
    return allowed if limit is None else min(allowed, limit)


def read(root: Path = Path("/")) -> Groups:
    """Return the groups of this process; none where the system has none."""
    memory = list(_levels(root, "memory"))
    cpu = list(_levels(root, "cpu"))
    spent = list(_levels(root, "cpuacct"))
    levels = []
    for number in range(max(len(memory), len(cpu), len(spent))):
        usage, working_set, limit = _memory(*memory[number]) if number < len(memory) else _NOTHING
        levels.append(
            Group(
                usage,
                working_set,
                limit,
                _cpu_seconds(*spent[number]) if number < len(spent) else None,
                _cpu_limit(*cpu[number]) if number < len(cpu) else None,
            )
        )
    return Groups(tuple(levels))


_NOTHING: tuple[float | None, float | None, float | None] = (None, None, None)


def _levels(root: Path, controller: str) -> Iterator[tuple[Path, bool]]:
    """Yield the folders of a controller's groups, the own one first; and whether of version 2."""
    found = _place(root, controller)
    version_2 = found is None
    if found is None:
        found = _place(root, _V2)
    if found is None:
        return
    top, within = found
    own = top / within
    # What the process says of its group may be a path that only the host can see.
    folder = own if own.is_dir() else top
    while True:
        yield folder, version_2
        if folder == top:
            return
        folder = folder.parent


def _place(root: Path, controller: str) -> tuple[Path, PurePosixPath] | None:
    """Return where a controller is mounted, and the process's group in there."""
    path = _path(root, controller)
    if path is None:
        return None
    for line in _lines(root / "proc/self/mountinfo"):
        before, _, after = line.partition(" - ")
        fields, kind = before.split(), after.split()
        if len(fields) < 5 or len(kind) < 3:  # noqa: PLR2004 - the fields that proc(5) names
            continue
        options = kind[2].split(",")
        if kind[0] != ("cgroup2" if controller == _V2 else "cgroup"):
            continue
        if controller != _V2 and controller not in options:
            continue
        shown, mounted = PurePosixPath(fields[3]), PurePosixPath(fields[4])
        within = path.relative_to(shown) if path.is_relative_to(shown) else PurePosixPath()
        return root / mounted.relative_to("/"), within
    return None


def _path(root: Path, controller: str) -> PurePosixPath | None:
    for line in _lines(root / "proc/self/cgroup"):
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if controller in controllers.split(","):
            return PurePosixPath(path)
    return None


def _memory(folder: Path, version_2: bool) -> tuple[float | None, float | None, float | None]:
    if version_2:
        usage = _number(folder / "memory.current")
        limit = _number(folder / "memory.max")
        droppable = _stat(folder / "memory.stat", "inactive_file")
    else:
        usage = _number(folder / "memory.usage_in_bytes")
        limit = _number(folder / "memory.limit_in_bytes")
        droppable = _stat(folder / "memory.stat", "total_inactive_file")
    if limit is not None and limit >= _UNLIMITED:
        limit = None
    working_set = None if usage is None else max(0.0, usage - (droppable or 0.0))
    return usage, working_set, limit


def _cpu_seconds(folder: Path, version_2: bool) -> float | None:
    if version_2:
        spent = _stat(folder / "cpu.stat", "usage_usec")
        return None if spent is None else spent * _MICRO
    spent = _number(folder / "cpuacct.usage")
    return None if spent is None else spent * _NANO


def _cpu_limit(folder: Path, version_2: bool) -> float | None:
    if version_2:
        words = next(iter(_lines(folder / "cpu.max")), "").split()
        quota, period = (_float(word) for word in [*words, "", ""][:2])
    else:
        quota = _number(folder / "cpu.cfs_quota_us")
        period = _number(folder / "cpu.cfs_period_us")
    return quota / period if quota and period and quota > 0 else None


def _stat(file: Path, name: str) -> float | None:
    for line in _lines(file):
        key, _, value = line.partition(" ")
        if key == name:
            return _float(value)
    return None


def _number(file: Path) -> float | None:
    return _float(next(iter(_lines(file)), ""))


def _float(text: str) -> float | None:
    """Return a number; None for "max" and for what is no number."""
    try:
        return float(text)
    except ValueError:
        return None


def _lines(file: Path) -> list[str]:
    """Return a file's lines; none of what is not there or must not be read."""
    try:
        return file.read_text("utf-8", "replace").splitlines()
    except OSError:
        return []

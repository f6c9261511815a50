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


class ControlGroups:
    """Where this process's groups are, which is looked for once, and what stands there now."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._memory = tuple(_levels(root, "memory"))
        self._cpu = tuple(_levels(root, "cpu"))
        self._spent = tuple(_levels(root, "cpuacct"))

    def read(self) -> Groups:
        """Return the groups; none where the system has none."""
        levels = []
        for number in range(max(map(len, (self._memory, self._cpu, self._spent)))):
            memory = _memory(*self._memory[number]) if number < len(self._memory) else _NOTHING
            spent = self._spent[number] if number < len(self._spent) else None
            cpu = self._cpu[number] if number < len(self._cpu) else None
            levels.append(
                Group(
                    *memory,
                    None if spent is None else _cpu_seconds(*spent),
                    None if cpu is None else _cpu_limit(*cpu),
                )
            )
        return Groups(tuple(levels))

    def cpu_seconds(self) -> float | None:
        """Return the CPU time of the process's own group."""
        return _cpu_seconds(*self._spent[0]) if self._spent else None

    def available_cpus(self) -> float:
        """Return the cores that this process may use: its affinity, or its quota if it is less."""
        if hasattr(os, "sched_getaffinity"):
            allowed = float(len(os.sched_getaffinity(0)))
        else:
            allowed = float(os.cpu_count() or 1)
        limits = (_cpu_limit(*level) for level in self._cpu)
        return min([allowed, *(limit for limit in limits if limit is not None)])


_NOTHING: tuple[float | None, float | None, float | None] = (None, None, None)


def _levels(root: Path, controller: str) -> Iterator[tuple[str, bool]]:
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
        yield str(folder), version_2
        if folder == top:
            return
        folder = folder.parent


def _place(root: Path, controller: str) -> tuple[Path, PurePosixPath] | None:
    """Return where a controller is mounted, and the process's group in there."""
    path = _path(root, controller)
    if path is None:
        return None
    for line in _lines(f"{root}/proc/self/mountinfo"):
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
    for line in _lines(f"{root}/proc/self/cgroup"):
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if controller in controllers.split(","):
            return PurePosixPath(path)
    return None


def _memory(folder: str, version_2: bool) -> tuple[float | None, float | None, float | None]:
    if version_2:
        usage = _number(f"{folder}/memory.current")
        limit = _number(f"{folder}/memory.max")
        droppable = _stat(f"{folder}/memory.stat", "inactive_file")
    else:
        usage = _number(f"{folder}/memory.usage_in_bytes")
        limit = _number(f"{folder}/memory.limit_in_bytes")
        droppable = _stat(f"{folder}/memory.stat", "total_inactive_file")
    if limit is not None and limit >= _UNLIMITED:
        limit = None
    working_set = None if usage is None else max(0.0, usage - (droppable or 0.0))
    return usage, working_set, limit


def _cpu_seconds(folder: str, version_2: bool) -> float | None:
    if version_2:
        spent = _stat(f"{folder}/cpu.stat", "usage_usec")
        return None if spent is None else spent * _MICRO
    spent = _number(f"{folder}/cpuacct.usage")
    return None if spent is None else spent * _NANO


def _cpu_limit(folder: str, version_2: bool) -> float | None:
    if version_2:
        words = next(iter(_lines(f"{folder}/cpu.max")), "").split()
        quota, period = (_float(word) for word in [*words, "", ""][:2])
    else:
        quota = _number(f"{folder}/cpu.cfs_quota_us")
        period = _number(f"{folder}/cpu.cfs_period_us")
    return quota / period if quota and period and quota > 0 else None


def _stat(file: str, name: str) -> float | None:
    for line in _lines(file):
        key, _, value = line.partition(" ")
        if key == name:
            return _float(value)
    return None


def _number(file: str) -> float | None:
    return _float(next(iter(_lines(file)), ""))


def _float(text: str) -> float | None:
    """Return a number; None for "max" and for what is no number."""
    try:
        return float(text)
    except ValueError:
        return None


def _lines(file: str) -> list[str]:
    """Return a file's lines; none of what is not there or must not be read."""
    try:
        with open(file, encoding="utf-8", errors="replace") as opened:  # noqa: PTH123 - thrice as fast
            return opened.read().splitlines()
    except OSError:
        return []

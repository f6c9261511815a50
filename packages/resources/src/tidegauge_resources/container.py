"""The container of a launch: what its control group uses, and what it may use."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tidegauge.batch import GaugePoint
from tidegauge.sources import Moment
from tidegauge_semconv import MetricSpec, metrics

from tidegauge_resources import settings
from tidegauge_resources.cgroups import ControlGroups
from tidegauge_resources.window import Window


class ContainerSource:
    """Reads ``container.*`` from the control group's files.

    Parameters
    ----------
    root : Path
        Where ``/proc`` and ``/sys`` are.
    clock : callable
        Seconds of a clock that never jumps.
    """

    host_wide = True
    may_hang = True

    def __init__(self, root: Path = Path("/"), clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings.read()
        self._root = root
        self._clock = clock
        self.reset()

    def reset(self) -> None:
        """Be another process."""
        self._groups = ControlGroups(self._root)
        self._used: Window[str] = Window(self._settings.window_s)

    def read(self, _: Moment) -> Iterator[GaugePoint]:
        """Yield what stands in the files now."""
        if settings.CONTAINER not in self._settings.sources:
            return
        groups = self._groups.read()
        own = groups.own
        usage = self._cpu_usage(own.cpu_seconds)
        limit = groups.cpu_limit
        found: list[tuple[MetricSpec, float | None]] = [
            (metrics.CONTAINER_CPU_USAGE, usage),
            (metrics.CONTAINER_CPU_LIMIT, limit),
            (metrics.CONTAINER_CPU_UTILIZATION, _ratio(usage, limit)),
            (metrics.CONTAINER_MEMORY_USAGE, own.memory_usage),
            (metrics.CONTAINER_MEMORY_WORKING_SET, own.memory_working_set),
            (metrics.CONTAINER_MEMORY_LIMIT, groups.memory_limit),
            (metrics.CONTAINER_MEMORY_UTILIZATION, groups.memory_utilization),
        ]
        for spec, value in found:
            if value is not None:
                yield GaugePoint(spec, (), value)

    def _cpu_usage(self, seconds: float | None) -> float | None:
        """Return the cores in use; the files count since a start that nobody knows."""
        if seconds is None:
            return None
        change = self._used.change(self._clock(), {"": seconds}, -float("inf"))
        return None if change is None else change.grown[""] / change.elapsed_s


def _ratio(usage: float | None, limit: float | None) -> float | None:
    return None if usage is None or not limit else usage / limit

"""A process: its CPU, memory, threads and descriptors, and its models' shares of them.

Every worker of a launch measures itself; what they say adds up.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from typing import Any

from tidegauge.batch import CountPoint, GaugePoint
from tidegauge.guard import guarded
from tidegauge.late_import import late_import
from tidegauge.sources import Moment
from tidegauge_semconv import metrics

from tidegauge_resources import settings
from tidegauge_resources.cgroups import ControlGroups
from tidegauge_resources.shares import Shares, seconds_by_name
from tidegauge_resources.window import Change, Window

USER, SYSTEM = "user", "system"
_PERCENT = 100.0
# Seconds in 1024ths add up exactly, in whatever order workers are added: a total must not fall.
_EXACT = 1024.0
# How often the quota is looked up: who changes it under a running process can wait.
_QUOTA_S = 30.0


class ProcessSource:
    """Reads ``process.*`` by psutil, and splits CPU and memory over the models.

    Parameters
    ----------
    clock : callable
        Seconds of a clock that never jumps.
    """

    host_wide = False
    may_hang = False

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings.read()
        self._clock = clock
        self.reset()

    def reset(self) -> None:
        """Be another process."""
        self._process: Any = None
        self._began_s = 0.0
        self._available, self._look_s = 1.0, float("-inf")
        self._used: Window[str] = Window(self._settings.window_s)
        self._spent: Window[str] = Window(self._settings.window_s)
        self._shares = Shares()

    def read(self, moment: Moment) -> Iterator[GaugePoint | CountPoint]:
        """Yield what the process uses now."""
        if settings.PROCESS not in self._settings.sources:
            return
        if self._process is None:
            with late_import():
                import psutil  # noqa: PLC0415 - 20 ms that only a collection may cost
            self._process = psutil.Process()
            self._began_s = self._process.create_time()
            self._groups = ControlGroups()
        process, began_s = self._process, self._began_s
        times = process.cpu_times()
        memory = process.memory_info()
        threads = process.num_threads()
        cpu_s = {USER: times.user, SYSTEM: times.system}
        now_s = self._clock()
        used = self._used.change(now_s, cpu_s, now_s - max(0.0, time.time() - began_s))
        for mode, seconds in cpu_s.items():
            exact = math.floor(seconds * _EXACT) / _EXACT
            yield CountPoint(metrics.PROCESS_CPU_TIME, (mode,), exact, began_s)
        yield GaugePoint(metrics.PROCESS_MEMORY_USAGE, (), memory.rss)
        yield GaugePoint(metrics.PROCESS_MEMORY_VIRTUAL, (), memory.vms)
        yield GaugePoint(metrics.PROCESS_THREAD_COUNT, (), threads)
        with guarded("resources.descriptors"):
            if hasattr(process, "num_fds"):  # not on Windows
                descriptors = process.num_fds()
                yield GaugePoint(metrics.PROCESS_FILE_DESCRIPTORS, (), descriptors)
        if used is not None:
            if now_s >= self._look_s:
                self._look_s = now_s + _QUOTA_S
                self._available = self._groups.available_cpus()
            for mode, seconds in used.grown.items():
                utilization = seconds / used.elapsed_s / self._available
                yield GaugePoint(metrics.PROCESS_CPU_UTILIZATION, (mode,), utilization)
        yield from self._of_models(moment, used, memory.rss)

    def _of_models(
        self, moment: Moment, used: Change[str] | None, rss: float
    ) -> Iterator[GaugePoint]:
        now_s = self._clock()
        seconds = seconds_by_name(moment)
        spent = self._spent.change(now_s, seconds, now_s - (moment.now_s - moment.start_s))
        shares = self._shares.of(seconds, spent)
        for name, share in shares.items():
            if used is not None:
                percent = _PERCENT * sum(used.grown.values()) / used.elapsed_s
                yield GaugePoint(metrics.MODEL_CPU_USAGE, (name,), percent * share)
            yield GaugePoint(metrics.MODEL_MEMORY_USAGE, (name,), rss * share)

"""GPU memory of a process, by GPU, and its models' shares of it.

The driver knows what a process holds, whatever library it is for. In a container it often does not
say so, or says it of numbers that mean other processes in there; then PyTorch's allocator is asked,
if the app has imported PyTorch and used CUDA.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tidegauge.batch import GaugePoint
from tidegauge.guard import guarded
from tidegauge.sources import Moment
from tidegauge_semconv import metrics

from tidegauge_resources import settings
from tidegauge_resources.nvml import Device, Nvml
from tidegauge_resources.shares import Shares, seconds_by_name
from tidegauge_resources.window import Window

# The namespace in which the system began (PROC_PID_INIT_INO): numbers there are the driver's.
_FIRST_NAMESPACE = "pid:[4026531836]"
# By version: without one the binding refuses to ask a driver that is older than itself.
_LISTS = ("nvmlDeviceGetComputeRunningProcesses_v3", "nvmlDeviceGetComputeRunningProcesses_v2")


class GpuMemorySource:
    """Reads what this process holds; every worker says it of itself."""

    host_wide = False
    may_hang = True

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings.read()
        self._clock = clock
        self.reset()

    def reset(self) -> None:
        """Be another process: with no handle of the parent's."""
        self._nvml = Nvml()
        self._spent: Window[str] = Window(self._settings.window_s)
        self._shares = Shares()

    def read(self, moment: Moment) -> Iterator[GaugePoint]:
        """Yield each model's share of each GPU's memory that this process holds."""
        if settings.GPU not in self._settings.sources:
            return
        now_s = self._clock()
        seconds = seconds_by_name(moment)
        spent = self._spent.change(now_s, seconds, now_s - (moment.now_s - moment.start_s))
        shares = self._shares.of(seconds, spent)
        held = _torch_memory()
        for device in self._nvml.devices():
            found = None if device.partitioned else self._held(device)
            if found is not None:
                held[device.uuid] = found
        for uuid, size_bytes in held.items():
            for name, share in shares.items():
                yield GaugePoint(metrics.MODEL_GPU_MEMORY, (name, uuid), size_bytes * share)

    def _held(self, device: Device) -> float | None:
        processes = next(filter(None, (self._nvml.ask(f, device.handle) for f in _LISTS)), ())
        if not are_ours([process.pid for process in processes]):
            return None
        own = [process for process in processes if process.pid == os.getpid()]
        sizes = [process.usedGpuMemory for process in own if process.usedGpuMemory is not None]
        return float(sum(sizes)) if sizes else None


def are_ours(pids: list[int], root: Path = Path("/")) -> bool:
    """Say whether the driver's process numbers mean the same processes here."""
    try:
        first = (root / "proc/self/ns/pid").readlink() == Path(_FIRST_NAMESPACE)
    except OSError:
        return True  # no Linux, no namespaces
    return first or all((root / "proc" / str(pid)).exists() for pid in pids)


def _torch_memory() -> dict[str, float]:
    """Return what PyTorch's allocator holds, by UUID; never imports it nor begins CUDA."""
    held: dict[str, float] = {}
    cuda: Any = getattr(sys.modules.get("torch"), "cuda", None)
    with guarded("resources.torch"):
        if cuda is None or not cuda.is_initialized():
            return held
        for index in range(cuda.device_count()):
            size_bytes = cuda.memory_reserved(index)
            uuid = getattr(cuda.get_device_properties(index), "uuid", None)
            if size_bytes and uuid:
                held[f"GPU-{str(uuid).removeprefix('GPU-')}"] = float(size_bytes)
    return held

"""NVIDIA's management library: which devices there are, and one question at a time.

It is asked and never told: nothing here makes a CUDA context or changes a device. Old drivers lack
functions, partitions lack sensors, devices fall off the bus: a question without an answer is None.
"""

from __future__ import annotations

import ctypes
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from tidegauge.late_import import late_import

# Without a driver, or with a device lost, it is looked for again so often.
_AGAIN_S = 60.0
# Uninitialized, driver not loaded, GPU is lost, reset required: handles may no longer be good.
_LOST = frozenset({1, 9, 15, 16})


@dataclass(frozen=True, slots=True)
class Device:
    """A GPU, or a partition (MIG) of the one whose UUID is ``parent``.

    One that is ``partitioned`` has no memory or use of its own: its partitions have it.
    """

    handle: Any
    uuid: str
    name: str
    parent: str = ""
    partitioned: bool = False


class Nvml:
    """The library in this process; each user has an own one, for it counts who has opened it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._library: Any = None
        self._open = self._lost = False
        self._again_s = float("-inf")

    def ask(self, function: str, *arguments: object) -> Any:
        """Return the answer of one of its functions; None where there is none."""
        try:
            return getattr(self._library, function)(*arguments)
        except AttributeError:  # the binding is older than the function
            return None
        except self._library.NVMLError as error:
            self._lost |= error.value in _LOST
            return None

    def devices(self) -> list[Device]:
        """Return the devices that answer now; none without a driver."""
        if not self._ready():
            return []
        return list(self._devices())

    @property
    def library(self) -> Any:
        """The binding's module, for its constants; None before a device was found."""
        return self._library

    def _ready(self) -> bool:
        """Open the library, or open it again where a device was lost since."""
        if self._open and not self._lost:
            return True
        if self._clock() < self._again_s:
            return self._open
        self._again_s = self._clock() + _AGAIN_S
        if self._library is None and not self._load():
            return False
        if self._open:
            self.ask("nvmlShutdown")
        self._open = self._lost = False
        with suppress(self._library.NVMLError):
            self._library.nvmlInit()
            self._open = True
        return self._open

    def _load(self) -> bool:
        if sys.platform.startswith("linux"):
            try:  # where there is no driver the binding, half a second, is not imported
                ctypes.CDLL("libnvidia-ml.so.1")
            except OSError:
                return False
        with late_import():
            import pynvml  # noqa: PLC0415 - on a thread that nobody waits for
        self._library = pynvml
        return True

    def _devices(self) -> Iterator[Device]:
        for index in range(self.ask("nvmlDeviceGetCount") or 0):
            handle = self.ask("nvmlDeviceGetHandleByIndex", index)
            found = self._device(handle)
            if found is None:
                continue
            mode = self.ask("nvmlDeviceGetMigMode", handle)
            if not mode or not mode[0]:
                yield found
                continue
            yield Device(handle, found.uuid, found.name, partitioned=True)
            for number in range(self.ask("nvmlDeviceGetMaxMigDeviceCount", handle) or 0):
                part = self.ask("nvmlDeviceGetMigDeviceHandleByIndex", handle, number)
                instance = self._device(part, found.uuid)
                if instance is not None:
                    yield instance

    def _device(self, handle: Any, parent: str = "") -> Device | None:
        uuid = None if handle is None else self.ask("nvmlDeviceGetUUID", handle)
        if not uuid:
            return None
        return Device(handle, uuid, self.ask("nvmlDeviceGetName", handle) or "", parent)

"""GPUs of AMD as devices, by AMD's own binding where the app has installed it (it is no PyPI one).

Its answers say "N/A" for what a device does not have, or raise: both are absent here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any

from tidegauge.batch import CountPoint, GaugePoint
from tidegauge.late_import import late_import
from tidegauge.sources import Moment
from tidegauge_semconv import metrics

from tidegauge_resources import settings
from tidegauge_resources.since import Since

_GPU = "gpu"
_PERCENT, _MICRO = 100.0, 1e6
# Without a driver it is looked for again so often.
_AGAIN_S = 60.0
# By release: the power of newer devices, of older ones, of all of them in the newest binding.
_POWERS = ("current_socket_power", "average_socket_power", "socket_power")
_ENERGIES = ("energy_accumulator", "power")
_ERRORS = {"corrected": "correctable_count", "uncorrected": "uncorrectable_count"}


class Amd:
    """The binding in this process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._library: Any = None
        self._again_s = float("-inf")

    def ask(self, function: str, *arguments: object) -> Any:
        """Return the answer of one of its functions; None where there is none."""
        try:
            return getattr(self._library, function)(*arguments)
        except Exception:  # its own kinds, ctypes', and those of a release that lacks it
            return None

    def devices(self) -> Iterator[tuple[Any, str, str]]:
        """Yield the devices that answer now: handle, UUID and name."""
        if self._library is None and self._clock() >= self._again_s:
            self._again_s = self._clock() + _AGAIN_S
            self._open()
        for handle in self.ask("amdsmi_get_processor_handles") or ():
            uuid = self.ask("amdsmi_get_gpu_device_uuid", handle)
            if uuid:
                name = (self.ask("amdsmi_get_gpu_asic_info", handle) or {}).get("market_name", "")
                yield handle, str(uuid), str(name)

    def joules(self, handle: Any) -> float | None:
        """Return what a device has used since it was reset last."""
        found = self.ask("amdsmi_get_energy_count", handle)
        ticks, resolution = _first(found, _ENERGIES), _first(found, ("counter_resolution",))
        return None if ticks is None or resolution is None else ticks * resolution / _MICRO

    def constant(self, kind: str, name: str) -> Any:
        """Return a constant of the binding."""
        return getattr(getattr(self._library, kind, None), name, None)

    def _open(self) -> None:
        if find_spec("amdsmi") is None:
            return
        try:
            with late_import():
                import amdsmi  # noqa: PLC0415 - with its driver's library, on a thread of its own
            amdsmi.amdsmi_init()
        except Exception:  # no library, no driver: each release has errors of its own for it
            return
        self._library = amdsmi


class AmdSource:
    """Reads each device; what one has no sensor for is absent."""

    host_wide = True
    may_hang = True

    def __init__(self) -> None:
        self._settings = settings.read()
        self.reset()

    def reset(self) -> None:
        """Be another process: with no handle of the parent's."""
        self._amd = Amd()
        self._since = Since()

    def read(self, moment: Moment) -> Iterator[GaugePoint | CountPoint]:
        """Yield what the devices say now."""
        if settings.GPU not in self._settings.sources:
            return
        for handle, uuid, name in self._amd.devices():
            yield from self._use(handle, (uuid, name, ""))
            yield from self._sensors(handle, (uuid, name, _GPU), moment.now_s)

    def _use(self, handle: Any, named: tuple[str, str, str]) -> Iterator[GaugePoint]:
        amd = self._amd
        busy = _first(amd.ask("amdsmi_get_gpu_activity", handle), ("gfx_activity",))
        if busy is not None:
            yield GaugePoint(metrics.HW_GPU_UTILIZATION, named, busy / _PERCENT)
        kind = amd.constant("AmdSmiMemoryType", "VRAM")
        used = _number(amd.ask("amdsmi_get_gpu_memory_usage", handle, kind))
        total = _number(amd.ask("amdsmi_get_gpu_memory_total", handle, kind))
        if used is not None and total:
            yield GaugePoint(metrics.HW_GPU_MEMORY_USAGE, named, used)
            yield GaugePoint(metrics.HW_GPU_MEMORY_LIMIT, named, total)
            yield GaugePoint(metrics.HW_GPU_MEMORY_UTILIZATION, named, used / total)

    def _sensors(
        self, handle: Any, named: tuple[str, str, str], now_s: float
    ) -> Iterator[GaugePoint | CountPoint]:
        amd = self._amd
        current = amd.constant("AmdSmiTemperatureMetric", "CURRENT")
        for place in ("EDGE", "HOTSPOT"):  # cards have the first, accelerators the second
            sensor = amd.constant("AmdSmiTemperatureType", place)
            degrees = _number(amd.ask("amdsmi_get_temp_metric", handle, sensor, current))
            if degrees is not None:
                yield GaugePoint(metrics.HW_TEMPERATURE, named, degrees)
                break
        watts = _first(amd.ask("amdsmi_get_power_info", handle), _POWERS)
        if watts is not None:
            yield GaugePoint(metrics.HW_POWER, named, watts)
        joules = amd.joules(handle)
        if joules is not None:
            yield self._since.point(metrics.HW_ENERGY, named, joules, now_s)
        counted = amd.ask("amdsmi_get_gpu_total_ecc_count", handle)
        for kind, key in _ERRORS.items():
            errors = _first(counted, (key,))
            if errors is not None:
                yield self._since.point(metrics.HW_ERRORS, (*named, kind), errors, now_s)


def _first(found: Any, keys: tuple[str, ...]) -> float | None:
    """Return the first of these that is a number; None where none is."""
    numbers = (_number(found.get(key)) for key in keys) if isinstance(found, dict) else ()
    return next((number for number in numbers if number is not None), None)


def _number(found: Any) -> float | None:
    return float(found) if isinstance(found, int | float) else None

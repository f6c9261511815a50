"""GPUs of NVIDIA as devices: OpenTelemetry's ``hw.*``, read by one process of a launch."""

from __future__ import annotations

from collections.abc import Iterator

from tidegauge.batch import CountPoint, GaugePoint
from tidegauge.sources import Moment
from tidegauge_semconv import metrics

from tidegauge_resources import settings
from tidegauge_resources.nvml import Device, Nvml
from tidegauge_resources.since import Since
from tidegauge_resources.visible import launched_with, visible

GPU = "gpu"
CORRECTED, UNCORRECTED = "corrected", "uncorrected"
_PERCENT, _MILLI = 100.0, 1000.0
_SENSOR_OF_THE_GPU = 0
_ECC = {CORRECTED: 0, UNCORRECTED: 1}
_SINCE_THE_DRIVER = 0  # NVML's "volatile": what the driver has counted since it was loaded


class GpuSource:
    """Reads each device; what one has no sensor for is absent."""

    host_wide = True
    may_hang = True

    def __init__(self) -> None:
        self._settings = settings.read()
        self.reset()

    def reset(self) -> None:
        """Be another process: with no handle of the parent's."""
        self._nvml = Nvml()
        self._since = Since()

    def read(self, moment: Moment) -> Iterator[GaugePoint | CountPoint]:
        """Yield what the devices say now."""
        if settings.GPU not in self._settings.sources:
            return
        devices = self._nvml.devices()
        for device in visible(devices, launched_with()) if devices else ():
            if not device.partitioned:
                yield from self._use(device)
            if not device.parent:
                yield from self._sensors(device, moment.now_s)

    def _use(self, device: Device) -> Iterator[GaugePoint]:
        ask, handle = self._nvml.ask, device.handle
        named = (device.uuid, device.name, device.parent)
        rates = ask("nvmlDeviceGetUtilizationRates", handle)
        if rates is not None:
            yield GaugePoint(metrics.HW_GPU_UTILIZATION, named, rates.gpu / _PERCENT)
        # The second version leaves out what the driver keeps for itself, as nvidia-smi does.
        version = getattr(self._nvml.library, "nvmlMemory_v2", None)
        memory = ask("nvmlDeviceGetMemoryInfo", handle, version) if version else None
        if memory is None:
            memory = ask("nvmlDeviceGetMemoryInfo", handle)
        if memory is not None and memory.total:
            yield GaugePoint(metrics.HW_GPU_MEMORY_USAGE, named, memory.used)
            yield GaugePoint(metrics.HW_GPU_MEMORY_LIMIT, named, memory.total)
            share = memory.used / memory.total
            yield GaugePoint(metrics.HW_GPU_MEMORY_UTILIZATION, named, share)

    def _sensors(self, device: Device, now_s: float) -> Iterator[GaugePoint | CountPoint]:
        ask, handle = self._nvml.ask, device.handle
        named = (device.uuid, device.name, GPU)
        temperature = ask("nvmlDeviceGetTemperature", handle, _SENSOR_OF_THE_GPU)
        if temperature is not None:
            yield GaugePoint(metrics.HW_TEMPERATURE, named, temperature)
        power = ask("nvmlDeviceGetPowerUsage", handle)
        if power is not None:
            yield GaugePoint(metrics.HW_POWER, named, power / _MILLI)
        energy = ask("nvmlDeviceGetTotalEnergyConsumption", handle)
        if energy is not None:
            yield self._since.point(metrics.HW_ENERGY, named, energy / _MILLI, now_s)
        for kind, number in _ECC.items():
            errors = ask("nvmlDeviceGetTotalEccErrors", handle, number, _SINCE_THE_DRIVER)
            if errors is not None:
                yield self._since.point(metrics.HW_ERRORS, (*named, kind), errors, now_s)

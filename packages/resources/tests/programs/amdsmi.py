"""AMD's binding without a GPU: two devices, the second of which has next to nothing."""

from __future__ import annotations

from types import SimpleNamespace

AmdSmiMemoryType = SimpleNamespace(VRAM="vram")
AmdSmiTemperatureType = SimpleNamespace(EDGE="edge", HOTSPOT="hotspot")
AmdSmiTemperatureMetric = SimpleNamespace(CURRENT="current")
ticks = 1000


class AmdSmiException(Exception):  # noqa: N818 - AMD's name
    """What its functions raise."""


def amdsmi_init() -> None:
    """Open the library."""


def amdsmi_get_processor_handles() -> list[int]:
    """Return the devices."""
    return [0, 1]


def amdsmi_get_gpu_device_uuid(handle: int) -> str:
    """Return a device's UUID."""
    return f"amd-{handle}"


def amdsmi_get_gpu_asic_info(handle: int) -> dict[str, str]:
    """Return what a device is called."""
    return {"market_name": "MI"}


def amdsmi_get_gpu_activity(handle: int) -> dict[str, object]:
    """Return how busy a device is."""
    return {"gfx_activity": 30 if handle == 0 else "N/A"}


def amdsmi_get_gpu_memory_usage(handle: int, kind: str) -> int:
    """Return bytes in use."""
    assert kind == "vram"
    return 250


def amdsmi_get_gpu_memory_total(handle: int, kind: str) -> int:
    """Return all bytes."""
    assert kind == "vram"
    return 1000


def amdsmi_get_temp_metric(handle: int, sensor: str, metric: str) -> int:
    """Return degrees, which the place alone has that accelerators have."""
    if handle or sensor != "hotspot":
        raise AmdSmiException
    return 55


def amdsmi_get_power_info(handle: int) -> dict[str, object]:
    """Return watts."""
    return {"current_socket_power": "N/A", "average_socket_power": "N/A" if handle else 140}


def amdsmi_get_energy_count(handle: int) -> dict[str, float]:
    """Return ticks, and the microjoules of each."""
    if handle:
        raise AmdSmiException
    return {"energy_accumulator": ticks, "counter_resolution": 15.5}


def amdsmi_get_gpu_total_ecc_count(handle: int) -> dict[str, int]:
    """Return memory errors."""
    if handle:
        raise AmdSmiException
    return {"correctable_count": 4, "uncorrectable_count": 1}

"""The GPUs that a launch may use, as ``CUDA_VISIBLE_DEVICES`` says it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from tidegauge.settings import environment

from tidegauge_resources.nvml import Device

_VARIABLE, _ORDER, _BY_BUS = "CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "PCI_BUS_ID"


def launched_with(root: Path = Path("/")) -> Mapping[str, str]:
    """Return the environment that this process was started with.

    What a worker sets for itself later is its own choice among the devices of the launch, and one
    process speaks for all workers.
    """
    try:
        raw = (root / "proc/self/environ").read_bytes()
    except OSError:
        return environment()
    pairs = (each.partition("=") for each in raw.decode("utf-8", "replace").split("\0"))
    return {name: value for name, _, value in pairs}


def visible(devices: Sequence[Device], environ: Mapping[str, str]) -> list[Device]:
    """Return those of all devices that the environment leaves; with each partition its GPU.

    Numbers count in CUDA's order, the fastest first, which is the bus's where all are alike or
    where the environment says so. Otherwise nobody can tell without CUDA which is meant: then all
    are left, each with its name.
    """
    text = environ.get(_VARIABLE)
    if text is None:
        return list(devices)
    whole = [device for device in devices if not device.parent]
    ordered = environ.get(_ORDER) == _BY_BUS or len({device.name for device in whole}) <= 1
    chosen: set[str] = set()
    for part in (each.strip() for each in text.split(",")):
        if part.isascii() and part.isdigit():
            if not ordered:
                return list(devices)
            if int(part) >= len(whole):
                break  # CUDA stops at the first that is not there
            chosen.add(whole[int(part)].uuid)
        else:
            named = [device.uuid for device in devices if part and device.uuid.startswith(part)]
            if len(named) != 1:
                break
            chosen.update(named)
    parents = {device.parent for device in devices if device.uuid in chosen}
    return [
        device
        for device in devices
        if device.uuid in chosen or device.uuid in parents or device.parent in chosen
    ]

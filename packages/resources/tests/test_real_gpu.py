"""A real card beside ``nvidia-smi``: with ``TIDEGAUGE_TEST_GPU=1``, on a machine that has one."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from tidegauge.sources import Moment, Sources
from tidegauge_resources.energy import EnergySource
from tidegauge_resources.gpu import GpuSource
from tidegauge_resources.gpu_memory import GpuMemorySource

pytestmark = pytest.mark.skipif(
    os.environ.get("TIDEGAUGE_TEST_GPU") != "1",
    reason="not run: it needs a GPU of NVIDIA and TIDEGAUGE_TEST_GPU=1",
)

MEBIBYTE = 2**20
FIELDS = (
    "uuid,name,memory.used,memory.total,temperature.gpu,power.draw,utilization.gpu,mig.mode.current"
)
Values = Callable[..., Mapping[tuple[str, ...], float]]


def smi() -> list[dict[str, str]]:
    """Return what ``nvidia-smi`` says of each GPU."""
    tool = shutil.which("nvidia-smi")
    assert tool is not None, "TIDEGAUGE_TEST_GPU=1 needs nvidia-smi"
    done = subprocess.run(
        [tool, f"--query-gpu={FIELDS}", "--format=csv,noheader,nounits"],
        capture_output=True,
        text=True,
        check=True,
    )
    names = FIELDS.split(",")
    return [
        dict(zip(names, map(str.strip, line.split(",")), strict=True))
        for line in done.stdout.splitlines()
    ]


def test_each_gpu_is_as_nvidia_smi_has_it(moment: Callable[..., Moment], values: Values) -> None:
    """UUID, name, memory, temperature, power; what it says is N/A or not supported is absent."""
    found = values(GpuSource().read(moment()))
    cards = smi()
    assert cards
    for card in cards:
        named = (card["uuid"], card["name"])
        if card["mig.mode.current"] == "Enabled":
            assert ("hw.gpu.memory.usage", *named, "") not in found
            continue
        total = found["hw.gpu.memory.limit", *named, ""] / MEBIBYTE
        assert pytest.approx(float(card["memory.total"]), abs=1) == total
        used = found["hw.gpu.memory.usage", *named, ""] / MEBIBYTE
        assert pytest.approx(float(card["memory.used"]), abs=64) == used
        for field, key, within in (
            ("temperature.gpu", ("hw.temperature", *named, "gpu"), 10),
            ("power.draw", ("hw.power", *named, "gpu"), 100),
            ("utilization.gpu", ("hw.gpu.utilization", *named, ""), 100),
        ):
            try:
                expected = float(card[field])
            except ValueError:
                assert key not in found
            else:
                scale = 100 if field == "utilization.gpu" else 1
                assert pytest.approx(expected, abs=within) == scale * found[key]


def test_reading_makes_no_context(moment: Callable[..., Moment]) -> None:
    """Nothing computes on the card because of it, and CUDA's library is not loaded."""
    before = "libcuda" in Path("/proc/self/maps").read_text()
    if before:
        pytest.skip("something else in this process has loaded CUDA")
    for source in (GpuSource(), EnergySource(), GpuMemorySource()):
        list(source.read(moment(m=(1.0, 1))))
    assert "libcuda" not in Path("/proc/self/maps").read_text()
    assert [] == list(GpuMemorySource().read(moment(m=(1.0, 1))))


def test_energy_grows(clock: Any, moment: Callable[..., Moment], values: Values) -> None:
    """An idle card draws some watts; what it used in a second is charged to the model."""
    source = EnergySource(clock=clock)
    first = values(source.read(moment(m=(1.0, 1))))
    if ("model.energy.usage", "m", "gpu") not in first:
        pytest.skip("the GPU counts no energy")
    deadline = time.monotonic() + 60
    joules = 0.0
    while joules == 0.0 and time.monotonic() < deadline:
        time.sleep(0.1)
        joules = values(source.read(moment(m=(1.0, 1))))["model.energy.usage", "m", "gpu"]
    assert 0 < joules < 60 * 1500


def test_a_collection_is_quick(moment: Callable[..., Moment]) -> None:
    """Once the library is open; the figure is printed."""
    made = Sources([GpuSource(), GpuMemorySource()])
    try:
        for number in range(20):
            begun_s = time.perf_counter()
            made.ask(lambda: moment(m=(1.0, 1)), lambda: moment(m=(1.0, 1)))
            points = made.points(60.0)
            took_ms = (time.perf_counter() - begun_s) * 1e3
            if number in (0, 19):
                print(f"collection {number}: {took_ms:.2f} ms, {len(points)} points")
        assert points
    finally:
        made.stop()

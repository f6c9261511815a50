"""GPUs of AMD, by a binding that the test brings: what a device does not have is absent."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tidegauge.sources import Moment
from tidegauge_resources.amd import Amd, AmdSource
from tidegauge_resources.energy import EnergySource


@pytest.fixture
def binding(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Install the binding."""
    monkeypatch.syspath_prepend(Path(__file__).parent / "programs")
    import amdsmi

    yield amdsmi
    sys.modules.pop("amdsmi", None)


def test_what_a_device_has_is_measured_and_the_rest_is_absent(
    binding: Any, moment: Callable[..., Moment], values: Callable[..., Any]
) -> None:
    """By the same names as NVIDIA's; bytes, watts and degrees."""
    first, second = ("amd-0", "MI"), ("amd-1", "MI")
    memory: dict[tuple[str, ...], float] = {}
    for named in (first, second):
        sizes = {"usage": 250.0, "limit": 1000.0, "utilization": 0.25}
        memory |= {(f"hw.gpu.memory.{n}", *named, ""): v for n, v in sizes.items()}
    assert {
        **memory,
        ("hw.gpu.utilization", *first, ""): 0.3,
        ("hw.temperature", *first, "gpu"): 55,
        ("hw.power", *first, "gpu"): 140,
        ("hw.energy", *first, "gpu"): 0,
        ("hw.errors", *first, "gpu", "corrected"): 0,
        ("hw.errors", *first, "gpu", "uncorrected"): 0,
    } == values(AmdSource().read(moment()))


def test_models_are_charged_with_its_energy(
    binding: Any, tmp_path: Path, moment: Callable[..., Moment], values: Callable[..., Any]
) -> None:
    """Ticks times what each is worth."""
    source = EnergySource(tmp_path)
    list(source.read(moment(m=(1.0, 1))))
    binding.ticks = 1_001_000  # of this test's module, which the next one imports anew
    found = values(source.read(moment(m=(1.0, 1))))
    assert pytest.approx(15.5) == found["model.energy.usage", "m", "gpu"]


def test_without_the_binding_there_is_nothing(moment: Callable[..., Moment]) -> None:
    """It is not ours to bring: it comes with the driver."""
    if "amdsmi" in sys.modules:
        pytest.skip("this environment has AMD's binding")
    assert [] == list(AmdSource().read(moment()))


def test_without_a_driver_it_is_looked_for_once_a_minute(
    binding: Any, monkeypatch: pytest.MonkeyPatch, clock: Any
) -> None:
    """An error of the binding is an absent device."""
    opened: list[int] = []

    def fail() -> None:
        opened.append(1)
        raise binding.AmdSmiException

    monkeypatch.setattr(binding, "amdsmi_init", fail)
    amd = Amd(clock)
    for _ in range(3):
        assert [] == list(amd.devices())
    clock.now_s += 60.0
    assert [] == list(amd.devices())
    assert 2 == len(opened)

"""Joules and grams of the models, from counters of the kernel and of GPUs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from tidegauge.settings import SettingError, load
from tidegauge.sources import Moment
from tidegauge_resources import rapl
from tidegauge_resources.carbon import G_PER_KWH
from tidegauge_resources.energy import EnergySource, g_per_kwh
from tidegauge_resources.settings import ResourceSettings

Read = Callable[..., Mapping[tuple[str, ...], float]]
MICRO = 1_000_000


@pytest.fixture
def host(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that sets what a host's counters say: joules, and seconds of work."""

    def set_to(*, package: float, dram: float = 0.0, own: float = 0.0, busy: float = 0.0) -> Path:
        zones = {
            "intel-rapl:0": ("package-0", package),
            "intel-rapl:0:0": ("core", package),
            "intel-rapl:0:1": ("dram", dram),
        }
        files: dict[str, object] = {
            "proc/self/cgroup": "0::/",
            "proc/self/mountinfo": "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw",
            "proc/stat": f"cpu  {busy * 100:.0f} 0 0 999 999 0 0 0 0 0",
            "sys/fs/cgroup/cpu.stat": f"usage_usec {own * MICRO:.0f}",
        }
        for zone, (name, joules) in zones.items():
            folder = f"sys/class/powercap/{zone}"
            files[f"{folder}/name"] = name
            files[f"{folder}/energy_uj"] = f"{joules * MICRO:.0f}"
            files[f"{folder}/max_energy_range_uj"] = 1000 * MICRO
        for name, content in files.items():
            file = tmp_path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"{content}\n")
        return tmp_path

    return set_to


@pytest.fixture
def read(
    host: Callable[..., Path],
    clock: Any,
    moment: Callable[..., Moment],
    values: Callable[[Iterable[Any]], Mapping[tuple[str, ...], float]],
) -> Read:
    """Return a function that sets the host, lets ten seconds go by and reads."""
    sources: list[EnergySource] = []

    def take(*, models: Mapping[str, tuple[float, float]], **counters: float) -> Any:
        root = host(**counters)
        if not sources:
            sources.append(EnergySource(root, clock))
        clock.now_s += 10.0
        return values(sources[0].read(moment(age_s=1e6, **models)))

    return take


def test_a_launch_has_its_part_of_the_processors_energy(read: Read) -> None:
    """A quarter of their busy time is a quarter of the joules; models share it by their time."""
    read(package=100, dram=10, own=5, busy=50, models={"a": (0, 0), "b": (0, 0)})
    found = read(package=300, dram=30, own=10, busy=70, models={"a": (3, 10), "b": (1, 5)})
    assert {
        ("model.energy.usage", "a", "cpu"): 37.5,
        ("model.energy.usage", "b", "cpu"): 12.5,
        ("model.energy.usage", "a", "memory"): 3.75,
        ("model.energy.usage", "b", "memory"): 1.25,
        ("model.energy.per_1k_requests", "a"): 4125.0,
        ("model.energy.per_1k_requests", "b"): 2750.0,
        ("hw.energy", "intel-rapl:0", "package-0", "cpu"): 200.0,
        ("hw.energy", "intel-rapl:0:1", "dram", "memory"): 20.0,
    } == pytest.approx(found)


def test_a_counter_that_went_round_goes_on(read: Read) -> None:
    """Those of the kernel do so every few minutes of work."""
    read(package=990, own=0, busy=0, models={"a": (0, 0)})
    found = read(package=20, own=10, busy=10, models={"a": (1, 1)})
    assert pytest.approx(30.0) == found["model.energy.usage", "a", "cpu"]


def test_readings_of_one_instant_lose_nothing(read: Read) -> None:
    """The kernel's clock of work has not moved: the joules wait for the next reading."""
    read(package=100, own=0, busy=10, models={"a": (0, 0)})
    read(package=150, own=0, busy=10, models={"a": (1, 1)})
    found = read(package=200, own=5, busy=20, models={"a": (2, 2)})
    assert pytest.approx(50.0) == found["model.energy.usage", "a", "cpu"]


def test_energy_of_nobody_is_absent(read: Read) -> None:
    """Without a model there is none to charge, and without requests no value per request."""
    read(package=100, own=0, busy=0, models={})
    found = read(package=200, own=10, busy=10, models={})
    assert {"hw.energy"} == {name for name, *_ in found}
    read(package=300, own=20, busy=20, models={"a": (1, 1)})
    for step in range(1, 8):
        found = read(package=300 + step, own=20 + step, busy=20 + step, models={"a": (1, 1)})
    assert ("model.energy.usage", "a", "cpu") in found
    assert ("model.energy.per_1k_requests", "a") not in found


@pytest.mark.parametrize(
    ("environ", "g"),
    [
        ({"TIDEGAUGE_CARBON_INTENSITY_G_PER_KWH": "360"}, 360.0),
        ({"TIDEGAUGE_CARBON_COUNTRY": "se"}, G_PER_KWH["SE"]),
        (
            {
                "TIDEGAUGE_CARBON_INTENSITY_G_PER_KWH": "0",
                "TIDEGAUGE_CARBON_COUNTRY": "SE",
            },
            0.0,
        ),
    ],
)
def test_grams_are_kilowatt_hours_times_the_intensity(
    monkeypatch: pytest.MonkeyPatch, read: Read, environ: Mapping[str, str], g: float
) -> None:
    """An own number goes before the country's; 0 is a number."""
    for name, text in environ.items():
        monkeypatch.setenv(name, text)
    read(package=0, own=0, busy=0, models={"a": (0, 0)})
    found = read(package=720, own=10, busy=10, models={"a": (1, 100)})
    assert pytest.approx(720 / 3.6e6 * g) == found["model.carbon.emissions", "a"]
    assert pytest.approx(7200 / 3.6e6 * g) == found["model.carbon.per_1k_requests", "a"]


def test_without_an_intensity_there_is_no_carbon(read: Read) -> None:
    """Nobody guesses where a machine stands."""
    assert g_per_kwh(ResourceSettings()) is None
    read(package=0, own=0, busy=0, models={"a": (0, 0)})
    found = read(package=720, own=10, busy=10, models={"a": (1, 100)})
    assert not any("carbon" in name for name, *_ in found)


def test_a_country_that_is_not_in_the_table_is_refused() -> None:
    """At the start, with those that are."""
    with pytest.raises(SettingError, match=r"TIDEGAUGE_CARBON_COUNTRY: got 'XX' .*DE.*WORLD"):
        load(ResourceSettings, {"TIDEGAUGE_CARBON_COUNTRY": "XX"})


def test_the_table_is_plausible() -> None:
    """Between water power and brown coal, in grams; each country by two letters."""
    assert all(10 < grams < 1000 for grams in G_PER_KWH.values())
    assert all(code == "WORLD" or (len(code), code.isupper()) == (2, True) for code in G_PER_KWH)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_must_not_be_read_is_absent_with_a_reason(
    host: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    """One line, once."""
    root = host(package=1)
    for file in root.glob("sys/class/powercap/*/energy_uj"):
        file.chmod(0)
    caplog.set_level("INFO", "tidegauge")
    for _ in range(2):
        assert [] == list(rapl.read(root))
    (line,) = [record.getMessage() for record in caplog.records]
    assert "energy of the processor is absent" in line


def test_a_host_without_counters_has_no_energy(
    tmp_path: Path, clock: Any, moment: Callable[..., Moment]
) -> None:
    """Neither RAPL nor, here, a GPU: nothing is said."""
    source = EnergySource(tmp_path, clock)
    source._nvml._again_s = float("inf")  # of this machine's driver nothing is asked
    for _ in range(2):
        assert [] == list(source.read(moment(a=(1.0, 1))))
        clock.now_s += 10.0

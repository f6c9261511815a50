"""Energy of processors and their memory, by RAPL: counters of the kernel in files.

Since 2020 most systems let root alone read them, for they tell too much of what neighbours compute.
What cannot be read is absent; once there is a line with the reason.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tidegauge.guard import once

CPU, MEMORY = "cpu", "memory"
_MICRO = 1e6
_TYPES = {"package": CPU, "dram": MEMORY}


@dataclass(frozen=True, slots=True)
class Counter:
    """One zone: joules since some time, and at how many they begin anew."""

    id: str
    name: str
    type: str
    joules: float
    around_at: float


def read(root: Path = Path("/")) -> Iterator[Counter]:
    """Yield the zones that can be read: packages, and the memory beside them.

    Cores and graphics are parts of a package, and would count twice.
    """
    for zone in sorted((root / "sys/class/powercap").glob("intel-rapl:*")):
        try:
            name = (zone / "name").read_text().strip()
            kind = _TYPES.get(name.partition("-")[0])
            if kind is not None:
                joules = float((zone / "energy_uj").read_text()) / _MICRO
                around_at = float((zone / "max_energy_range_uj").read_text()) / _MICRO
                yield Counter(zone.name, name, kind, joules, around_at)
        except PermissionError:
            once(
                "resources.rapl",
                "%s: energy of the processor is absent, this process must not read it. Let it: "
                "chmod o+r, or CAP_DAC_READ_SEARCH.",
                zone / "energy_uj",
                level=logging.INFO,
            )
        except (OSError, ValueError):
            continue  # a zone that came or went

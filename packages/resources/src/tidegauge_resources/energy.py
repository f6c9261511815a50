"""Energy and carbon of the models: what the devices of a launch use, split by prediction time.

A launch is charged with all of each GPU that it may use, and of the processors with its share of
their busy time. What nobody measures is left out, so the sum is what is known, not all there is.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

from tidegauge.batch import CountPoint, GaugePoint
from tidegauge.sources import Moment
from tidegauge_semconv import metrics

from tidegauge_resources import rapl, settings
from tidegauge_resources.amd import Amd
from tidegauge_resources.carbon import G_PER_KWH
from tidegauge_resources.cgroups import ControlGroups
from tidegauge_resources.gpu import GPU
from tidegauge_resources.nvml import Nvml
from tidegauge_resources.shares import Shares, requests_by_name, seconds_by_name
from tidegauge_resources.since import Since
from tidegauge_resources.visible import launched_with, visible
from tidegauge_resources.window import Window

_J_PER_KWH = 3.6e6
_MILLI, _THOUSAND = 1000.0, 1000.0
# Of the line "cpu" of /proc/stat: user nice system idle iowait irq softirq steal.
_IDLE = (3, 4)
_FIELDS = 8
_HUNDREDTHS = 100.0
# Both are in one window, by model.
_JOULES, _REQUESTS = "joules", "requests"


class EnergySource:
    """Reads what devices have used, and splits it over the models of the launch.

    Parameters
    ----------
    root : Path
        Where ``/proc`` and ``/sys`` are.
    clock : callable
        Seconds of a clock that never jumps.
    """

    host_wide = True
    may_hang = True

    def __init__(self, root: Path = Path("/"), clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings.read()
        self._root = root
        self._clock = clock
        grams = g_per_kwh(self._settings)
        self._g_per_j = None if grams is None else grams / _J_PER_KWH
        self.reset()

    def reset(self) -> None:
        """Be another process: with no handle of the parent's."""
        self._nvml, self._amd = Nvml(), Amd()
        self._groups = ControlGroups(self._root)
        self._since = Since()
        self._before: dict[str, float] = {}
        self._worked: tuple[float, float] | None = None
        self._start_s: float | None = None
        self._joules: dict[tuple[str, str], float] = defaultdict(float)
        self._spent: Window[str] = Window(self._settings.window_s)
        self._lately: Window[tuple[str, str]] = Window(self._settings.window_s)
        self._shares = Shares()

    def read(self, moment: Moment) -> Iterator[CountPoint | GaugePoint]:
        """Yield what models and processors have used since this process reads it."""
        if settings.ENERGY not in self._settings.sources:
            return
        if self._start_s is None:
            self._start_s = moment.now_s
        now_s = self._clock()
        seconds = seconds_by_name(moment)
        spent = self._spent.change(now_s, seconds, now_s - (moment.now_s - moment.start_s))
        shares = self._shares.of(seconds, spent)
        zones = list(rapl.read(self._root))
        used = self._used_by_gpus() | self._used_by(zones)
        for kind, joules in used.items():
            for name, share in shares.items():
                self._joules[name, kind] += joules * share
        for zone in zones:
            named = (zone.id, zone.name, zone.type)
            yield self._since.point(metrics.HW_ENERGY, named, zone.joules, moment.now_s)
        yield from self._of_models(moment, now_s, self._start_s)

    def _of_models(
        self, moment: Moment, now_s: float, start_s: float
    ) -> Iterator[CountPoint | GaugePoint]:
        by_name: dict[str, float] = {}
        for (name, kind), joules in self._joules.items():
            yield CountPoint(metrics.MODEL_ENERGY_USAGE, (name, kind), joules, start_s)
            by_name[name] = by_name.get(name, 0.0) + joules
        counts = {(_JOULES, name): joules for name, joules in by_name.items()}
        counts |= {(_REQUESTS, name): asked for name, asked in requests_by_name(moment).items()}
        change = self._lately.change(now_s, counts, float("-inf"))
        grown = {} if change is None else change.grown
        for name, joules in by_name.items():
            if self._g_per_j is not None:
                grams = joules * self._g_per_j
                yield CountPoint(metrics.MODEL_CARBON_EMISSIONS, (name,), grams, start_s)
            asked = grown.get((_REQUESTS, name), 0.0)
            if asked > 0:
                each = grown[_JOULES, name] / asked * _THOUSAND
                yield GaugePoint(metrics.MODEL_ENERGY_PER_1K, (name,), each)
                if self._g_per_j is not None:
                    yield GaugePoint(metrics.MODEL_CARBON_PER_1K, (name,), each * self._g_per_j)

    def _used_by_gpus(self) -> dict[str, float]:
        """Return the joules of the launch's GPUs since the last reading; none where unknown."""
        devices = self._nvml.devices()
        used: dict[str, float] = {}
        for device in visible(devices, launched_with(self._root)) if devices else ():
            if device.parent:
                continue  # its GPU has the sensor
            millijoules = self._nvml.ask("nvmlDeviceGetTotalEnergyConsumption", device.handle)
            if millijoules is not None:
                grown = self._grown(device.uuid, millijoules / _MILLI)
                used[GPU] = used.get(GPU, 0.0) + grown
        for handle, uuid, _ in self._amd.devices():
            joules = self._amd.joules(handle)
            if joules is not None:
                used[GPU] = used.get(GPU, 0.0) + self._grown(uuid, joules)
        return used

    def _used_by(self, zones: list[rapl.Counter]) -> dict[str, float]:
        """Return the launch's part of what processors and memory have used since.

        That is its control group's part of the time in which the processors have worked.
        """
        own, busy = self._groups.cpu_seconds(), _busy_seconds(self._root)
        before = self._worked
        if own is None or busy is None or (before is not None and busy <= before[1]):
            return {}
        part = 0.0 if before is None else (own - before[0]) / (busy - before[1])
        self._worked = own, busy
        used: dict[str, float] = {}
        for zone in zones:
            grown = self._grown(zone.id, zone.joules, zone.around_at)
            used[zone.type] = used.get(zone.type, 0.0) + grown * min(1.0, max(0.0, part))
        return used

    def _grown(self, device: str, joules: float, around_at: float = 0.0) -> float:
        """Return by how much a counter has grown; it may have begun anew, at most once."""
        before = self._before.get(device, joules)
        self._before[device] = joules
        return joules - before if joules >= before else max(0.0, joules - before + around_at)


def g_per_kwh(found: settings.ResourceSettings) -> float | None:
    """Return the grams that a kilowatt-hour causes; None where the settings do not say it."""
    if found.carbon_intensity_g_per_kwh is not None:
        return found.carbon_intensity_g_per_kwh
    return G_PER_KWH.get(found.carbon_country)


def _busy_seconds(root: Path) -> float | None:
    """Return the seconds in which the host's processors have worked, all of them together."""
    try:
        first = (root / "proc/stat").read_text().partition("\n")[0].split()
        ticks = list(map(float, first[1 : _FIELDS + 1]))
    except (OSError, ValueError):
        return None
    if len(ticks) < _FIELDS:
        return None
    return sum(t for number, t in enumerate(ticks) if number not in _IDLE) / _HUNDREDTHS

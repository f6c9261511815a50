"""Requests a second of each model, and what a thousand of them cost."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from tidegauge.batch import GaugePoint, ModelKey
from tidegauge.sources import Moment
from tidegauge_semconv import metrics

from tidegauge_resources import settings
from tidegauge_resources.shares import Shares, seconds_by_name
from tidegauge_resources.window import Window

_HOUR_S, _THOUSAND = 3600.0, 1000.0


class CostSource:
    """Counts the requests of all workers together, and divides the hour's cost by them.

    Parameters
    ----------
    clock : callable
        Seconds of a clock that never jumps.
    """

    host_wide = True
    may_hang = False

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings.read()
        self._clock = clock
        self.reset()

    def reset(self) -> None:
        """Be another process."""
        self._asked: Window[ModelKey] = Window(self._settings.window_s)
        self._spent: Window[str] = Window(self._settings.window_s)
        self._shares = Shares()

    def read(self, moment: Moment) -> Iterator[GaugePoint]:
        """Yield each model's rate, and its cost where it was asked at all."""
        if settings.COST not in self._settings.sources:
            return
        now_s = self._clock()
        began_s = now_s - (moment.now_s - moment.start_s)
        requests = {key: use.requests for key, use in moment.models.items()}
        asked = self._asked.change(now_s, requests, began_s)
        seconds = seconds_by_name(moment)
        shares = self._shares.of(seconds, self._spent.change(now_s, seconds, began_s))
        if asked is None:
            return
        by_name: dict[str, float] = {}
        for key, number in asked.grown.items():
            rate = number / asked.elapsed_s
            yield GaugePoint(metrics.MODEL_REQUEST_RATE, (key.name, key.version), rate)
            by_name[key.name] = by_name.get(key.name, 0.0) + rate
        cost_per_hour = self._settings.cost_per_hour
        for name, rate in by_name.items():
            if cost_per_hour is not None and rate > 0:
                cost = cost_per_hour * shares[name] / (rate * _HOUR_S) * _THOUSAND
                yield GaugePoint(metrics.MODEL_COST_PER_1K, (name,), cost)

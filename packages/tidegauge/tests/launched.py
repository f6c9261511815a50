"""A program of several processes that predict, and readers that write down what they are given.

``launched.py FOLDER METHOD CALLS BEFORE``: BEFORE calls of the parent, CALLS of each of four
workers that METHOD starts, fewer where a file says that it is enough.
"""

from __future__ import annotations

import itertools
import json
import multiprocessing
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import tidegauge
from opentelemetry import metrics
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    MetricExporter,
    MetricExportResult,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.resources import Resource
from tidegauge import leave, pipeline

INTERVAL_MS = 100
PAUSE_S = 0.005
# Between collecting and sending, as on a busy machine.
UNDER_WAY_S = 0.05
HANG_S = 60.0
NUMBERS = itertools.count()
OUTPUTS = {1: 0.1, 2: 0.2, 3: 0.3, 4: 0.4}
MODEL = tidegauge.Model("m", version="1")


class Slow(PeriodicExportingMetricReader):
    """Lets a while pass between collecting and sending, unless it is flushed."""

    def _receive_metrics(self, *args: Any, **kwargs: Any) -> None:
        if threading.current_thread().name == "OtelPeriodicExportingMetricReader":
            time.sleep(UNDER_WAY_S)
        super()._receive_metrics(*args, **kwargs)


class Lines(MetricExporter):
    """Appends each export to a file, a line of JSON; ends its process where a file says so."""

    def __init__(self, folder: Path, name: str, **more: Any) -> None:
        super().__init__(**more)
        self._folder = folder
        self._name = name

    def export(self, metrics_data: Any, timeout_millis: float = 0, **_: Any) -> Any:
        """Write it down."""
        found = {
            resource.resource.attributes["service.instance.id"]: points
            for resource in metrics_data.resource_metrics
            if (points := _points(resource))
        }
        if not found:
            return MetricExportResult.SUCCESS
        deadline = time.monotonic() + HANG_S
        while (self._folder / "hang").exists() and time.monotonic() < deadline:
            time.sleep(PAUSE_S)
        line = json.dumps({"pid": os.getpid(), "found": found}).encode() + b"\n"
        out = os.open(self._folder / self._name, os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o600)
        os.write(out, line)
        os.close(out)
        if self._name == "delta" and (self._folder / f"kill.{os.getpid()}").exists():
            os.kill(os.getpid(), signal.SIGKILL)
        return MetricExportResult.SUCCESS

    def force_flush(self, timeout_millis: float = 0) -> bool:
        """Hold nothing back."""
        return True

    def shutdown(self, timeout_millis: float = 0, **_: Any) -> None:
        """Do nothing."""


def _points(resource: Any) -> list[Any]:
    """Return our counts: their series, start, end and number."""
    return [
        (
            (metric.name, *(point.attributes or {}).values()),
            point.start_time_unix_nano,
            point.time_unix_nano,
            getattr(point, "value", getattr(point, "count", None)),
        )
        for scope in resource.scope_metrics
        if scope.scope.name == "tidegauge"
        for metric in scope.metrics
        if not isinstance(metric.data, Gauge) and getattr(metric.data, "is_monotonic", True)
        for point in metric.data.data_points
    ]


def set_up(folder: Path) -> None:
    """Export by a delta and by a cumulative reader."""
    delta: dict[type, Any] = dict.fromkeys((Counter, Histogram), AggregationTemporality.DELTA)
    readers = [
        Slow(exporter, export_interval_millis=INTERVAL_MS)
        for exporter in (
            Lines(folder, "delta", preferred_temporality=delta),
            Lines(folder, "cumulative"),
        )
    ]
    own = Resource({"service.instance.id": f"process-{os.getpid()}"})
    provider = MeterProvider(readers, resource=own)
    metrics.set_meter_provider(provider)
    tidegauge.attach(provider)
    # As configure() does: imports take their time, and the end is looked after from the start.
    pipeline.current().processors()
    leave.install()


def predict(calls: int = 1) -> None:
    """Call the model; one call in five fails."""
    for _ in range(calls):
        try:
            with MODEL.prediction([1.0, 2.0]) as prediction:
                prediction.output = OUTPUTS[next(NUMBERS) % 5]
        except KeyError:
            pass


def work(folder: Path, calls: int) -> None:
    """Predict at a pace, until so many calls are made or a file says that it is enough."""
    with (folder / f"made.{os.getpid()}").open("ab", buffering=0) as made:
        for _ in range(calls):
            made.write(b".")  # before: nobody may be killed between a call and this
            predict()
            if (folder / "enough").exists():
                break
            time.sleep(PAUSE_S)


def start(folder: Path, calls: int) -> None:
    """Be a spawned process."""
    set_up(folder)
    work(folder, calls)


def main() -> None:
    """Start four workers and wait for them."""
    folder, method, calls, before = Path(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:])
    context: Any = multiprocessing.get_context(method)
    if method == "fork":
        set_up(folder)
        predict(before)
    target = work if method == "fork" else start
    workers = [context.Process(target=target, args=(folder, calls)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


if __name__ == "__main__":
    main()

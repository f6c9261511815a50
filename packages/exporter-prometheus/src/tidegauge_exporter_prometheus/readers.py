"""The readers of this process: which there are, and what they show together."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from tidegauge import guard

from tidegauge_exporter_prometheus.exposition import Unavailable
from tidegauge_exporter_prometheus.families import families

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prometheus_client import Metric as Family

    from tidegauge_exporter_prometheus.reader import PrometheusReader

_NONE_RUNS = (
    "No Tidegauge Prometheus reader runs in this process. "
    "Set OTEL_METRICS_EXPORTER=tidegauge_prometheus and start the app with "
    "opentelemetry-instrument, or give your MeterProvider "
    "tidegauge_exporter_prometheus.PrometheusReader()."
)

_running: list[PrometheusReader] = []


def take_number() -> int:
    """Return the first number that no reader of this process has; one of the parent gives way."""
    taken = {reader.number for reader in _running if not reader.inherited}
    number = next(number for number in count() if number not in taken)
    for reader in [reader for reader in _running if reader.number == number]:
        reader.give_way()
    return number


def enter(reader: PrometheusReader) -> None:
    """Take a reader as one of this process."""
    _running.append(reader)


def leave(reader: PrometheusReader) -> None:
    """Forget a reader."""
    if reader in _running:
        _running.remove(reader)


def running() -> list[PrometheusReader]:
    """Return the readers of this process.

    Raises
    ------
    Unavailable
        There is none.
    """
    if not _running:
        raise Unavailable(_NONE_RUNS)
    with_provider = [reader for reader in _running if reader.has_provider]
    return with_provider or list(_running)


def expose(readers: Sequence[PrometheusReader]) -> list[Family]:
    """Collect from readers and return one set of families."""
    collected = [found for reader in readers if (found := reader.read()) is not None]
    extra: list[Family] = []
    for registry in {
        id(r.registry): r.registry for r in readers if r.registry is not None
    }.values():
        with guard.guarded("prometheus.registry"):
            extra.extend(registry.collect())
    return families(collected, extra)

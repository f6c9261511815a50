"""What is known of a metric before anyone measures it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """The OpenTelemetry instrument that a metric behaves as."""

    COUNTER = "counter"
    GAUGE = "gauge"
    UPDOWN = (
        "updowncounter"  # a gauge that adds up over what it is of: OpenTelemetry tells it apart
    )
    HISTOGRAM = "histogram"


class Merge(StrEnum):
    """How the values of several processes of one launch become one value."""

    SUM = "sum"  # counts and histograms: every process saw other calls
    LEADER = "leader"  # verdicts and host-wide gauges: one process speaks for all


@dataclass(frozen=True, slots=True)
class MetricSpec:
    """One metric: its OpenTelemetry name, kind, unit, attributes and buckets.

    Every data point carries exactly ``attributes``, each a string, empty where unknown.
    """

    name: str
    kind: Kind
    unit: str
    description: str
    attributes: tuple[str, ...]
    merge: Merge
    buckets: tuple[float, ...] = ()


def all_metrics() -> tuple[MetricSpec, ...]:
    """Return every metric of the suite, sorted by name."""
    from tidegauge_semconv import metrics  # noqa: PLC0415 - metrics imports this module

    found = (value for value in vars(metrics).values() if isinstance(value, MetricSpec))
    return tuple(sorted(found, key=lambda spec: spec.name))

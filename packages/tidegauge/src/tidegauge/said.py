"""What the plugins of a process say beside its counts, by who may say it."""

from __future__ import annotations

from typing import NamedTuple

from tidegauge_semconv import Merge

from tidegauge import pipeline, sources
from tidegauge.batch import CountPoint, GaugePoint
from tidegauge.points import SumPoint


class Said(NamedTuple):
    """Counts, what else adds up over processes, and what one process says for all."""

    counts: tuple[SumPoint, ...]
    added: tuple[GaugePoint, ...]
    leading: tuple[GaugePoint | SumPoint, ...]


def ask_all(patience_s: float) -> Said:
    """Return what processors and sources say, the latter after waiting so long at most."""
    counts: list[SumPoint] = []
    added: list[GaugePoint] = []
    leading: list[GaugePoint | SumPoint] = []
    for point in (*pipeline.current().points(), *sources.current().points(patience_s)):
        everyone = point.spec.merge is Merge.SUM
        if isinstance(point, CountPoint):
            count = SumPoint(point.spec, point.attributes, point.value, point.start_s)
            (counts if everyone else leading).append(count)
        else:
            (added if everyone else leading).append(point)
    return Said(tuple(counts), tuple(added), tuple(leading))

"""What a reader was told last; with the counts, it says what there is to tell it next.

Pure, but for its bytes: whoever leads a group next goes on from the same baseline.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from tidegauge import codec
from tidegauge.points import HistogramPoint, Point
from tidegauge.totals import (
    Totals,
    began_anew,
    comparable,
    difference,
    identity,
    is_empty,
    zero,
)

_NS = 1e9


@dataclass(frozen=True, slots=True)
class Baseline:
    """What one reader was told last, and when; times in nanoseconds since 1970.

    ``totals`` is what a delta reader was told, and since when each series of any reader counts.
    ``whole``: what a group counted, not one process.
    """

    totals: Totals = field(default_factory=Totals)
    started: int = 0
    last: int = 0
    whole: bool = False

    def encode(self) -> bytes:
        """Write it down for the process that takes over."""
        return codec.encode(self.totals, started=self.started, last=self.last)


def decode(payload: bytes) -> Baseline:
    """Return the baseline that a leader has written down.

    Raises
    ------
    UnreadableError
        Another release wrote it.
    """
    totals, more = codec.decode(payload)
    return Baseline(totals, int(more["started"]), int(more["last"]), whole=True)


class Told(NamedTuple):
    """One series: what to export, since when; and what to remember of it.

    Nothing to export: a change of nothing. Nothing to remember: it counts since the beginning.
    """

    export: Point | None
    begin: int
    remember: Point | None


def tell(now: Totals, last: Baseline, time: int, deltas: tuple[type[Point], ...]) -> Iterator[Told]:
    """Yield what a reader is told at a time (ns); of the kinds in ``deltas`` what has changed."""
    before = comparable(last.totals, now)
    series = {
        (point.spec.name, point.attributes)
        for point in last.totals.points
        if isinstance(point, HistogramPoint)
    }
    for point in now.points:
        known = before.get(identity(point))
        if known is not None and began_anew(point, known):
            known = None
        # Of another operation, or between other bounds: after what was told of the old.
        other = known is None and (point.spec.name, point.attributes) in series
        start_s = _since(point, known, last.last / _NS if other else 0.0)
        begin = max(last.started, min(time, in_ns(start_s or 0.0)))
        if isinstance(point, deltas):
            change = point if known is None else difference(point, known)
            nothing = known is not None and is_empty(change)
            remember = replace(point, start_s=start_s)
            yield Told(None if nothing else change, max(last.last, begin), remember)
        else:
            yield Told(point, begin, None if start_s is None else zero(point, start_s))


def _since(point: Point, known: Point | None, after_s: float) -> float | None:
    """Return since when a series counts; None: since the beginning, as all counts."""
    if point.start_s is None:
        return None
    if known is not None:
        return known.start_s  # it stays, though processes may have come that began earlier
    return point.start_s if point.start_s > after_s else math.nextafter(after_s, math.inf)


def in_ns(seconds: float) -> int:
    """Return seconds in nanoseconds, as OpenTelemetry has times."""
    return int(seconds * _NS)

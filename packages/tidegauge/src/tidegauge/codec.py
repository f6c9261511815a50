"""Points to bytes and back: what the processes of one launch tell each other.

A line of JSON that says which metrics and bounds follow, then one line a point: the interpreter
may switch threads between any two. Numbers come back as they were, to the last bit.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from tidegauge_semconv import Kind, Merge, MetricSpec, all_metrics

from tidegauge.batch import Floats, GaugePoint, ModelKey
from tidegauge.counts import Exemplar
from tidegauge.exact import Exact
from tidegauge.points import HistogramPoint, Point, SumPoint, parts
from tidegauge.tally import Tally
from tidegauge.totals import Totals

#: Raised with each change that an older release would misread.
VERSION = 1

_KNOWN = {spec.name: spec for spec in all_metrics()}


class UnreadableError(ValueError):
    """Another release wrote this, or it is not ours."""


def encode(totals: Totals, **more: object) -> bytes:
    """Write counts down, and what belongs to them."""
    header = _header(totals.start_s, totals.operations)
    return _pack(header | more, totals.points)


def _header(start_s: float, operations: Mapping[ModelKey, str]) -> dict[str, object]:
    named = [[key.name, key.version, name] for key, name in operations.items()]
    return {"start_s": start_s, "operations": named}


class Writer:
    """Writes the counts of one process again and again, and what has not changed only once."""

    def __init__(self, tally: Tally) -> None:
        self.tally = tally
        self._lines = _Lines()
        self._written: dict[Hashable, tuple[int, str]] = {}

    def write(self, more_points: Iterable[Point], more: Mapping[str, object]) -> bytes:
        """Return what ``encode`` does of the tally's counts and more; under the drain lock."""
        written: dict[Hashable, tuple[int, str]] = {}
        for part in parts(self.tally):
            found = self._written.get(part.name)
            if found is None or found[0] != part.revision:
                found = part.revision, "\n".join(map(self._lines.of, part.points()))
            written[part.name] = found
        self._written = written
        lines = [*(text for _, text in written.values() if text), *map(self._lines.of, more_points)]
        header = _header(self.tally.start_s, self.tally.value_operations)
        return self._lines.join({**header, **more}, lines)


def decode(payload: bytes) -> tuple[Totals, Mapping[str, Any]]:
    """Return the counts that were written down, and what belongs to them.

    Raises
    ------
    UnreadableError
        Another release wrote this, or it is not ours.
    """
    try:
        header, points = _unpack(payload)
        operations = {ModelKey(name, version): o for name, version, o in header["operations"]}
        counts = tuple(point for point in points if not isinstance(point, GaugePoint))
        return Totals(float(header["start_s"]), counts, operations), header
    except (ValueError, TypeError, LookupError, ArithmeticError, AttributeError) as error:
        raise UnreadableError(f"counts of another release: {type(error).__name__}") from error


def encode_gauges(points: Iterable[GaugePoint | SumPoint]) -> bytes:
    """Write gauges down, and counts that one process keeps for all."""
    return _pack({}, points)


def decode_gauges(payload: bytes) -> list[GaugePoint | SumPoint]:
    """Return the gauges and counts that were written down.

    Raises
    ------
    UnreadableError
        Another release wrote this, or it is not ours.
    """
    try:
        _, points = _unpack(payload)
    except (ValueError, TypeError, LookupError, ArithmeticError, AttributeError) as error:
        raise UnreadableError(f"gauges of another release: {type(error).__name__}") from error
    return [point for point in points if not isinstance(point, HistogramPoint)]


def _pack(header: Mapping[str, object], points: Iterable[Point | GaugePoint]) -> bytes:
    lines = _Lines()
    return lines.join(header, list(map(lines.of, points)))


class _Lines:
    """Points as lines, and the metrics and bounds that they refer to."""

    def __init__(self) -> None:
        self._metrics: dict[MetricSpec, int] = {}
        self._bounds: dict[bytes, int] = {}
        self._edges: list[list[float]] = []

    def of(self, point: Point | GaugePoint) -> str:
        """Return the line of a point."""
        line = [self._metrics.setdefault(point.spec, len(self._metrics)), point.attributes]
        if isinstance(point, GaugePoint):
            line.append(point.value)
        elif isinstance(point, SumPoint):
            line += point.value, point.start_s
        else:
            layout = point.bounds.tobytes()
            if layout not in self._bounds:
                self._bounds[layout] = len(self._bounds)
                self._edges.append(point.bounds.tolist())
            line += self._bounds[layout], _histogram(point)
        return json.dumps(line, separators=(",", ":"))

    def join(self, header: Mapping[str, object], lines: Iterable[str]) -> bytes:
        """Return the lines, and first what they refer to."""
        metrics = [
            [s.name, s.kind, s.unit, s.description, s.attributes, s.merge] for s in self._metrics
        ]
        first = {"version": VERSION, "metrics": metrics, "bounds": self._edges, **header}
        return "\n".join([json.dumps(first), *lines]).encode()


def _histogram(point: HistogramPoint) -> list[Any]:
    exemplars = [
        [e.value, e.time_s, f"{e.trace_id:x}", f"{e.span_id:x}", e.prediction_id, *_request(e)]
        for e in point.exemplars
    ]
    log = None if point.log is None else [list(point.log), list(point.log.values())]
    counts = point.counts.tolist()
    return [
        counts, point.total.parts, point.low, point.high, exemplars, point.start_s, log,
        point.zeros, point.newest_s,
    ]  # fmt: skip


def _request(exemplar: Exemplar) -> tuple[str, ...]:
    """Return the request; nothing where none is known, as older releases have it."""
    found = exemplar.request_id, exemplar.http_route
    return found if any(found) else ()


def _unpack(payload: bytes) -> tuple[dict[str, Any], list[Point | GaugePoint]]:
    first, *lines = payload.decode().split("\n")
    header: dict[str, Any] = json.loads(first)
    if header["version"] != VERSION:
        raise UnreadableError(header["version"])
    specs = list(map(_spec, header["metrics"]))
    bounds = [np.array(edges, dtype=np.float64) for edges in header["bounds"]]
    points: list[Point | GaugePoint] = []
    for line in lines:
        number, values, *data = json.loads(line)
        spec = specs[number]
        if spec is None or len(values) != len(spec.attributes):
            continue  # what another release calls so is not the same
        points.append(_point(spec, tuple(map(str, values)), data, bounds))
    return header, points


def _point(
    spec: MetricSpec, values: tuple[str, ...], data: Sequence[Any], bounds: Sequence[Floats]
) -> Point | GaugePoint:
    if spec.kind in (Kind.GAUGE, Kind.UPDOWN):
        return GaugePoint(spec, values, data[0])
    if spec.kind is Kind.COUNTER:
        return SumPoint(spec, values, data[0], data[1])
    counts, total, low, high, exemplars, start_s, log, zeros, newest_s = data[1]
    return HistogramPoint(
        spec,
        values,
        bounds[data[0]],
        np.array(counts, dtype=np.float64),
        Exact(tuple(map(float, total))),
        low,
        high,
        tuple(
            Exemplar(v, t, int(trace, 16), int(span, 16), *rest)
            for v, t, trace, span, *rest in exemplars
        ),
        start_s,
        None if log is None else Counter(dict(zip(*log, strict=True))),
        zeros,
        newest_s,
    )


def _spec(described: Sequence[Any]) -> MetricSpec | None:
    name, kind, unit, description, attributes, merge = described
    known = _KNOWN.get(name)
    if known is None:  # a processor that is not ours
        return MetricSpec(name, Kind(kind), unit, description, tuple(attributes), Merge(merge))
    return known if (known.kind, known.attributes) == (kind, tuple(attributes)) else None

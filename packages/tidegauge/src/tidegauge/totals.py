"""All counts of one process, or of several together. Adding them up is pure.

``merge`` is associative and commutative: it makes no difference which worker's counts are added to
which first, nor whether some of them were added up before and archived. So what is told apart is
bounded by the names themselves, not by who came first: the smallest names stay, all others are
``other``, and a name that is left out of a part is left out of the whole.
"""

from __future__ import annotations

import logging
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

import numpy as np
from tidegauge_semconv import MetricSpec, attributes, metrics

from tidegauge.batch import ModelKey
from tidegauge.channel import MAX_MODELS, OTHER
from tidegauge.counts import MAX_ERROR_TYPES, Exemplar
from tidegauge.counts import OTHER as OTHER_LABEL
from tidegauge.exact import Exact
from tidegauge.guard import MAX_CAUSES, once
from tidegauge.operations import rank
from tidegauge.points import HistogramPoint, Point, SumPoint, cumulative
from tidegauge.tally import MAX_OUTPUTS, Tally

#: A series: its metric's name, its attributes, and a histogram's bounds.
Identity = tuple[str, tuple[str, ...], bytes]

# By metric: the attribute of which only so many values are told apart.
_LIMITS = {
    metrics.MODEL_ERRORS.name: (attributes.ERROR_TYPE, MAX_ERROR_TYPES),
    metrics.MODEL_PREDICTION_VALUE.name: (attributes.OUTPUT, MAX_OUTPUTS),
    metrics.TIDEGAUGE_ERRORS.name: (attributes.CAUSE, MAX_CAUSES),
}
_MODEL = (attributes.MODEL_NAME, attributes.MODEL_VERSION)


@dataclass(frozen=True, slots=True)
class Totals:
    """Counts since ``start_s`` (Unix seconds).

    ``operations`` names the operation of each model whose outputs are its prediction values.
    """

    start_s: float = math.inf
    points: tuple[Point, ...] = ()
    operations: Mapping[ModelKey, str] = field(default_factory=dict)


def of_tally(tally: Tally) -> Totals:
    """Copy a process's counts out; the caller holds the drain lock."""
    return Totals(tally.start_s, tuple(cumulative(tally)), dict(tally.value_operations))


def identity(point: Point) -> Identity:
    """Return what a point is added to: its series."""
    bounds = b"" if isinstance(point, SumPoint) else point.bounds.tobytes()
    return point.spec.name, point.attributes, bounds


def merge(parts: Sequence[Totals]) -> Totals:
    """Add up the counts of several processes.

    Sums add; histograms with equal bounds add, those with others stay beside them (``shown``
    chooses). Prediction values are those of the processes that called a model's most telling
    operation. The limits of one process hold for all together.
    """
    models = _smallest((m for part in parts for m in _models(part)), MAX_MODELS)
    operations: dict[ModelKey, str] = {}
    for part in parts:
        for model, operation in part.operations.items():
            folded = model if model in models else OTHER
            if _telling(operation) > _telling(operations.get(folded, "")):
                operations[folded] = operation
    points = [
        point for part in parts for point in _points_of(part, models=models, operations=operations)
    ]
    added: dict[Identity, Point] = {}
    for point in _within_limits(points):
        key = identity(point)
        before = added.get(key)
        added[key] = _normal(point) if before is None else _sum(before, point)
    start_s = min((part.start_s for part in parts), default=math.inf)
    return Totals(start_s, tuple(added[key] for key in sorted(added)), operations)


def shown(totals: Totals) -> Totals:
    """Leave one histogram of each series: the one whose bounds began to be used last."""
    newest: dict[tuple[str, tuple[str, ...]], Point] = {}
    for point in totals.points:
        key = (point.spec.name, point.attributes)
        other = newest.setdefault(key, point)
        if other is point:
            continue
        once(
            f"totals.bounds.{point.spec.name}",
            "%s: it was counted between different bounds, as it is when a model has got another "
            "reference. The counts between the older bounds are left out.",
            point.spec.name,
            level=logging.INFO,
        )
        newest[key] = max(other, point, key=_age)
    return replace(totals, points=tuple(newest.values()))


def comparable(before: Totals, now: Totals) -> dict[Identity, Point]:
    """Return what was counted before, by the series in which it is counted now.

    Names that have become ``other`` are in there; a series that began anew is not.
    """
    found = {identity(point): point for point in before.points}
    if not found:
        return found
    if before.operations == now.operations and found.keys() <= set(map(identity, now.points)):
        return found
    nothing = Totals(math.inf, tuple(zero(p, math.inf) for p in now.points), now.operations)
    # What was not there before still says that it never began.
    return {identity(p): p for p in merge([before, nothing]).points if p.start_s != math.inf}


def began_anew(now: Point, before: Point) -> bool:
    """Say whether a series that ``comparable`` has found says that it counts from zero again."""
    return isinstance(now, SumPoint) and (now.start_s or 0) > (before.start_s or 0)


def difference(now: Point, before: Point) -> Point:
    """Return what a series counted since; all of it where it has begun anew.

    Nothing where it has fallen: counts of others were lost, and none was made.
    """
    if began_anew(now, before):
        return now
    # An identity is of one kind.
    if isinstance(now, SumPoint):
        return replace(now, value=max(0, now.value - cast("SumPoint", before).value))
    old = cast("HistogramPoint", before)
    if (now.counts < old.counts).any():
        return zero(now, now.start_s or 0.0)
    seen = set(old.exemplars)
    return replace(
        now,
        counts=now.counts - old.counts,
        total=Exact((float(now.total) - float(old.total),)),
        exemplars=tuple(exemplar for exemplar in now.exemplars if exemplar not in seen),
        log=now.log - (old.log or Counter()) if now.log is not None else None,
        zeros=max(0, now.zeros - old.zeros),
    )


def is_empty(point: Point) -> bool:
    """Say whether a point counts nothing."""
    return not point.value if isinstance(point, SumPoint) else not point.counts.any()


def _models(part: Totals) -> Iterator[ModelKey]:
    yield from part.operations
    for point in part.points:
        if _has_model(point.spec):
            yield ModelKey(*point.attributes[:2])


def _has_model(spec: MetricSpec) -> bool:
    return spec.attributes[:2] == _MODEL


def _smallest(found: Iterable[ModelKey], limit: int) -> set[ModelKey]:
    distinct = set(found) - {OTHER}
    return {OTHER, *(distinct if len(distinct) <= limit else sorted(distinct)[:limit])}


def _telling(operation: str) -> tuple[int, str]:
    return rank(operation), operation


def _points_of(
    part: Totals, *, models: set[ModelKey], operations: Mapping[ModelKey, str]
) -> Iterator[Point]:
    for found in part.points:
        point = found
        if _has_model(point.spec):
            model = own = ModelKey(*point.attributes[:2])
            if model not in models:
                model = OTHER
                rest = point.attributes[2:]
                point = replace(point, attributes=(model.name, model.version, *rest))
            if point.spec is metrics.MODEL_PREDICTION_VALUE and part.operations.get(
                own
            ) != operations.get(model):
                continue
        if isinstance(point, HistogramPoint) and point.start_s is None:
            point = replace(point, start_s=part.start_s)
        yield point


def _within_limits(points: list[Point]) -> Iterator[Point]:
    labels: dict[tuple[str, tuple[str, ...]], set[str]] = defaultdict(set)
    for point in points:
        if point.spec.name in _LIMITS:
            series, label, _ = _split(point)
            labels[point.spec.name, series].add(label)
    kept: dict[tuple[str, tuple[str, ...]], set[str]] = {}
    for key, found in labels.items():
        _, limit = _LIMITS[key[0]]
        found.discard(OTHER_LABEL)
        if len(found) > limit:
            kept[key] = set(sorted(found)[:limit])
    for point in points:
        if kept and point.spec.name in _LIMITS:
            series, label, position = _split(point)
            if label not in kept.get((point.spec.name, series), (label,)):
                named = (*series[:position], OTHER_LABEL, *series[position:])
                yield replace(point, attributes=named)
                continue
        yield point


def _split(point: Point) -> tuple[tuple[str, ...], str, int]:
    position = point.spec.attributes.index(_LIMITS[point.spec.name][0])
    values = point.attributes
    return values[:position] + values[position + 1 :], values[position], position


def _normal(point: Point) -> Point:
    if isinstance(point, SumPoint) or len(point.exemplars) < 2:  # noqa: PLR2004 - nothing to order
        return point
    return replace(point, exemplars=_newest(point, point.exemplars))


def _sum(one: Point, other: Point) -> Point:
    # An identity is of one kind.
    if isinstance(one, SumPoint):
        starts = (one.start_s, other.start_s)
        start_s = None if None in starts else min(s for s in starts if s is not None)
        return replace(one, value=one.value + cast("SumPoint", other).value, start_s=start_s)
    two = cast("HistogramPoint", other)
    return replace(
        one,
        counts=one.counts + two.counts,
        total=one.total + two.total,
        low=min(one.low, two.low),
        high=max(one.high, two.high),
        exemplars=_newest(one, one.exemplars + two.exemplars),
        start_s=min(one.start_s or 0.0, two.start_s or 0.0),
        newest_s=max(_last_start_s(one), _last_start_s(two)),
        log=_log_sum(one.log, two.log),
        zeros=one.zeros + two.zeros,
    )


def _log_sum(one: Counter[int] | None, two: Counter[int] | None) -> Counter[int] | None:
    if one is None or two is None:
        return None
    added = one.copy()
    added.update(two)
    return added


def _newest(point: HistogramPoint, exemplars: Iterable[Exemplar]) -> tuple[Exemplar, ...]:
    """Keep one exemplar a bucket."""
    found: dict[int, Exemplar] = {}
    for exemplar in exemplars:
        cell = int(np.searchsorted(point.bounds, exemplar.value, side="left"))
        found[cell] = max(found.get(cell, exemplar), exemplar, key=_recency)
    return tuple(found[cell] for cell in sorted(found))


def _recency(exemplar: Exemplar) -> tuple[float, float, int, int, str, str, str]:
    return (
        exemplar.time_s, exemplar.value, exemplar.trace_id, exemplar.span_id,
        exemplar.prediction_id, exemplar.request_id, exemplar.http_route,
    )  # fmt: skip


def _age(point: Point) -> tuple[float, Identity]:
    return _last_start_s(point), identity(point)


def _last_start_s(point: Point) -> float:
    newest_s = None if isinstance(point, SumPoint) else point.newest_s
    return newest_s if newest_s is not None else point.start_s or 0.0


def zero(point: Point, start_s: float | None) -> Point:
    """Return a series before it counted anything."""
    if isinstance(point, SumPoint):
        return replace(point, value=0, start_s=start_s)
    return replace(
        point,
        counts=np.zeros_like(point.counts),
        total=Exact((0.0,)),
        low=math.inf,
        high=-math.inf,
        exemplars=(),
        start_s=start_s,
        log=None if point.log is None else Counter(),
        zeros=0,
    )

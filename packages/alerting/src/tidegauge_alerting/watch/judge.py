"""Which alerts a history speaks for at a time: what the Prometheus rules say, without Prometheus.

Each function here has its counterpart in ``prometheus_expression``; both are played the same
stories.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator
from statistics import fmean

from tidegauge_exporter_prometheus.naming import prometheus_name
from tidegauge_semconv import MetricSpec, metrics

from tidegauge_alerting import mutes
from tidegauge_alerting.definitions import AlertDefinition
from tidegauge_alerting.measures import (
    Across,
    EffectiveGuard,
    EventGuard,
    Increase,
    Last,
    Quantile,
    Reachable,
    RowGuard,
    Share,
    StabilityIndex,
    Together,
    Vanished,
    Where,
)
from tidegauge_alerting.watch.history import UP, History
from tidegauge_alerting.watch.vector import (
    Labels,
    Vector,
    also_in,
    keep,
    not_in,
    quantiles,
    together,
)

#: Labels that say which place a series comes from.
TARGET = ("job", "instance")

_LE = "le"
_TOGETHER: dict[Together, Callable[[list[float]], float]] = {
    "sum": math.fsum,
    "max": max,
    "min": min,
    "avg": fmean,
    "count": len,
}
_MUTED = prometheus_name(metrics.DRIFT_MUTED)


def can_judge(definition: AlertDefinition) -> bool:
    """Whether a history of hours in memory is enough for an alert."""
    return not isinstance(definition.measure, StabilityIndex)


def window_s(definition: AlertDefinition) -> int:
    """Return how long a history must be before it says all that an alert asks; 0 for one look."""
    match definition.measure:
        case Share() | Quantile() | Increase() | Vanished():
            return definition.measure.window_s
        case _:
            return 0


def reads(definitions: Collection[AlertDefinition]) -> dict[str, float]:
    """Return what a history must keep for some alerts: sample name -> how far back, in seconds."""
    found: dict[str, float] = {}
    for definition in definitions:
        for name in _names(definition):
            found[name] = max(found.get(name, 0.0), window_s(definition))
    return found


def judge(
    definition: AlertDefinition, history: History, at_s: float, firing: Collection[Labels] = ()
) -> Vector:
    """Return the values for which an alert holds at a time, by the labels that it carries.

    ``firing`` are those that fire until now: they go on until the measure is beyond the recovery.
    """
    value = measured(definition, history, at_s)
    begins = {labels: each for labels, each in value.items() if definition.fires_at(each)}
    begins = _guarded(begins, definition, history, at_s)
    if definition.recovery is not None:
        stays = {each for each in firing if each in value and definition.stays_at(value[each])}
        begins |= {labels: value[labels] for labels in stays}
    return _unless_muted(begins, definition, history, at_s)


def measured(definition: AlertDefinition, history: History, at_s: float) -> Vector:
    """Return the values of an alert's measure, without any comparison.

    Raises
    ------
    TypeError
        There is no way to compute the measure here.
    """
    metric = definition.metric
    name = prometheus_name(metric)
    match definition.measure:
        case Last(where=where):
            return history.last(name, at_s, where)
        case Share(part=part, by=by, window_s=window_s, of=of):
            of_all = together(history.increases(name, at_s, window_s, of), by)
            of_part = together(history.increases(name, at_s, window_s, part), by)
            return {
                labels: _divided(value, of_all[labels])
                for labels, value in of_part.items()
                if labels in of_all
            }
        case Quantile(q=q, by=by, window_s=window_s):
            buckets = history.increases(_bucket(metric), at_s, window_s)
            return quantiles(q, together(buckets, (*by, _LE)))
        case Increase(by=by, window_s=window_s) | Vanished(by=by, window_s=window_s):
            if isinstance(definition.measure, Increase):
                events, now = _with_first(history, name, at_s, window_s), {}
            else:
                events, now = history.increases(name, at_s, window_s), history.last(name, at_s)
            return not_in(together(events, by), now, by)
        case Reachable():
            return also_in(history.last(UP, at_s), _known(metric, history, at_s), TARGET)
        case Across(over=over, by=by):
            return together(_each(definition, history, at_s), by, _TOGETHER[over])
        case _:
            raise TypeError(
                f"measure of {definition.name}: got {definition.measure!r}; expected one that can "
                "be computed from scrapes. Give it to Prometheus: tidegauge rules render."
            )


def _divided(part: float, whole: float) -> float:
    """Return a share as Prometheus's arithmetic has it: nothing of nothing is no number."""
    if whole:
        return part / whole
    return math.inf if part > 0 else math.nan


def _with_first(history: History, name: str, at_s: float, window_s: float) -> Vector:
    """Return increases in which a series that is new counts from zero."""
    now, before = history.last(name, at_s), history.last(name, at_s - window_s)
    new = {labels: value for labels, value in now.items() if labels not in before}
    return history.increases(name, at_s, window_s) | new


def _known(metric: MetricSpec, history: History, at_s: float) -> Vector:
    """Return the targets that have shown a metric and are still looked for."""
    shown = {keep(labels, TARGET) for labels in history.last(prometheus_name(metric), at_s)}
    looked_for = {keep(labels, TARGET) for labels in history.last(UP, at_s)}
    history.known = shown | (history.known & looked_for)
    return dict.fromkeys(history.known, 1.0)


def _guarded(begins: Vector, definition: AlertDefinition, history: History, at_s: float) -> Vector:
    match definition.guard:
        case None:
            return begins
        case RowGuard(metric=metric, minimum=minimum, where=where):
            shared = [key for key in definition.labels if key in metric.attributes]
            rows = history.last(prometheus_name(metric), at_s, where)
            return also_in(begins, _at_least(rows, minimum), shared)
        case EventGuard(minimum=minimum):
            enough = _at_least(_events(definition, history, at_s), minimum)
            return {labels: value for labels, value in begins.items() if labels in enough}
        case EffectiveGuard():
            raise TypeError(
                f"guard of {definition.name}: got an EffectiveGuard on {definition.measure!r}; "
                "expected an EventGuard or a RowGuard. Use one of them."
            )


def _at_least(vector: Vector, minimum: float) -> Vector:
    return {labels: value for labels, value in vector.items() if value >= minimum}


def _events(definition: AlertDefinition, history: History, at_s: float) -> Vector:
    """Count the events that speak for the alert."""
    metric = definition.metric
    match definition.measure:
        case Share(part=part, by=by, window_s=window_s):
            return together(history.increases(prometheus_name(metric), at_s, window_s, part), by)
        case Quantile() as measure:
            every = _in_bucket(definition, measure, math.inf, history, at_s)
            below = [bound for bound in metric.buckets if bound <= definition.threshold]
            if not below:
                return every
            within = _in_bucket(definition, measure, below[-1], history, at_s)
            return {
                labels: count - within[labels]
                for labels, count in every.items()
                if labels in within
            }
        case Across(by=by):
            return together(_each(definition, history, at_s), by)
        case _:
            raise TypeError(
                f"guard of {definition.name}: got an EventGuard on {definition.measure!r}; "
                "expected a Share, a Quantile or an Across. Use a RowGuard."
            )


def _in_bucket(
    definition: AlertDefinition, measure: Quantile, bound: float, history: History, at_s: float
) -> Vector:
    # "1.0" from a Python process, "1" from others: one bound, two spellings.
    spelled = ("+Inf",) if bound == math.inf else (f"{bound:.15g}", str(float(bound)))
    where = (Where(_LE, spelled),)
    name = _bucket(definition.metric)
    return together(history.increases(name, at_s, measure.window_s, where), measure.by)


def _each(definition: AlertDefinition, history: History, at_s: float) -> Vector:
    """Put a gauge's series together per unit, without those that are muted."""
    measure = definition.measure
    if not isinstance(measure, Across):
        raise TypeError(f"measure of {definition.name}: got {measure!r}; expected an Across.")
    series = history.last(prometheus_name(definition.metric), at_s, measure.where)
    silent = mutes.of(definition.metric)
    if silent is not None:
        series = _unless(series, silent, history, at_s)
    return together(series, measure.per, _TOGETHER[measure.each])


def _unless_muted(
    begins: Vector, definition: AlertDefinition, history: History, at_s: float
) -> Vector:
    if isinstance(definition.measure, Across) or not begins:
        return begins
    silent = mutes.of(definition.metric, definition.labels)
    return begins if silent is None else _unless(begins, silent, history, at_s)


def _unless(vector: Vector, silent: mutes.Mutes, history: History, at_s: float) -> Vector:
    """Return what nobody has muted."""
    said = history.last(_MUTED, at_s, silent.where)
    muted = {labels: value for labels, value in said.items() if value == 1}
    return not_in(vector, muted, silent.on)


def _bucket(metric: MetricSpec) -> str:
    return f"{prometheus_name(metric)}_bucket"


def _names(definition: AlertDefinition) -> Iterator[str]:
    """Yield the names of the samples that an alert reads."""
    metric = definition.metric
    yield _bucket(metric) if isinstance(definition.measure, Quantile) else prometheus_name(metric)
    if isinstance(definition.guard, RowGuard):
        yield prometheus_name(definition.guard.metric)
    if mutes.of(metric) is not None:
        yield _MUTED

"""A definition as queries of Datadog's metric monitors: pure.

Four things differ from Prometheus, and decide what is here:

- A monitor leaves out the series that lack one of the tags it is grouped by, and an attribute
  without a value has no tag. So alerts are grouped by the model's name, unless asked otherwise: a
  model without a version would have none.
- A monitor has no ``for``. A gauge is compared with its least value of that time. A window of
  counts cannot be: another query looks at the window that ended so long ago.
- A count of 0 is not sent, so that no requests and no telemetry look the same. What vanished is
  seen by a gauge: the memory that tidegauge-resources says of each model.
- Counts of a window are known before they are divided, but functions of them are not documented.
  So "and at least 5 events" is a query of its own, while gauges are guarded in one formula.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidegauge_exporter_datadog.naming import metric_name
from tidegauge_semconv import attributes as a
from tidegauge_semconv import metrics

from tidegauge_alerting.datadog.across import across
from tidegauge_alerting.datadog.query_language import (
    NotExpressibleError,
    groups,
    number,
    select,
    window,
)
from tidegauge_alerting.datadog.scope import Scope, guard_message, indicator, unmuted
from tidegauge_alerting.definitions import AlertDefinition, Comparison
from tidegauge_alerting.measures import (
    Across,
    EventGuard,
    Increase,
    Last,
    Quantile,
    Reachable,
    RowGuard,
    Share,
    StabilityIndex,
    Vanished,
    Where,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tidegauge_semconv import MetricSpec

# Gauges come once a minute by OpenTelemetry's default, and some come late.
_GAUGE_WINDOW_S = 300
_GONE_S = 900


@dataclass(frozen=True, slots=True)
class Condition:
    """One query, compared with a threshold.

    ``name`` tells it from the others of its alert. ``recovery`` is where it ends, ``delay_s`` how
    long ago its window ended. ``missing``: it holds where there is no data, and only there.
    """

    name: str
    query: str
    comparison: Comparison
    threshold: float
    recovery: float | None = None
    delay_s: int = 0
    missing: bool = False

    @property
    def text(self) -> str:
        """The monitor's query."""
        return f"{self.query} {self.comparison.value} {number(self.threshold)}"


def conditions(definition: AlertDefinition, scope: Scope) -> tuple[Condition, ...]:
    """Return the conditions of an alert; it begins where all of them hold.

    Raises
    ------
    NotExpressibleError
        Datadog has nothing that means the same.
    TypeError
        The measure or the guard is one that this does not know.
    """
    match definition.measure:
        case Last() | Across():
            return (_gauge(definition, scope),)
        case Share() | Quantile() | Increase():
            return tuple(_windows(definition, scope))
        case Vanished(by=by):
            return (_missing(definition, scope, by),)
        case Reachable():
            raise NotExpressibleError(
                "applications send to Datadog, and nothing is read from them that could be away"
            )
        case StabilityIndex():
            raise NotExpressibleError(
                "an index over the bins of all replicas needs logarithms and joins that no monitor "
                "has; drift by replica is alerted on"
            )
        case _:
            raise TypeError(
                f"measure of {definition.name}: got {definition.measure!r}; expected one that "
                "tidegauge_alerting.datadog has a query for. Add it there."
            )


def group_keys(definition: AlertDefinition, scope: Scope) -> tuple[str, ...]:
    """Return the tags that an alert's groups have."""
    where = definition.measure.where if isinstance(definition.measure, Last | Across) else ()
    return scope.keys(definition.labels, where)


def sides(definition: AlertDefinition) -> tuple[tuple[str, AlertDefinition], ...]:
    """Return a definition by its side: of a band there are two, each a monitor of its own."""
    if definition.comparison is not Comparison.OUTSIDE or definition.low is None:
        return (("", definition),)
    low = dataclasses.replace(
        definition, comparison=Comparison.BELOW, threshold=definition.low, low=None
    )
    high = dataclasses.replace(definition, comparison=Comparison.ABOVE, low=None)
    return (("below", low), ("above", high))


def _side(definition: AlertDefinition) -> tuple[Comparison, float, float | None]:
    """Return the comparison, the threshold and the recovery.

    A verdict that is compared with 0 or 1 is compared from its side, for a monitor looks at the
    least or the greatest value of a while.
    """
    threshold = definition.threshold
    match definition.comparison:
        case Comparison.OUTSIDE:
            raise TypeError(f"{definition.name}: got a band; expected one side of it.")
        case Comparison.EQUAL if threshold == 1:
            return Comparison.AT_LEAST, 1, None
        case Comparison.EQUAL if threshold == 0:
            return Comparison.AT_MOST, 0, None
        case Comparison.EQUAL:
            raise NotExpressibleError(
                f"a monitor cannot tell whether a value stays at {threshold:g}"
            )
        case comparison:
            return comparison, threshold, definition.recovery


def _gauge(definition: AlertDefinition, scope: Scope) -> Condition:
    comparison, threshold, recovery = _side(definition)
    high = comparison in (Comparison.ABOVE, Comparison.AT_LEAST)
    if isinstance(definition.measure, Across):
        value = across(definition, definition.measure, scope)
    else:
        value = _last(definition, scope, high=high)
    if definition.for_s:
        held = "min" if high else "max"
        ago = window(max(definition.for_s, _GAUGE_WINDOW_S))
    else:
        held = "max" if high else "min"
        ago = window(_GAUGE_WINDOW_S)
    return Condition("value", f"{held}({ago}):{value}", comparison, threshold, recovery)


def _missing(definition: AlertDefinition, scope: Scope, by: Sequence[str]) -> Condition:
    # A count that is 0 is not sent: it would look as if it were gone. A gauge is there all along.
    sign = metrics.MODEL_MEMORY_USAGE
    keys = scope.keys(by)
    if definition.metric.attributes[0] != a.MODEL_NAME or not set(keys) <= set(sign.attributes):
        raise NotExpressibleError(
            f"no gauge is there as long as {metric_name(definition.metric.name)}"
        )
    ago = window(definition.for_s or _GONE_S)
    query = f"max({ago}):max:{select(sign, (), scope.tags, groups(keys))}"
    # Never true: only the lack of data can be said.
    return Condition("missing", query, Comparison.BELOW, 0, missing=True)


def _last(definition: AlertDefinition, scope: Scope, *, high: bool) -> str:
    where = definition.measure.where if isinstance(definition.measure, Last) else ()
    keys = scope.keys(definition.metric.attributes, where)
    value = select(definition.metric, where, scope.tags, groups(keys), unmuted(definition.metric))
    value = f"{'max' if high else 'min'}:{value}"
    match definition.guard:
        case None:
            return value
        case RowGuard(metric=metric, minimum=minimum, where=chosen) if high:
            if not set(keys) <= set(metric.attributes):
                raise NotExpressibleError(
                    f"{metric_name(metric.name)} has not all of the tags {', '.join(keys)}"
                )
            # The least of all replicas, so that the few rows of one prove nothing for another.
            shared = tuple(each for each in where if each.attribute in metric.attributes)
            of_guard = (*shared, *chosen)
            rows = f"min:{select(metric, of_guard, scope.tags, groups(keys))}"
            return f"{value} * {indicator(rows, minimum)}"
        case RowGuard():
            raise NotExpressibleError("a guarded value would be 0, which is below the threshold")
        case _:
            raise TypeError(guard_message(definition))


def _windows(definition: AlertDefinition, scope: Scope) -> Iterator[Condition]:
    """Yield the query of each window that has to hold, and that of the guard."""
    comparison, threshold, recovery = _side(definition)
    measure = definition.measure
    match measure:
        case Share(part=part, by=by, window_s=window_s, of=of):
            keys = groups(scope.keys(by))
            of_part = _count(definition.metric, part, scope, keys)
            query = f"sum({window(window_s)}):{of_part} / " + _count(
                definition.metric, of, scope, keys
            )
        case Quantile(q=q, by=by, window_s=window_s):
            keys = groups(scope.keys(by))
            space = f"p{number(round(q * 100, 2))}"
            inner = select(definition.metric, (), scope.tags, keys)
            query = f"percentile({window(window_s)}):{space}:{inner}"
        case Increase() if comparison in (Comparison.BELOW, Comparison.AT_MOST):
            raise NotExpressibleError(
                "a count of 0 is not sent, and a monitor without data compares nothing"
            )
        case Increase(by=by, window_s=window_s):
            keys = groups(scope.keys(by))
            query = f"sum({window(window_s)}):{_count(definition.metric, (), scope, keys)}"
        case _:
            raise TypeError(f"measure of {definition.name}: got {measure!r}; expected a window.")
    yield Condition("value", query, comparison, threshold, recovery)
    held_s, number_of = definition.for_s, 0
    while held_s > 0:
        number_of += 1
        delay_s = min(number_of * window_s, definition.for_s)
        name = f"before-{number_of}" if definition.for_s > window_s else "before"
        yield Condition(name, query, comparison, threshold, recovery, delay_s=delay_s)
        held_s = definition.for_s - delay_s
    yield from _events(definition, scope)


def _events(definition: AlertDefinition, scope: Scope) -> Iterator[Condition]:
    measure, metric = definition.measure, definition.metric
    match definition.guard, measure:
        case None, _:
            return
        case EventGuard(minimum=minimum), Share(part=part, by=by, window_s=window_s):
            counted = _count(metric, part, scope, groups(scope.keys(by)))
        case EventGuard(minimum=minimum), Quantile(by=by, window_s=window_s):
            inner = select(metric, (), scope.tags, groups(scope.keys(by)))
            # Datadog counts what is beyond any value, where percentiles are turned on.
            beyond = f"v{Comparison.ABOVE.value}{number(definition.threshold)}"
            counted = f"count(v: {beyond}):{inner}.as_count()"
        case _:
            raise TypeError(guard_message(definition))
    query = f"sum({window(window_s)}):{counted}"
    yield Condition("events", query, Comparison.AT_LEAST, minimum)


def _count(metric: MetricSpec, where: Sequence[Where], scope: Scope, by: str) -> str:
    return f"sum:{select(metric, where, scope.tags, by)}.as_count()"

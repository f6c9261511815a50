"""A definition as one PromQL expression, which has a sample for each alert."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegauge_exporter_prometheus.naming import prometheus_name
from tidegauge_semconv import metrics

from tidegauge_alerting import mutes, prometheus_fleet
from tidegauge_alerting.definitions import AlertDefinition, Comparison
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
    Vanished,
)
from tidegauge_alerting.promql import duration, names, number, quote, select, sum_by

if TYPE_CHECKING:
    from tidegauge_semconv import MetricSpec

# Prometheus's own: 1 where a target answered the last scrape, with these labels.
UP = "up"
TARGET = ("job", "instance")
# Targets that have shown a model since Prometheus began to scrape them.
KNOWN = "tidegauge:target:known"

# What Prometheus and vmalert add to the labels of an alert in ALERTS, and what our rules add.
_ADDED = ("alertname", "alertstate", "alertgroup", "severity")


def expression(definition: AlertDefinition) -> str:
    """Return the PromQL expression that has a sample for each alert.

    A comparison with NaN (0 of 0 requests) is false, so that no traffic is no alert.
    """
    metric, threshold = definition.metric, definition.threshold
    match definition.measure:
        case Vanished(by=by, window_s=window_s):
            before = sum_by(by, "increase", select(metric), window_s)
            condition = compare(before, definition.comparison, threshold)
            return f"{condition}\nunless on ({names(by)}) {prometheus_name(metric)}"
        case Reachable():
            condition = compare(UP, definition.comparison, threshold)
            return f"{condition}\nand on ({names(TARGET)}) {KNOWN}"
        case _:
            value = measured(definition)
    begins = _guarded(compare(value, definition.comparison, threshold, definition.low), definition)
    if definition.recovery is None:
        return _unless_muted(begins, definition)
    # keep_firing_for is a time, not a value, and vmalert below 1.91 refuses a file that has it.
    # What fires is in ALERTS, in Prometheus and in what vmalert writes back.
    stays = compare(value, definition.comparison, definition.recovery)
    fires = f'ALERTS{{alertname={quote(definition.name)},alertstate="firing"}}'
    kept = f"({stays}\n  and ignoring ({', '.join(_ADDED)}) {fires})"
    return _unless_muted(f"{begins}\nor {kept}", definition, several=True)


def measured(definition: AlertDefinition) -> str:
    """Return the expression of a definition's measure, without any comparison.

    Raises
    ------
    TypeError
        The measure has no value of its own in Prometheus.
    """
    metric = definition.metric
    match definition.measure:
        case Last(where=where):
            return select(metric, where)
        case Share(part=part, by=by, window_s=window_s, of=of):
            of_part = sum_by(by, "rate", select(metric, part), window_s)
            return f"{of_part}\n  / {sum_by(by, 'rate', select(metric, of), window_s)}\n"
        case Quantile(q=q, by=by, window_s=window_s):
            buckets = sum_by((*by, "le"), "rate", _bucket(metric), window_s)
            return f"histogram_quantile({number(q)}, {buckets})"
        case Increase(by=by, window_s=window_s):
            name, window = prometheus_name(metric), duration(window_s)
            # increase() does not see a series' first value, and a fault may come only once.
            each = f"({name} unless {name} offset {window})\n  or increase({name}[{window}])"
            return f"sum by ({names(by)}) (\n  {each}\n)"
        case StabilityIndex():
            return prometheus_fleet.INDEX
        case Across(over=over, by=by):
            return f"{over} by ({names(by)}) (\n  {_each(definition)}\n)"
        case _:
            raise TypeError(
                f"measure of {definition.name}: got {definition.measure!r}; expected one that "
                "Prometheus has an expression for. Add it to tidegauge_alerting."
            )


def uncompared(definition: AlertDefinition) -> str:
    """Return the measure where its guard holds and nobody has muted it, without any comparison.

    For a vendor that compares by itself and has none of the records of our rules.

    Raises
    ------
    TypeError
        The measure is made of records.
    """
    metric = definition.metric
    match definition.measure:
        case Vanished(by=by, window_s=window_s):
            before = sum_by(by, "increase", select(metric), window_s)
            return f"{before}\nunless on ({names(by)}) {prometheus_name(metric)}"
        case Reachable():
            seen = f"last_over_time({prometheus_name(metric)}[1d])"
            target = names(TARGET)
            return f"{UP} and on ({target}) group by ({target}) ({seen})"
        case StabilityIndex():
            raise TypeError(
                f"measure of {definition.name}: got a StabilityIndex; expected a measure without "
                "recording rules. Leave it to Prometheus."
            )
        case _:
            return _unless_muted(_guarded(measured(definition).rstrip(), definition), definition)


def known(metric: MetricSpec) -> str:
    """Return the expression of the targets that have shown a metric and are still looked for."""
    target = names(TARGET)
    return (
        f"group by ({target}) ({prometheus_name(metric)})\n"
        f"or group by ({target}) ({KNOWN} and on ({target}) {UP})"
    )


def compare(value: str, comparison: Comparison, threshold: float, low: float | None = None) -> str:
    """Return a value's comparison; of several lines the last may be empty."""
    gap = "" if value.endswith("\n") else " "
    if comparison is Comparison.OUTSIDE and low is not None:
        above = f"{value}{gap}{Comparison.ABOVE} {number(threshold)}"
        return f"({value}{gap}{Comparison.BELOW} {number(low)}\nor {above})"
    return f"{value}{gap}{comparison} {number(threshold)}"


def _guarded(condition: str, definition: AlertDefinition) -> str:
    match definition.guard:
        case None:
            return condition
        case EffectiveGuard() if isinstance(definition.measure, StabilityIndex):
            return condition  # in the recorded index
        case RowGuard(metric=metric, minimum=minimum, where=where):
            shared = [key for key in definition.labels if key in metric.attributes]
            enough = f"{select(metric, where)} {Comparison.AT_LEAST} {number(minimum)}"
            return f"{condition} and on ({names(shared)}) {enough}"
        case EventGuard(minimum=minimum):
            events = _events(definition)
            return f"{condition}\nand {events} {Comparison.AT_LEAST} {number(minimum)}"
        case EffectiveGuard():
            raise TypeError(
                f"guard of {definition.name}: got an EffectiveGuard on {definition.measure!r}; "
                "expected a StabilityIndex. Use an EventGuard or a RowGuard."
            )


def _events(definition: AlertDefinition) -> str:
    """Count the events that speak for the alert."""
    metric = definition.metric
    match definition.measure:
        case Share(part=part, by=by, window_s=window_s):
            return sum_by(by, "increase", select(metric, part), window_s)
        case Quantile(by=by, window_s=window_s):
            every = sum_by(by, "increase", _bucket(metric, '{le="+Inf"}'), window_s)
            below = [bound for bound in metric.buckets if bound <= definition.threshold]
            if not below:
                return every
            within = sum_by(by, "increase", _bucket(metric, _le(below[-1])), window_s)
            return f"{every}\n  - {within}"
        case Across(by=by):
            return f"sum by ({names(by)}) (\n  {_each(definition)}\n)"
        case _:
            raise TypeError(
                f"guard of {definition.name}: got an EventGuard on {definition.measure!r}; "
                "expected a Share, a Quantile or an Across. Use a RowGuard."
            )


def _each(definition: AlertDefinition) -> str:
    """Put a gauge's series together per unit, without those that are muted."""
    measure = definition.measure
    if not isinstance(measure, Across):
        raise TypeError(f"measure of {definition.name}: got {measure!r}; expected an Across.")
    series = select(definition.metric, measure.where)
    silent = mutes.of(definition.metric)
    if silent is not None:
        series = f"{series} {_unless(silent)}"
    return f"{measure.each} by ({names(measure.per)}) ({series})"


def _unless(silent: mutes.Mutes) -> str:
    return f"unless on ({names(silent.on)}) {select(metrics.DRIFT_MUTED, silent.where)} == 1"


def _unless_muted(condition: str, definition: AlertDefinition, *, several: bool = False) -> str:
    whole = f"({condition})" if several else condition
    if isinstance(definition.measure, Across):
        return condition
    silent = mutes.of(definition.metric, definition.labels)
    return condition if silent is None else f"{whole}\n{_unless(silent)}"


def _bucket(metric: MetricSpec, matchers: str = "") -> str:
    return f"{prometheus_name(metric)}_bucket{matchers}"


def _le(bound: float) -> str:
    # "1.0" from a Python process, "1" from others: one bound, two spellings.
    if bound == int(bound):
        return "{le=~" + quote(rf"{int(bound)}(\.0)?") + "}"
    return "{le=" + quote(number(bound)) + "}"

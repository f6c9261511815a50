"""What a panel asks for, as PromQL: for Grafana with its variables, for anyone else with values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tidegauge_exporter_prometheus.naming import label_name, prometheus_name
from tidegauge_semconv import Kind, MetricSpec

from tidegauge_alerting import prometheus_fleet
from tidegauge_alerting.measures import Where
from tidegauge_alerting.panels import Aggregate, Query
from tidegauge_alerting.prometheus_expression import UP
from tidegauge_alerting.promql import duration, matcher, names, number

# How long a place that does not answer is remembered.
_REMEMBERED = "1d"


@dataclass(frozen=True, slots=True)
class Times:
    """The words for times: of a rate, of all that is shown, and between two points of a line."""

    rate: str
    shown: str
    step: str


#: Grafana puts in what suits the time that is shown.
GRAFANA = Times("$__rate_interval", "$__range", "$__interval")


def expression(query: Query, chosen: Mapping[str, str], times: Times, *, now: bool) -> str:
    """Return the expression of a query.

    ``chosen`` has a matcher for each attribute that a variable filters. ``now`` is for one moment:
    then the highest are those of that moment, not of all that is shown.
    """
    window = duration(query.window_s) if query.window_s else times.rate
    text = _aggregated(query, chosen, window)
    if query.over is not None:
        by = f" by ({names(query.over.by)})" if query.over.by else ""
        if query.over.function == "count":
            text = f"sum{by} (({text}) > bool 0)"
        else:
            text = f"{query.over.function}{by} ({text})"
    if query.zero_beside is not None:
        text = f"({text}) or 0 * group({prometheus_name(query.zero_beside)})"
    if query.top is None:
        return text
    if now:
        return f"topk({query.top}, {text})"
    # topk alone chooses anew at each point: a line for whoever was ever among the highest.
    highest = f"max_over_time(({text})[{times.shown}:{times.step}] @ end())"
    return f"({text}) and topk({query.top}, {highest})"


def series(query: Query, chosen: Mapping[str, str]) -> str:
    """Return the selector of the series that a query reads."""
    name = prometheus_name(query.metric)
    if query.aggregate is Aggregate.STABILITY:
        name = prometheus_fleet.INDEX
    elif query.metric.kind is Kind.HISTOGRAM:
        name += "_count"
    return _select(name, query, chosen)


def _aggregated(query: Query, chosen: Mapping[str, str], window: str) -> str:
    name = prometheus_name(query.metric)
    selector = series(query, chosen)
    match query.aggregate:
        case Aggregate.RATE:
            text = _by("sum", query.by, f"rate({selector}[{window}])")
        case Aggregate.INCREASE:
            # increase() does not see a series' first value, and a fault may come only once.
            new = f"({selector} unless {selector} offset {window})"
            text = _by("sum", query.by, f"{new} or increase({selector}[{window}])")
        case Aggregate.SHARE:
            part = _select(name, query, chosen, query.part)
            whole = _select(name, query, chosen, query.of)
            of_part = _by("sum", query.by, f"rate({part}[{window}])")
            # Of nothing there is no share: no value, rather than NaN.
            text = f"{of_part} / ({_by('sum', query.by, f'rate({whole}[{window}])')} > 0)"
        case Aggregate.QUANTILE:
            buckets = _select(f"{name}_bucket", query, chosen)
            rates = _by("sum", (*query.by, "le"), f"rate({buckets}[{window}])")
            # A comparison with NaN, the quantile of nothing, is false.
            text = f"histogram_quantile({number(query.q or 0)}, {rates}) < Inf"
        case Aggregate.SUM | Aggregate.AVG | Aggregate.MIN | Aggregate.MAX:
            text = _by(query.aggregate.value, query.by, selector)
        case Aggregate.STABILITY:
            text = _by("max", query.by, selector)
        case Aggregate.REACHABLE:
            seen = _by("group", query.by, f"last_over_time({selector}[{_REMEMBERED}])")
            text = _by("min", query.by, f"{UP} and on ({names(query.by)}) {seen}")
        case Aggregate.APPEARS:
            before = _by("group", query.by, f"{selector} offset {window}")
            # Where nothing at all was there before, it is the telemetry that is new.
            text = (
                f"{_by('group', query.by, selector)} unless {before} "
                f"and on () group({name} offset {window})"
            )
        case _:
            raise TypeError(
                f"aggregate of {query.metric.name}: got {query.aggregate!r}; expected one that "
                "Prometheus has an expression for. Add it to tidegauge_alerting."
            )
    return text


def _by(function: str, by: tuple[str, ...], text: str) -> str:
    return f"{function} by ({names(by)}) ({text})" if by else f"{function}({text})"


def _select(
    name: str, query: Query, chosen: Mapping[str, str], more: tuple[Where, ...] = ()
) -> str:
    told = {each.attribute for each in query.where}
    matchers = [chosen[key] for key in query.metric.attributes if key in chosen and key not in told]
    matchers += [matcher(each.attribute, each.values) for each in (*query.where, *more)]
    matchers += [matcher(each.attribute, each.values, unlike=True) for each in query.unless]
    return f"{name}{{{','.join(matchers)}}}" if matchers else name


def values_of(metric: MetricSpec, attribute: str, chosen: Mapping[str, str]) -> str:
    """Return Grafana's query for the values of an attribute that are left to choose."""
    name = series(Query(metric, Aggregate.MAX), chosen)
    return f"label_values({name}, {label_name(attribute)})"

"""What a file of dashboards says of rows, panels and queries, and nothing that cannot be shown."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tidegauge_semconv import Kind as Metric
from tidegauge_semconv import MetricSpec, attributes

from tidegauge_alerting import metric_keys
from tidegauge_alerting.panels import (
    Aggregate,
    Kind,
    Mark,
    Over,
    Panel,
    Query,
    Row,
    Variable,
    Width,
)
from tidegauge_alerting.sections import Section

_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
_FUNCTIONS = ("sum", "avg", "min", "max", "count")
_MOST = 50  # lines of one picture: nobody reads more, and some vendors draw no more
_GAUGES = (Metric.GAUGE, Metric.UPDOWN)
# Which kinds of metric an aggregate can be made of.
_OF = {
    Aggregate.RATE: (Metric.COUNTER, Metric.HISTOGRAM),
    Aggregate.INCREASE: (Metric.COUNTER,),
    Aggregate.SHARE: (Metric.COUNTER,),
    Aggregate.QUANTILE: (Metric.HISTOGRAM,),
    Aggregate.SUM: _GAUGES,
    Aggregate.AVG: _GAUGES,
    Aggregate.MIN: _GAUGES,
    Aggregate.MAX: _GAUGES,
    Aggregate.STABILITY: (Metric.COUNTER,),
    Aggregate.REACHABLE: (Metric.COUNTER, *_GAUGES),
    Aggregate.APPEARS: (Metric.COUNTER, *_GAUGES),
}
# Attributes that the answer has and the metric has not: the place that a series comes from as
# Prometheus knows it, and the window of an index.
_MORE = {Aggregate.REACHABLE: ("job", "instance"), Aggregate.STABILITY: (attributes.WINDOW,)}


def short_name(entry: Section, key: str, default: str | None = None) -> str:
    """Return a name that stands in addresses."""
    found = entry.text(key, default)
    if found != default and _NAME.fullmatch(found) is None:
        raise entry.wrong(key, found, f"a short name ({_NAME.pattern})", "Rename it.")
    return found


def line(entry: Section, key: str, default: str | None = None) -> str:
    """Return a line of text."""
    found = entry.text(key, default).strip()
    if not found.isprintable():
        raise entry.wrong(key, found, "a line of text", "Put it on one line.")
    return found


def row(entry: Section) -> Row:
    """Return a row of panels."""
    return Row(line(entry, "title"), tuple(_panel(each) for each in entry.listed("panels")))


def _panel(entry: Section) -> Panel:
    return Panel(
        title=line(entry, "title"),
        description=line(entry, "description"),
        kind=Kind(entry.choice("kind", list(Kind))),
        queries=tuple(_query(each) for each in entry.listed("queries")),
        width=Width(entry.choice("width", list(Width), Width.HALF)),
        alerts=entry.texts("alerts", ()),
        opens=short_name(entry, "opens", ""),
    )


def _query(entry: Section) -> Query:
    metric = metric_keys.metric(entry, "metric")
    aggregate = Aggregate(entry.choice("aggregate", list(Aggregate)))
    if metric.kind not in _OF[aggregate]:
        raise entry.wrong(
            "aggregate", f"{aggregate} of the {metric.kind} {metric.name}",
            f"a {' or a '.join(_OF[aggregate])}", "Take another aggregate or metric.",
        )  # fmt: skip
    more = _MORE.get(aggregate, ())
    query = Query(
        metric,
        aggregate,
        by=metric_keys.by(entry, "by", metric, (), more),
        where=metric_keys.where(entry, "where", metric),
        unless=metric_keys.where(entry, "unless", metric),
        part=metric_keys.where(entry, "part", metric),
        of=metric_keys.where(entry, "of", metric),
        q=_q(entry),
        window_s=entry.seconds("window") if entry.has("window") else None,
        over=_over(entry, metric, more),
        zero_beside=metric_keys.metric(entry, "zero_beside") if entry.has("zero_beside") else None,
        top=_top(entry),
        title=line(entry, "title", ""),
        legend=line(entry, "legend", ""),
        unit=line(entry, "unit", ""),
        alerts=entry.texts("alerts", ()),
    )
    _check(entry, query)
    return query


def _check(entry: Section, query: Query) -> None:
    """Refuse what does not fit together."""
    for key, got, aggregate in (
        ("part", "one" if query.part else None, Aggregate.SHARE),
        ("q", query.q, Aggregate.QUANTILE),
    ):
        if (query.aggregate is aggregate) != (got is not None):
            raise entry.wrong(
                key, got or "none", f"one with {aggregate}, and only there",
                "Add it, take it away, or take another aggregate.",
            )  # fmt: skip
    if query.zero_beside is not None and query.attributes:
        raise entry.wrong(
            "zero_beside", query.zero_beside.name, "one with a single number",
            f"Leave it out, or {', '.join(query.attributes)}.",
        )  # fmt: skip
    for key in re.findall(r"{(.*?)}", query.legend):
        if key not in query.attributes:
            known = ", ".join(query.attributes) or "no name"
            raise entry.wrong("legend", query.legend, f"{known} in braces", "Name it under by too.")


def _q(entry: Section) -> float | None:
    found = entry.number_or_none("q")
    if found is not None and not 0 < found < 1:
        raise entry.wrong(
            "q", found, "a number above 0 and below 1", "The slowest 5 % begin at 0.95."
        )
    return found


def _top(entry: Section) -> int | None:
    found = entry.number_or_none("top")
    if found is None:
        return None
    if not found.is_integer() or not 1 <= found <= _MOST:
        raise entry.wrong(
            "top", found, f"a whole number in [1, {_MOST}]", "Nobody reads more lines."
        )
    return int(found)


def _over(entry: Section, metric: MetricSpec, more: Sequence[str]) -> Over | None:
    inner = entry.section_or_none("over")
    if inner is None:
        return None
    function = inner.choice("function", _FUNCTIONS)
    found = Over(function, metric_keys.by(inner, "by", metric, (), more))
    inner.done()
    return found


def variable(entry: Section) -> Variable:
    """Return what the reader of a dashboard chooses."""
    metric = metric_keys.metric(entry, "metric")
    name = entry.text("attribute")
    metric_keys.attributes(entry, "attribute", metric, (name,))
    return Variable(name, metric, entry.flag("every", default=False))


def mark(entry: Section) -> Mark:
    """Return what is marked in all pictures of a dashboard."""
    inner = entry.section("query", "a query")
    query = _query(inner)
    inner.done()
    return Mark(line(entry, "title"), query)

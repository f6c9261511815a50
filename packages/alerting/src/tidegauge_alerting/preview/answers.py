"""What a server answers to the panels: lines and rows, or why there are none."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tidegauge_semconv import attributes as a

from tidegauge_alerting.definitions import AlertDefinition
from tidegauge_alerting.panel_promql import Times, expression, series
from tidegauge_alerting.panels import Dashboard, Kind, Panel, Query
from tidegauge_alerting.prometheus_api import PrometheusApi, RefusedError, Series
from tidegauge_alerting.promql import duration, matcher

_POINTS = 120
_SHORTEST_STEP_S = 15
# A rate needs several scrapes, and most are a minute apart or less.
_SHORTEST_RATE_S = 300


# Names of what happened at one moment; the others are counted.
_NAMED = 3


@dataclass(frozen=True, slots=True)
class Span:
    """The time that is shown."""

    end_s: float
    length_s: int

    @property
    def start_s(self) -> float:
        """When it begins."""
        return self.end_s - self.length_s

    @property
    def step_s(self) -> int:
        """How far two points of a line are apart."""
        return max(_SHORTEST_STEP_S, self.length_s // _POINTS)

    @property
    def times(self) -> Times:
        """The same as PromQL has it."""
        rate_s = max(_SHORTEST_RATE_S, 4 * self.step_s)
        return Times(duration(rate_s), duration(self.length_s), duration(self.step_s))


@dataclass(frozen=True, slots=True)
class Line:
    """One series of a picture."""

    legend: str
    unit: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row of a table: the values of its attributes, and of each query, if there is one."""

    labels: Mapping[str, str]
    values: Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Answer:
    """What one panel shows; ``missing`` says why it shows nothing."""

    panel: Panel
    lines: Sequence[Line] = ()
    rows: Sequence[TableRow] = ()
    missing: str = ""


def ask(server: PrometheusApi, panel: Panel, chosen: Mapping[str, str], span: Span) -> Answer:
    """Return what a panel shows, or why it shows nothing.

    Raises
    ------
    ServerError
        The server does not answer.
    """
    try:
        if panel.kind is Kind.TABLE:
            rows = _rows(server, panel, chosen, span)
            found = Answer(panel, rows=rows)
        else:
            lines = [
                Line(_legend(query, each.labels), query.shown_unit, each.points)
                for query in panel.queries
                for each in _over(server, query, chosen, span)
            ]
            found = Answer(panel, lines=lines)
    except RefusedError as error:
        return Answer(panel, missing=str(error))
    if found.lines or found.rows:
        return found
    return Answer(panel, missing=why_none(server, panel.queries[0], chosen, span)[0])


def marks(
    server: PrometheusApi, dashboard: Dashboard, chosen: Mapping[str, str], span: Span
) -> list[tuple[float, str]]:
    """Return the moments to be shown on each picture of a dashboard, with their texts."""
    found: dict[tuple[float, str], list[str]] = {}
    for mark in dashboard.marks:
        for each in _over(server, mark.query, chosen, span):
            found.setdefault((each.points[0][0], mark.title), []).append(
                _legend(mark.query, each.labels)
            )
    return [
        (at_s, f"{title}: {_few(sorted(names))}") for (at_s, title), names in sorted(found.items())
    ]


def _few(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def choose(dashboard: Dashboard, model: str) -> dict[str, str]:
    """Return the matchers of a dashboard's variables: one model, and all of everything else."""
    return {
        each.attribute: matcher(a.MODEL_NAME, [model])
        for each in dashboard.variables
        if each.attribute == a.MODEL_NAME and not each.every
    }


def why_none(
    server: PrometheusApi, query: Query, chosen: Mapping[str, str], span: Span
) -> tuple[str, bool]:
    """Return why a query has no answer, and whether its metric is there at all."""

    def seen(selector: str) -> bool:
        text = f"count(last_over_time({selector}[{span.times.shown}]))"
        return bool(server.instant(text, span.end_s))

    selector = series(query, chosen)
    name = selector.partition("{")[0]
    if not seen(name):
        return f"{name} has no series: nothing that is scraped exports it.", False
    if not seen(selector):
        return f"Of {name} there are no series {{{selector.partition('{')[2]}.", True
    return f"{name} has series, and none with an event or a value in this time.", True


def worst_first(
    rows: Sequence[TableRow], panel: Panel, alerts: Mapping[str, AlertDefinition]
) -> list[TableRow]:
    """Return the rows that need somebody first: by severity, then by the first column."""

    def key(row: TableRow) -> tuple[int, int, float, tuple[str, ...]]:
        critical = warning = 0
        for query, value in zip(panel.queries, row.values, strict=True):
            for name in query.alerts:
                if value is not None and name in alerts and alerts[name].fires_at(value):
                    critical += alerts[name].severity == "critical"
                    warning += alerts[name].severity != "critical"
        return -critical, -warning, -(row.values[0] or 0.0), tuple(row.labels.values())

    return sorted(rows, key=key)


def _over(
    server: PrometheusApi, query: Query, chosen: Mapping[str, str], span: Span
) -> list[Series]:
    text = expression(query, chosen, span.times, now=False)
    found = server.over(text, span.start_s, span.end_s, span.step_s)
    return sorted(found, key=lambda each: (-each.last, sorted(each.labels.items())))


def _rows(
    server: PrometheusApi, panel: Panel, chosen: Mapping[str, str], span: Span
) -> list[TableRow]:
    cells: dict[tuple[str, ...], list[float | None]] = {}
    for column, query in enumerate(panel.queries):
        text = expression(query, chosen, span.times, now=True)
        for each in server.instant(text, span.end_s):
            row = tuple(each.labels.get(key, "") for key in panel.attributes)
            cells.setdefault(row, [None] * len(panel.queries))[column] = each.last
    return [
        TableRow(dict(zip(panel.attributes, row, strict=True)), values)
        for row, values in sorted(cells.items())
    ]


def _legend(query: Query, labels: Mapping[str, str]) -> str:
    text = re.sub(r"{(\w+)}", lambda found: labels.get(found[1], ""), query.shown_legend)
    return " ".join(text.split()) or query.metric.name

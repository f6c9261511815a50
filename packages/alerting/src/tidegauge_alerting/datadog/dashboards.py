"""Panels as Datadog dashboards, in the form that its API and its import take: pure."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from tidegauge_alerting.dashboard_vendors import Drawn
from tidegauge_alerting.datadog.panel_queries import Asked, asked, plain
from tidegauge_alerting.datadog.query_language import NotExpressibleError, number
from tidegauge_alerting.definitions import AlertDefinition, Comparison, Severity
from tidegauge_alerting.panels import SHARE_UNIT, Dashboard, Kind, Panel, Query, Row

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

# Datadog's grid, and how many of its lines a panel takes.
_COLUMNS = 12
_LINES = {Kind.TIMESERIES: 3, Kind.STAT: 2, Kind.TABLE: 4}
_HEADING = 1
# Of a widget's own time, what Datadog has words for.
_SPANS = {60: "1m", 300: "5m", 600: "10m", 900: "15m", 1800: "30m", 3600: "1h", 14_400: "4h"}
_UNITS = {"s": "second", "By": "byte", "%": "percent", SHARE_UNIT: "fraction"}
_MANAGED = "managed-by:tidegauge"
_MARKER = re.compile(rf"\({_MANAGED}/([\w-]+)\)$")


def draw(dashboards: Sequence[Dashboard], alerts: Mapping[str, AlertDefinition]) -> Drawn:
    """Return a file for each dashboard, and what Datadog cannot show."""
    files = {}
    left_out: list[tuple[str, str]] = []
    for dashboard in dashboards:
        body, missing = render_dashboard(dashboard, alerts)
        text = json.dumps(body, indent=2, ensure_ascii=False) + "\n"
        files[f"tidegauge-{dashboard.name}.json"] = text
        left_out += missing
    return Drawn(files, left_out)


def marker(name: str) -> str:
    """Return what a dashboard's description says for us to know it by: it can have no such tag."""
    return f"({_MANAGED}/{name})"


def marker_in(description: object) -> str:
    """Return the name that a description says; nothing where it is none of ours."""
    found = _MARKER.search(description) if isinstance(description, str) else None
    return found[1] if found else ""


def render_dashboard(
    dashboard: Dashboard, alerts: Mapping[str, AlertDefinition]
) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """Return a dashboard as the API takes it, and what is left out of it, and why."""
    left_out: list[tuple[str, str]] = []
    widgets: list[dict[str, Any]] = []
    line = 0
    variables = [each.attribute for each in dashboard.variables]
    for row in dashboard.rows:
        group, height = _row(dashboard, row, variables, alerts, left_out)
        if not group["definition"]["widgets"]:
            continue
        widgets.append({**group, "layout": _box(0, line, _COLUMNS, height)})
        line += height
    for mark in dashboard.marks:
        try:
            asked(mark.query, variables, one=False)
        except NotExpressibleError as error:
            left_out.append((f"{dashboard.name}: {mark.title}", str(error)))
    body = {
        "title": f"Tidegauge: {dashboard.title}",
        "description": f"{dashboard.description} {marker(dashboard.name)}",
        "layout_type": "ordered",
        "reflow_type": "fixed",
        "template_variables": [
            {"name": key, "prefix": key, "available_values": [], "defaults": ["*"]}
            for key in variables
        ],
        "widgets": widgets,
    }
    return body, left_out


def _row(
    dashboard: Dashboard,
    row: Row,
    variables: Sequence[str],
    alerts: Mapping[str, AlertDefinition],
    left_out: list[tuple[str, str]],
) -> tuple[dict[str, Any], int]:
    widgets: list[dict[str, Any]] = []
    x = y = tallest = 0
    for panel in row.panels:
        found = list(_asked(dashboard, panel, variables, left_out))
        if not found:
            continue
        width, height = round(_COLUMNS * panel.width.share), _LINES[panel.kind]
        if x + width > _COLUMNS:
            x, y, tallest = 0, y + tallest, 0
        shown = [alerts[name] for name in panel.alerts if name in alerts]
        definition = {
            "title": panel.title,
            "description": panel.description,
            **_DEFINITIONS[panel.kind](found, shown, alerts),
        }
        widgets.append({"definition": definition, "layout": _box(x, y, width, height)})
        x, tallest = x + width, max(tallest, height)
    definition = {
        "type": "group",
        "title": row.title,
        "layout_type": "ordered",
        "widgets": widgets,
    }
    return {"definition": definition}, y + tallest + _HEADING


def _asked(
    dashboard: Dashboard,
    panel: Panel,
    variables: Sequence[str],
    left_out: list[tuple[str, str]],
) -> Iterator[tuple[Query, Asked]]:
    for query in panel.queries:
        try:
            yield query, asked(query, variables, one=panel.kind is not Kind.TIMESERIES)
        except NotExpressibleError as error:
            name = f" ({query.title})" if query.title else ""
            left_out.append((f"{dashboard.name}: {panel.title}{name}", str(error)))


def _timeseries(
    found: Sequence[tuple[Query, Asked]],
    shown: Sequence[AlertDefinition],
    alerts: Mapping[str, AlertDefinition],  # noqa: ARG001 - of columns
) -> dict[str, Any]:
    requests = []
    for query, each in found:
        queries, formula = _request(query, each, 0)
        legend = plain(query.legend or query.title)
        if legend:
            formula["alias"] = legend
        requests.append(
            {
                "response_format": "timeseries",
                "display_type": "line",
                "queries": queries,
                "formulas": [formula],
            }
        )
    definition: dict[str, Any] = {"type": "timeseries", "show_legend": True, "requests": requests}
    markers = [
        {
            "label": alert.name,
            "value": f"y = {number(value)}",
            "display_type": f"{_colour(alert)} dashed",
        }
        for alert in shown
        for _, value in _limits(alert)
    ]
    return definition | ({"markers": markers} if markers else {})


def _stat(
    found: Sequence[tuple[Query, Asked]],
    shown: Sequence[AlertDefinition],
    alerts: Mapping[str, AlertDefinition],  # noqa: ARG001 - of columns
) -> dict[str, Any]:
    query, each = found[0]
    queries, formula = _request(query, each, 0, one=True)
    request: dict[str, Any] = {
        "response_format": "scalar",
        "queries": queries,
        "formulas": [formula],
    }
    formats = _formats(shown)
    if formats:
        request["conditional_formats"] = formats
    definition = {"type": "query_value", "autoscale": True, "precision": 2, "requests": [request]}
    return definition | _time([query])


def _table(
    found: Sequence[tuple[Query, Asked]],
    shown: Sequence[AlertDefinition],  # noqa: ARG001 - of pictures
    alerts: Mapping[str, AlertDefinition],
) -> dict[str, Any]:
    queries: list[dict[str, Any]] = []
    formulas = []
    for query, each in found:
        more, formula = _request(query, each, len(queries), one=True)
        formula["alias"] = query.title or query.metric.name
        formats = _formats([alerts[name] for name in query.alerts if name in alerts])
        if formats:
            formula["conditional_formats"] = formats
        queries += more
        formulas.append(formula)
    request = {"response_format": "scalar", "queries": queries, "formulas": formulas}
    definition = {"type": "query_table", "has_search_bar": "auto", "requests": [request]}
    return definition | _time([query for query, _ in found])


_DEFINITIONS = {Kind.TIMESERIES: _timeseries, Kind.STAT: _stat, Kind.TABLE: _table}


def _request(
    query: Query, each: Asked, before: int, *, one: bool = False
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the queries and the formula over them; ``before``: so many are there already."""
    names = [f"query{before + place}" for place in range(1, len(each.queries) + 1)]
    queries: list[dict[str, Any]] = [
        {"data_source": "metrics", "name": name, "query": text}
        for name, text in zip(names, each.queries, strict=True)
    ]
    if one:
        for found in queries:
            found["aggregator"] = each.aggregator
    formula: dict[str, Any] = {"formula": each.formula.format(*names)}
    if query.top:
        formula["limit"] = {"count": query.top, "order": "desc"}
    unit = _UNITS.get(query.shown_unit)
    if unit:
        formula["number_format"] = {"unit": {"type": "canonical_unit", "unit_name": unit}}
    return queries, formula


def _time(queries: Sequence[Query]) -> dict[str, Any]:
    """Return the time of a number that is of a window, not of all that is shown."""
    windows = {query.window_s for query in queries if query.window_s} & set(_SPANS)
    return {"time": {"live_span": _SPANS[max(windows)]}} if windows else {}


def _limits(alert: AlertDefinition) -> Iterator[tuple[str, float]]:
    match alert.comparison:
        case Comparison.OUTSIDE:
            if alert.low is not None:
                yield "<", alert.low
            yield ">", alert.threshold
        case Comparison.EQUAL:
            # Where verdicts are counted, more than one is no better.
            yield (">=" if alert.threshold > 0 else "="), alert.threshold
        case comparison:
            yield comparison.value, alert.threshold


def _formats(alerts: Sequence[AlertDefinition]) -> list[dict[str, Any]]:
    palette = {"error": "white_on_red", "warning": "white_on_yellow"}
    return [
        {"comparator": comparator, "value": value, "palette": palette[_colour(alert)]}
        for alert in alerts
        for comparator, value in _limits(alert)
    ]


def _colour(alert: AlertDefinition) -> str:
    return "error" if alert.severity is Severity.CRITICAL else "warning"


def _box(x: int, y: int, width: int, height: int) -> dict[str, int]:
    return {"x": x, "y": y, "width": width, "height": height}

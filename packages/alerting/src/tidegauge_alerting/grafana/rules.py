"""Definitions to Grafana-managed alert rules, with their contact points, as a provisioning file.

Each rule has two queries: A is the measure in PromQL, B compares it. Whom it tells stands in the
rule itself: a provisioned tree of notification policies would replace the organisation's own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from tidegauge_semconv import attributes as a

from tidegauge_alerting import block_yaml
from tidegauge_alerting.dashboard_files import load_dashboards
from tidegauge_alerting.definitions import AlertDefinition, Comparison, Severity
from tidegauge_alerting.grafana import contacts, grid, texts
from tidegauge_alerting.measures import StabilityIndex
from tidegauge_alerting.panels import Panel
from tidegauge_alerting.prometheus_expression import uncompared
from tidegauge_alerting.promql import duration
from tidegauge_alerting.vendors import Request, Vendor, Written

#: The identity of the data source that our provisioning file makes.
SOURCE = "tidegauge-prometheus"
#: The first words of every file that we wrote.
HEADER = "# Tidegauge's alert rules for Grafana"

_FOLDER = "Tidegauge"
_INTERVAL = "1m"
# The newest sample within this time, as Prometheus itself looks back.
_LOOK_BACK_S = 600
_RECORDED = (
    "its index is recorded by rules of Prometheus: render those with --fleet, they alert on it too"
)
# Verdicts are 0 or 1: what is so near to one is one.
_NEAR = 0.001
_EXPRESSION = {"type": "__expr__", "uid": "__expr__"}


def render_rules(request: Request) -> Written:
    """Return the provisioning file of the alerts that are asked for, and of whom they tell.

    Raises
    ------
    ValueError
        An alert or a severity names a channel that nobody has defined.
    """
    links = _links()
    rules, left_out, told = [], [], dict[tuple[str, ...], None]()
    for definition in request.definitions:
        if isinstance(definition.measure, StabilityIndex):
            left_out.append((definition.name, _RECORDED))
            continue
        names = _channels(definition, request.routes)
        if names:
            told[names] = None
        rules.append(_rule(definition, names, request.runbook_url, links))
    group = {
        "orgId": 1, "name": "tidegauge", "folder": _FOLDER, "interval": _INTERVAL, "rules": rules,
    }  # fmt: skip
    data: dict[str, Any] = {"apiVersion": 1, "groups": [group] if rules else []}
    if told:
        data["contactPoints"] = [contacts.contact_point(names, request.channels) for names in told]
    text = block_yaml.heading(HEADER, request.made_by) + block_yaml.dump(data)
    return Written(text, len(rules), left_out)


def _channels(
    definition: AlertDefinition, routes: Mapping[Severity, Sequence[str]]
) -> tuple[str, ...]:
    return definition.channels or tuple(routes.get(definition.severity, ()))


def _rule(
    definition: AlertDefinition,
    names: tuple[str, ...],
    runbook_url: str | None,
    links: Mapping[str, tuple[str, int]],
) -> dict[str, Any]:
    rule: dict[str, Any] = {
        "uid": contacts.uid(definition.name),
        "title": contacts.literal(definition.name),
        "condition": "B",
        "data": [_measure(definition), _comparison(definition)],
        # Silence is no alarm: what is missed has an alert of its own.
        "noDataState": "OK",
        "execErrState": "Error",
        "for": duration(definition.for_s),
        "labels": {"severity": definition.severity.value},
        "annotations": {
            "summary": texts.translate(definition.summary, definition),
            "description": texts.translate(definition.description, definition),
        },
    }
    if definition.first_steps:
        rule["annotations"]["first_steps"] = texts.translate(definition.first_steps, definition)
    runbook = definition.runbook_url or runbook_url
    if runbook:
        address = runbook.replace("{name}", definition.name)
        rule["annotations"]["runbook_url"] = texts.escape(address)
    if definition.name in links:
        rule["dashboardUid"], rule["panelId"] = links[definition.name]
    if names:
        rule["notification_settings"] = {
            "receiver": contacts.literal(contacts.point(names)),
            # Grafana wants the first two; a page tells of one model.
            "group_by": ["grafana_folder", "alertname", a.MODEL_NAME],
            "repeat_interval": duration(definition.cooldown_s),
        }
    return rule


def _measure(definition: AlertDefinition) -> dict[str, Any]:
    return {
        "refId": "A",
        "relativeTimeRange": {"from": _LOOK_BACK_S, "to": 0},
        "datasourceUid": SOURCE,
        "model": {
            "refId": "A",
            "datasource": {"type": "prometheus", "uid": SOURCE},
            "editorMode": "code",
            "expr": uncompared(definition),
            "instant": True,
            "range": False,
            "intervalMs": 1000,
            "maxDataPoints": 43200,
        },
    }


def _comparison(definition: AlertDefinition) -> dict[str, Any]:
    condition: dict[str, Any] = {"evaluator": _begins(definition)}
    if definition.recovery is not None:
        condition["unloadEvaluator"] = _ends(definition.comparison, definition.recovery)
    return {
        "refId": "B",
        "relativeTimeRange": {"from": 0, "to": 0},
        "datasourceUid": "__expr__",
        "model": {
            "refId": "B",
            "datasource": _EXPRESSION,
            "type": "threshold",
            "expression": "A",
            "conditions": [condition],
            "intervalMs": 1000,
            "maxDataPoints": 43200,
        },
    }


def _begins(definition: AlertDefinition) -> dict[str, Any]:
    """Return the comparison, in the four words that every version of Grafana has.

    Where a value itself counts, the limit is the next number beside it.
    """
    value = definition.threshold
    match definition.comparison:
        case Comparison.ABOVE:
            return _evaluator("gt", value)
        case Comparison.AT_LEAST:
            return _evaluator("gt", math.nextafter(value, -math.inf))
        case Comparison.BELOW:
            return _evaluator("lt", value)
        case Comparison.AT_MOST:
            return _evaluator("lt", math.nextafter(value, math.inf))
        case Comparison.EQUAL:
            return _evaluator("within_range", value - _NEAR, value + _NEAR)
        case Comparison.OUTSIDE:
            low = value if definition.low is None else definition.low
            return _evaluator("outside_range", low, value)


def _ends(comparison: Comparison, value: float) -> dict[str, Any]:
    """Return when an alert that fires ends: the opposite, at the recovery."""
    match comparison:
        case Comparison.ABOVE:
            return _evaluator("lt", math.nextafter(value, math.inf))
        case Comparison.AT_LEAST:
            return _evaluator("lt", value)
        case Comparison.BELOW:
            return _evaluator("gt", math.nextafter(value, -math.inf))
        case Comparison.AT_MOST:
            return _evaluator("gt", value)
        case _:
            raise TypeError(
                f"recovery: got {value:g} with {comparison!r}; expected a comparison with one side."
            )


def _evaluator(kind: str, *limits: float) -> dict[str, Any]:
    return {"type": kind, "params": list(limits)}


@cache
def _links() -> Mapping[str, tuple[str, int]]:
    """Return the panel that shows what an alert is about: its dashboard and its number there."""
    found: dict[str, tuple[str, int]] = {}
    for dashboard in load_dashboards():
        for number, (item, _) in enumerate(grid.place(dashboard), 1):
            if isinstance(item, Panel):
                for name in item.alerts:
                    found.setdefault(name, (grid.uid(dashboard.name), number))
    return found


#: What the entry point ``grafana`` finds.
VENDOR = Vendor(
    header=HEADER,
    render=render_rules,
    steps=(
        "Put it into provisioning/alerting of Grafana, and start Grafana again.",
        "Its data source is in what tidegauge dashboards render grafana writes.",
    ),
)

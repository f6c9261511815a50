"""Definitions to Prometheus rule files: pure, and the same text for the same definitions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidegauge_alerting import block_yaml, prometheus_fleet, prometheus_text
from tidegauge_alerting.definitions import AlertDefinition, by_name
from tidegauge_alerting.measures import Reachable, StabilityIndex
from tidegauge_alerting.prometheus_expression import KNOWN, expression, known
from tidegauge_alerting.promql import duration
from tidegauge_alerting.vendors import Request, Vendor, Written

if TYPE_CHECKING:
    from collections.abc import Sequence

#: The first words of every file that we wrote, so that no other file is overwritten.
HEADER = "# Tidegauge's alert rules for Prometheus"

_GROUP = "tidegauge"


def render_prometheus(
    definitions: Sequence[AlertDefinition],
    *,
    runbook_url: str | None = None,
    made_by: str = "tidegauge rules render prometheus",
) -> str:
    """Return a Prometheus rule file.

    ``runbook_url`` becomes an annotation of each alert; ``{name}`` in it is the alert's name.
    ``made_by`` is the command line that the header shows.
    """
    groups = {"groups": rule_groups(definitions, runbook_url=runbook_url)}
    return block_yaml.heading(HEADER, made_by) + block_yaml.dump(groups)


def rule_groups(
    definitions: Sequence[AlertDefinition], *, runbook_url: str | None = None
) -> list[dict[str, Any]]:
    """Return the rule groups as plain data, in the order of the definitions."""
    fleet: list[AlertDefinition] = []
    rules: list[dict[str, Any]] = []
    for definition in by_name(definitions).values():
        if isinstance(definition.measure, StabilityIndex):
            fleet.append(definition)
            continue
        if isinstance(definition.measure, Reachable):
            rules.append({"record": KNOWN, "expr": known(definition.metric)})
        rules.append(_rule(definition, runbook_url))
    groups: list[dict[str, Any]] = [{"name": _GROUP, "rules": rules}] if rules else []
    if fleet:
        recorded = prometheus_fleet.recordings(fleet)
        groups.append(
            {
                "name": f"{_GROUP}_fleet",
                "interval": duration(prometheus_fleet.interval_s(fleet[0])),
                "rules": [*recorded, *(_rule(each, runbook_url) for each in fleet)],
            }
        )
    return groups


def _rule(definition: AlertDefinition, runbook_url: str | None) -> dict[str, Any]:
    rule: dict[str, Any] = {"alert": definition.name, "expr": expression(definition)}
    if definition.for_s:
        rule["for"] = duration(definition.for_s)
    rule["labels"] = {"severity": definition.severity.value}
    rule["annotations"] = {
        "summary": prometheus_text.translate(definition.summary, definition),
        "description": prometheus_text.translate(definition.description, definition),
    }
    if definition.first_steps:
        rule["annotations"]["first_steps"] = prometheus_text.translate(
            definition.first_steps, definition
        )
    runbook = definition.runbook_url or runbook_url
    if runbook:
        address = runbook.replace("{name}", definition.name)
        rule["annotations"]["runbook_url"] = prometheus_text.escape(address)
    return rule


def _written(request: Request) -> Written:
    text = render_prometheus(
        request.definitions, runbook_url=request.runbook_url, made_by=request.made_by
    )
    return Written(text, len(request.definitions))


#: What the entry point ``prometheus`` finds.
VENDOR = Vendor(
    header=HEADER,
    render=_written,
    steps=(
        "Name it under rule_files in prometheus.yml.",
        "Check it with: promtool check rules {file}",
    ),
)

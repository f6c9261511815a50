"""Definitions to Prometheus rule files: pure, and the same text for the same definitions."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import yaml
from tidegauge_exporter_prometheus.naming import prometheus_name

from tidegauge_alerting import prometheus_fleet, prometheus_text
from tidegauge_alerting.definitions import (
    AlertDefinition,
    Comparison,
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
    by_name,
)
from tidegauge_alerting.promql import duration, names, number, quote, select, sum_by

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegauge_semconv import MetricSpec

#: The first words of every file that we wrote, so that no other file is overwritten.
HEADER = "# Tidegauge's alert rules for Prometheus"

_GROUP = "tidegauge"
# Prometheus's own: 1 where a target answered the last scrape, with these labels.
_UP = "up"
_TARGET = ("job", "instance")
# Targets that have shown a model since Prometheus began to scrape them.
_KNOWN = "tidegauge:target:known"


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
    header = (
        f"{HEADER} (tidegauge-alerting {version('tidegauge-alerting')}).\n"
        "# Made by the command below; change its options and run it again, not this file.\n"
        f"#   {made_by}\n"
    )
    groups = {"groups": rule_groups(definitions, runbook_url=runbook_url)}
    return header + yaml.dump(
        groups, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10_000
    )


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
            rules.append({"record": _KNOWN, "expr": _known(definition.metric)})
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


def expression(definition: AlertDefinition) -> str:
    """Return the PromQL expression that has a sample for each alert.

    A comparison with NaN (0 of 0 requests) is false, so that no traffic is no alert.
    """
    condition = f"{definition.comparison} {number(definition.threshold)}"
    metric = definition.metric
    match definition.measure:
        case Last(where=where):
            text = _guarded(f"{select(metric, where)} {condition}", definition)
        case Share(part=part, by=by, window_s=window_s):
            of_part = sum_by(by, "rate", select(metric, part), window_s)
            of_all = sum_by(by, "rate", select(metric), window_s)
            text = _guarded(f"{of_part}\n  / {of_all}\n{condition}", definition)
        case Quantile(q=q, by=by, window_s=window_s):
            buckets = sum_by((*by, "le"), "rate", _bucket(metric), window_s)
            value = f"histogram_quantile({number(q)}, {buckets})"
            text = _guarded(f"{value} {condition}", definition)
        case Increase(by=by, window_s=window_s):
            name, window = prometheus_name(metric), duration(window_s)
            # increase() does not see a series' first value, and a fault may come only once.
            each = f"({name} unless {name} offset {window})\n  or increase({name}[{window}])"
            text = f"sum by ({names(by)}) (\n  {each}\n) {condition}"
        case Vanished(by=by, window_s=window_s):
            before = sum_by(by, "increase", select(metric), window_s)
            text = f"{before} {condition}\nunless on ({names(by)}) {prometheus_name(metric)}"
        case Reachable():
            text = f"{_UP} {condition}\nand on ({names(_TARGET)}) {_KNOWN}"
        case StabilityIndex():
            text = f"{prometheus_fleet.INDEX} {condition}"
    return text


def _rule(definition: AlertDefinition, runbook_url: str | None) -> dict[str, Any]:
    rule: dict[str, Any] = {"alert": definition.name, "expr": expression(definition)}
    if definition.for_s:
        rule["for"] = duration(definition.for_s)
    rule["labels"] = {"severity": definition.severity.value}
    rule["annotations"] = {
        "summary": prometheus_text.translate(definition.summary, definition),
        "description": prometheus_text.translate(definition.description, definition),
    }
    if runbook_url:
        rule["annotations"]["runbook_url"] = runbook_url.replace("{name}", definition.name)
    return rule


def _guarded(condition: str, definition: AlertDefinition) -> str:
    match definition.guard:
        case None:
            return condition
        case RowGuard(metric=metric, minimum=minimum):
            shared = [key for key in definition.metric.attributes if key in metric.attributes]
            enough = f"{prometheus_name(metric)} {Comparison.AT_LEAST} {number(minimum)}"
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
        case _:
            raise TypeError(
                f"guard of {definition.name}: got an EventGuard on {definition.measure!r}; "
                "expected a Share or a Quantile. Use a RowGuard."
            )


def _known(metric: MetricSpec) -> str:
    target = names(_TARGET)
    return (
        f"group by ({target}) ({prometheus_name(metric)})\n"
        f"or group by ({target}) ({_KNOWN} and on ({target}) {_UP})"
    )


def _bucket(metric: MetricSpec, matchers: str = "") -> str:
    return f"{prometheus_name(metric)}_bucket{matchers}"


def _le(bound: float) -> str:
    # "1.0" from a Python process, "1" from others: one bound, two spellings.
    if bound == int(bound):
        return "{le=~" + quote(rf"{int(bound)}(\.0)?") + "}"
    return "{le=" + quote(number(bound)) + "}"


class _Dumper(yaml.SafeDumper):
    """Writes text of several lines as a block, so that an expression can be read."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)

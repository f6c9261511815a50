"""Definitions as Datadog monitors, in the form that its API takes: pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tidegauge_exporter_datadog.naming import tag
from tidegauge_semconv import attributes as a

from tidegauge_alerting.datadog.messages import message
from tidegauge_alerting.datadog.queries import Condition, conditions, group_keys, sides
from tidegauge_alerting.datadog.query_language import NotExpressibleError
from tidegauge_alerting.datadog.scope import Scope
from tidegauge_alerting.definitions import Severity, by_name
from tidegauge_alerting.measures import Vanished

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tidegauge_alerting.channels import Channel
    from tidegauge_alerting.definitions import AlertDefinition

#: The tag that every monitor of ours has, and no other has.
MANAGED = "managed-by:tidegauge"
#: The key of the tag that tells our monitors apart, and of the one that says what they look at.
IDENTITY = "tidegauge-alert"
FILTER = "tidegauge-filter"

_PRIORITY = {Severity.CRITICAL: 1, Severity.WARNING: 3, Severity.INFO: 5}
_PART_PRIORITY = 5
# What comes first from a new group: a process that starts.
_NEW_GROUP_S = 60
# The longest time after which Datadog ends what has no data.
_MOST_H = 24


@dataclass(frozen=True, slots=True)
class Monitor:
    """One monitor; ``key`` is what the tag says that tells it apart from our others.

    ``parts`` are the keys of those that a composite monitor is made of. Its query has their keys
    where Datadog has their numbers.
    """

    key: str
    body: Mapping[str, Any]
    parts: tuple[str, ...] = ()

    def with_numbers(self, numbers: Mapping[str, int]) -> Monitor:
        """Return the monitor with the numbers of its parts in its query."""
        query = " && ".join(str(numbers.get(part, part)) for part in self.parts)
        return Monitor(self.key, {**self.body, "query": query}, self.parts) if self.parts else self


@dataclass(frozen=True, slots=True)
class Rendered:
    """Monitors in the order in which they can be created, and what there are none for, and why."""

    monitors: tuple[Monitor, ...]
    left_out: tuple[tuple[str, str], ...]


def monitors(
    definitions: Sequence[AlertDefinition],
    channels: Mapping[str, Channel] | None = None,
    routes: Mapping[Severity, Sequence[str]] | None = None,
    scope: Scope | None = None,
) -> Rendered:
    """Return the monitors of definitions.

    Parameters
    ----------
    definitions : sequence of AlertDefinition
        Each name once.
    channels, routes : mapping, optional
        Channels by name, and names by severity: whom an alert tells that names none itself.
    scope : Scope, optional
        What all queries have in common.

    Raises
    ------
    ValueError
        Two names differ only in what no tag can tell apart.
    """
    scope = scope or Scope()
    made: list[Monitor] = []
    left_out: list[tuple[str, str]] = []
    for definition in by_name(definitions).values():
        names = definition.channels or (routes or {}).get(definition.severity, ())
        told = [(channels or {})[name] for name in names]
        try:
            made += _of(definition, told, scope)
        except NotExpressibleError as error:
            left_out.append((definition.name, str(error)))
    keys = [each.key for each in made]
    twice = sorted({key for key in keys if keys.count(key) > 1})
    if twice:
        raise ValueError(
            f"alert definitions: got the tag {IDENTITY}:{twice[0]} twice; expected one for each. "
            "Rename one of the alerts: Datadog's tags have no capital letters."
        )
    return Rendered(tuple(made), tuple(left_out))


def key_of(tags: Sequence[str]) -> str:
    """Return the key that a monitor's tags say; nothing where they do not."""
    found = [each.partition(":")[2] for each in tags if each.startswith(f"{IDENTITY}:")]
    return found[0] if len(found) == 1 else ""


def filter_of(tags: Sequence[str]) -> str:
    """Return what a monitor's tags say that it is limited to; nothing where it is not."""
    return next((each.partition(":")[2] for each in tags if each.startswith(f"{FILTER}:")), "")


def severity_tag(severity: str) -> str:
    """Return the tag of a severity."""
    return f"severity:{severity}"


def filter_text(scope: Scope) -> str:
    """Return what the tags of a scope's monitors say that they are limited to."""
    return "/".join(sorted(scope.tags))


def _of(definition: AlertDefinition, told: Sequence[Channel], scope: Scope) -> Iterator[Monitor]:
    found = [(side, one, conditions(one, scope)) for side, one in sides(definition)]
    keys = group_keys(definition, scope)
    for side, one, made in found:
        name = f"{definition.name}{f' ({side})' if side else ''}"
        key = _key(definition.name, side)
        body: dict[str, Any] = {
            "name": f"Tidegauge: {name}",
            "type": "composite" if len(made) > 1 else "query alert",
            "message": message(
                definition, keys, told, composite=len(made) > 1, missing=made[0].missing
            ),
            "tags": _tags(key, scope, definition.severity),
            "priority": _PRIORITY[definition.severity],
        }
        renotify: dict[str, Any] = {
            "renotify_interval": math.ceil(definition.cooldown_s / 60),
            "renotify_statuses": ["no data" if made[0].missing else "alert"],
        }
        if len(made) == 1:
            options = _options(made[0], one, keys) | renotify
            yield Monitor(key, body | {"query": made[0].text, "options": options})
            continue
        parts = [_part(definition, each, one, f"{key}/{each.name}", scope) for each in made]
        yield from parts
        names = tuple(each.key for each in parts)
        body["query"] = " && ".join(names)
        body["options"] = {"include_tags": True, "notify_no_data": False, **renotify}
        yield Monitor(key, body, names)


def _part(
    definition: AlertDefinition, condition: Condition, one: AlertDefinition, key: str, scope: Scope
) -> Monitor:
    body = {
        "name": f"Tidegauge: {definition.name}, its part {condition.name!r}",
        "type": "query alert",
        "message": f"It notifies nobody: it is a part of {definition.name}.",
        "tags": _tags(key, scope, definition.severity),
        "priority": _PART_PRIORITY,
        "query": condition.text,
        "options": _options(condition, one, ()),
    }
    return Monitor(key, body)


def _options(
    condition: Condition, definition: AlertDefinition, keys: Sequence[str]
) -> dict[str, Any]:
    thresholds = {"critical": condition.threshold}
    if condition.recovery is not None and condition.recovery != condition.threshold:
        thresholds["critical_recovery"] = condition.recovery
    options: dict[str, Any] = {
        "thresholds": thresholds,
        "include_tags": True,
        # Without data nothing is known, and nothing is said: that is an alert of its own.
        "on_missing_data": "show_and_notify_no_data" if condition.missing else "resolve",
        # Counts are sparse; and of what comes seldom a window is never full.
        "require_full_window": False,
        "new_group_delay": max(_NEW_GROUP_S, definition.for_s),
    }
    if condition.delay_s:
        options["evaluation_delay"] = condition.delay_s
    if isinstance(definition.measure, Vanished):
        # What was retired is not missed for ever.
        options["timeout_h"] = min(math.ceil(definition.measure.window_s / 3600), _MOST_H)
    if a.FEATURE in keys and a.MODEL_NAME in keys:
        # One message a model, whatever the number of its features.
        options["notify_by"] = [a.MODEL_NAME]
    return options


def _key(name: str, side: str) -> str:
    key = tag(IDENTITY, name).partition(":")[2].lower()
    return f"{key}/{side}" if side else key


def _tags(key: str, scope: Scope, severity: Severity) -> list[str]:
    limited = filter_text(scope)
    found = [MANAGED, f"{IDENTITY}:{key}", severity_tag(severity.value)]
    return sorted((*found, f"{FILTER}:{limited}") if limited else found)

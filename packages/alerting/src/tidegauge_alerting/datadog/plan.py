"""What would have to change in Datadog for its monitors to be those of the definitions: pure."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from tidegauge_alerting.datadog.monitors import (
    MANAGED,
    filter_of,
    filter_text,
    key_of,
    severity_tag,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tidegauge_alerting.datadog.monitors import Monitor
    from tidegauge_alerting.datadog.scope import Scope

# Two words of the API for one type.
_TYPES = {"metric alert": "query alert"}


class Kind(Enum):
    """What is to be done; the value is the sign of it."""

    CREATE = "+"
    UPDATE = "~"
    SAME = "="
    REPLACE = "!"  # Datadog cannot change the type of a monitor
    DELETE = "-"


@dataclass(frozen=True, slots=True)
class Change:
    """What one monitor needs. ``number`` is Datadog's own, ``lines`` say what differs.

    Of what is to be deleted there is no ``monitor``.
    """

    kind: Kind
    name: str
    key: str
    monitor: Monitor | None = None
    number: int | None = None
    lines: tuple[str, ...] = ()
    composite: bool = False


def ours(found: Sequence[Mapping[str, Any]], scope: Scope) -> list[Mapping[str, Any]]:
    """Return the monitors that were made for a scope, by their tags, the oldest first."""
    return sorted(
        (
            each
            for each in found
            if MANAGED in each.get("tags", ())
            and key_of(each["tags"])
            and filter_of(each["tags"]) == filter_text(scope)
        ),
        key=lambda each: int(each["id"]),
    )


def numbers_of(found: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Return Datadog's number of each monitor by its key; of two the older one's."""
    numbers: dict[str, int] = {}
    for each in found:
        numbers.setdefault(key_of(each["tags"]), int(each["id"]))
    return numbers


def plan(
    wanted: Sequence[Monitor],
    found: Sequence[Mapping[str, Any]],
    severities: Sequence[str] = (),
) -> list[Change]:
    """Return what each monitor needs, in the order in which it can be done.

    Parameters
    ----------
    wanted : sequence of Monitor
        Parts before what is made of them.
    found : sequence of mapping
        Our monitors, as the API has them, the oldest first.
    severities : sequence of str, optional
        Nothing else was asked about: others that are not wanted are not gone.
    """
    by_key: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for each in found:
        by_key[key_of(each["tags"])].append(each)
    # Of two that are one, the older stays: what is made of the other is to be made of it.
    keys = {int(those[0]["id"]): key for key, those in by_key.items()}
    changes = []
    for monitor in wanted:
        there, *_ = by_key.get(monitor.key, [None])
        changes.append(_change(monitor, there, keys))
    known = {monitor.key for monitor in wanted}
    about = {severity_tag(each) for each in severities}
    gone = [
        each
        for key, those in by_key.items()
        for each in (those[1:] if key in known else those)
        if not about or about & set(each["tags"])
    ]
    # What is made of others has to go before them.
    gone.sort(key=lambda each: each.get("type") != "composite")
    return changes + [_deletion(each) for each in gone]


def differences(body: Mapping[str, Any], there: Mapping[str, Any]) -> Iterator[str]:
    """Yield one line for each value of a body that differs from what is there."""
    for name, value in _flat(body):
        old: Any = there
        for part in name.split("."):
            old = old.get(part) if hasattr(old, "get") else None
        if name == "tags":
            old = sorted(each.lower() for each in old or ())
        elif name == "type":
            old = _TYPES.get(old, old)
        same = old == value
        if name in ("query", "message"):
            # Spaces that Datadog writes otherwise would be a difference for ever.
            same = str(old).split() == value.split()
        if not same:
            yield from _line(name, old, value)
    limits = (there.get("options") or {}).get("thresholds") or {}
    for name, old in limits.items():
        if old is not None and name not in body.get("options", {}).get("thresholds", {}):
            yield from _line(f"options.thresholds.{name}", old, None)


def _change(monitor: Monitor, there: Mapping[str, Any] | None, keys: Mapping[int, str]) -> Change:
    name, composite = monitor.body["name"], bool(monitor.parts)
    if there is None:
        asks = f"query: {monitor.body['query']}"
        return Change(Kind.CREATE, name, monitor.key, monitor, None, (asks,), composite)
    number = int(there["id"])
    seen = dict(there)
    if composite:
        # Numbers differ from one organisation to the next; what they stand for does not.
        seen["query"] = re.sub(
            r"\d+", lambda each: keys.get(int(each[0]), each[0]), str(there.get("query"))
        )
    lines = tuple(differences(monitor.body, seen))
    if any(line.startswith("type:") for line in lines):
        kind = Kind.REPLACE
    else:
        kind = Kind.UPDATE if lines else Kind.SAME
    return Change(kind, name, monitor.key, monitor, number, lines, composite)


def _deletion(there: Mapping[str, Any]) -> Change:
    name, key = str(there.get("name")), key_of(there["tags"])
    composite = there.get("type") == "composite"
    return Change(Kind.DELETE, name, key, None, int(there["id"]), (), composite)


def _flat(body: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in body.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


def _line(name: str, old: Any, new: Any) -> Iterator[str]:
    """Yield what differs; of a text of several lines those that do."""
    if isinstance(old, str) and isinstance(new, str) and "\n" in old + new:
        before, after = old.split("\n"), new.split("\n")
        gone = [line for line in before if line not in after]
        come = [line for line in after if line not in before]
        yield f"{name}: {len(gone)} lines become {len(come)}"
        yield from (f"  - {line}" for line in gone)
        yield from (f"  + {line}" for line in come)
        return
    yield f"{name}: {shown(old)} -> {shown(new)}"


def shown(value: object) -> str:
    """Return a value as a line says it."""
    return "nothing" if value is None else json.dumps(value, ensure_ascii=False)

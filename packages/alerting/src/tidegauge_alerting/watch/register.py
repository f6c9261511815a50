"""Who has been told what: which notices are due, so that nothing is said twice and no end is lost.

- Alerts of one name and one model are said together.
- Two notices of one group are ``SPACING_S`` apart: what begins and ends in between is not said.
- What goes on is said again after the cooldown of its definition.
- What has ended, was said to have ended and is back is said at once where it is critical; others
  wait for the cooldown.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tidegauge_alerting.definitions import AlertDefinition, Severity
from tidegauge_alerting.watch.alerts import Active, Change, Key
from tidegauge_alerting.watch.notice import Item, Notice, clean, group_of, item, item_from_json
from tidegauge_alerting.watch.vector import Labels

#: As Alertmanager's group_interval.
SPACING_S = 300.0


@dataclass(slots=True)
class Member:
    """One alert of a group; ``said_s`` is when it was last said to fire."""

    item: Item
    said_s: float | None = None
    end_said: bool = False


@dataclass(slots=True)
class Group:
    """The alerts of one name and one model, and how they are said."""

    name: str
    labels: Labels
    severity: Severity
    cooldown_s: float
    channels: tuple[str, ...]
    members: dict[Labels, Member] = field(default_factory=dict)
    last_s: float | None = None

    def due(self, at_s: float, inhibited: Collection[Key] = ()) -> Notice | None:
        """Return what is to be said now, and take it as said."""
        if self.was_said(at_s):
            return None
        firing = [
            each
            for labels, each in self.members.items()
            if each.item.fires and (self.name, labels) not in inhibited
        ]
        ended = [each for each in self.members.values() if not each.item.fires and _unsaid(each)]
        if not ended and not any(self._wants(each, at_s) for each in firing):
            return None
        for each in firing:
            each.said_s, each.end_said = at_s, False
        for each in ended:
            each.end_said = True
        self.last_s = at_s
        items = tuple(each.item for each in (*firing, *ended))
        return Notice(self.name, clean(self.labels), self.severity, at_s, items)

    def was_said(self, at_s: float) -> bool:
        """Whether something was said of it a moment ago."""
        spacing_s = min(SPACING_S, self.cooldown_s)
        return self.last_s is not None and at_s - self.last_s < spacing_s

    def forget(self, at_s: float) -> None:
        """Let go of what has ended and could be said again."""
        for labels, each in list(self.members.items()):
            over = each.said_s is None or (each.end_said and at_s - each.said_s >= self.cooldown_s)
            if not each.item.fires and over:
                del self.members[labels]

    def _wants(self, member: Member, at_s: float) -> bool:
        if member.said_s is None:
            return True
        if member.end_said and self.severity is Severity.CRITICAL:
            return True
        return at_s - member.said_s >= self.cooldown_s


def _unsaid(member: Member) -> bool:
    return member.said_s is not None and not member.end_said


class Register:
    """All groups; ``channels_of`` returns the names of the channels that an alert goes to."""

    def __init__(self, channels_of: Callable[[AlertDefinition], tuple[str, ...]]) -> None:
        self._channels_of = channels_of
        self.groups: dict[tuple[str, Labels], Group] = {}

    def begin(self, definition: AlertDefinition, alert: Active) -> None:
        """Take in that an alert fires, or still fires."""
        key = (definition.name, group_of(alert.labels))
        group = self.groups.get(key)
        if group is None:
            group = self.groups[key] = Group(*key, definition.severity, 0.0, ())
        # What the file of definitions says now, also of what was begun under another.
        group.severity, group.cooldown_s = definition.severity, float(definition.cooldown_s)
        group.channels = self._channels_of(definition)
        said = group.members.setdefault(alert.labels, Member(item(definition, alert)))
        said.item = item(definition, alert)

    def end(self, change: Change) -> None:
        """Take in that an alert has ended."""
        group = self.groups.get((change.alert.name, group_of(change.alert.labels)))
        member = group.members.get(change.alert.labels) if group is not None else None
        if member is not None and member.item.fires:
            member.item = dataclasses.replace(member.item, ends_s=change.at_s)

    def due(
        self, at_s: float, inhibited: Collection[Key] = ()
    ) -> Iterator[tuple[Notice, tuple[str, ...]]]:
        """Yield the notices that are due, and the names of the channels that they go to.

        Of what is inhibited nothing is said but, where it was said before, its end.
        """
        for key, group in list(self.groups.items()):
            notice = group.due(at_s, inhibited)
            group.forget(at_s)
            if not group.members and not group.was_said(at_s):
                del self.groups[key]
            if notice is not None:
                yield notice, group.channels

    def to_json(self) -> list[dict[str, Any]]:
        """Return all groups as plain data."""
        return [
            {
                **{key: getattr(group, key) for key in _PLAIN},
                "members": [
                    {**dataclasses.asdict(member), "key": labels}
                    for labels, member in group.members.items()
                ],
            }
            for group in self.groups.values()
        ]

    def restore(self, found: Sequence[Mapping[str, Any]]) -> None:
        """Take back what ``to_json`` gave.

        Raises
        ------
        TypeError, ValueError, KeyError
            It is something else.
        """
        for each in found:
            group = Group(
                str(each["name"]),
                labels_from(each["labels"]),
                Severity(each["severity"]),
                float(each["cooldown_s"]),
                tuple(map(str, each["channels"])),
                {labels_from(member["key"]): _member(member) for member in each["members"]},
                None if each["last_s"] is None else float(each["last_s"]),
            )
            self.groups[group.name, group.labels] = group


_PLAIN = ("name", "labels", "severity", "cooldown_s", "channels", "last_s")


def labels_from(found: Sequence[Sequence[str]]) -> Labels:
    """Return labels from plain data."""
    return tuple((str(key), str(value)) for key, value in found)


def _member(found: Mapping[str, Any]) -> Member:
    said_s = found["said_s"]
    return Member(
        item_from_json(found["item"]),
        None if said_s is None else float(said_s),
        bool(found["end_said"]),
    )

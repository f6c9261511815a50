"""Which alerts are pending and which fire: as Prometheus keeps them between two evaluations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from tidegauge_alerting.definitions import AlertDefinition
from tidegauge_alerting.watch.vector import Labels, Vector

#: An alert's name and what it carries.
Key: TypeAlias = tuple[str, Labels]


@dataclass(slots=True)
class Active:
    """One alert that holds: since when, since when it fires, and the last value.

    ``restored`` is one that an earlier process left: it does not end before there is a history
    that could tell.
    """

    name: str
    labels: Labels
    since_s: float
    value: float
    fires_s: float | None = None
    restored: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """An alert that began to fire, or ended."""

    alert: Active
    fires: bool
    at_s: float


class Alerts:
    """All alerts that are pending or fire."""

    def __init__(self) -> None:
        self.active: dict[Key, Active] = {}

    def firing(self, name: str | None = None) -> list[Active]:
        """Return the alerts that fire (of one name)."""
        return [
            each
            for each in self.active.values()
            if each.fires_s is not None and name in (None, each.name)
        ]

    def step(
        self, definition: AlertDefinition, holds: Vector, at_s: float, *, covered: bool = True
    ) -> Iterator[Change]:
        """Take in what an alert holds for at a time, and yield what changes.

        ``covered`` says whether the history is as long as the alert's window.
        """
        name = definition.name
        for labels, value in holds.items():
            found = self.active.setdefault((name, labels), Active(name, labels, at_s, value))
            found.value, found.restored = value, False
            if found.fires_s is None and at_s - found.since_s >= definition.for_s:
                found.fires_s = at_s
                yield Change(found, fires=True, at_s=at_s)
        gone = [
            each
            for each in self.active.values()
            if each.name == name
            and each.labels not in holds
            and not (each.restored and each.fires_s is not None and not covered)
        ]
        for each in gone:
            del self.active[name, each.labels]
            if each.fires_s is not None:
                yield Change(each, fires=False, at_s=at_s)

    def leave_out(self, names: frozenset[str], at_s: float) -> Iterator[Change]:
        """End the alerts whose definition is not among those that are judged."""
        for key in [key for key in self.active if key[0] not in names]:
            each = self.active.pop(key)
            if each.fires_s is not None:
                yield Change(each, fires=False, at_s=at_s)

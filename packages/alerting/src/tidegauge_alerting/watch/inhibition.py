"""Which alerts say nothing new while others fire: Alertmanager's inhibition, by the same rules."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from tidegauge_alerting.alertmanager import inhibitions
from tidegauge_alerting.definitions import AlertDefinition
from tidegauge_alerting.watch.alerts import Active, Key
from tidegauge_alerting.watch.vector import keep


class Inhibition:
    """The rules of some definitions."""

    def __init__(self, definitions: Collection[AlertDefinition]) -> None:
        self._rules = tuple(inhibitions(tuple(definitions)))

    def inhibited(self, firing: Iterable[Active]) -> set[Key]:
        """Return those of the alerts that fire of which nothing is said because of others."""
        known = tuple(firing)
        found: set[Key] = set()
        for source, targets, equal in self._rules:
            about = {keep(each.labels, equal) for each in known if each.name == source}
            if about:
                found |= {
                    (each.name, each.labels)
                    for each in known
                    if each.name in targets and keep(each.labels, equal) in about
                }
        return found

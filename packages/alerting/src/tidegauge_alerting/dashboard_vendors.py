"""Whose dashboards can be written: found by the entry point group ``tidegauge_dashboard_vendor``.

The entry point's name is what the user types; what it names is called with the dashboards and the
alerts by name, and returns what is ``Drawn``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Protocol

from tidegauge_alerting.definitions import AlertDefinition
from tidegauge_alerting.panels import Dashboard

GROUP = "tidegauge_dashboard_vendor"


@dataclass(frozen=True, slots=True)
class Drawn:
    """The text of each file by its path; which panels a vendor cannot have, and why."""

    files: Mapping[str, str]
    left_out: Sequence[tuple[str, str]] = ()


class Draw(Protocol):
    """What an entry point names; the same files for the same dashboards and alerts."""

    def __call__(
        self, dashboards: Sequence[Dashboard], alerts: Mapping[str, AlertDefinition]
    ) -> Drawn:
        """Return the files."""
        ...


def names() -> tuple[str, ...]:
    """Return the vendors that there are, in order."""
    return tuple(sorted(point.name for point in entry_points(group=GROUP)))


def load(name: str) -> Draw:
    """Return what draws for a vendor.

    Raises
    ------
    ModuleNotFoundError
        It needs a library that is not installed.
    """
    (point,) = entry_points(group=GROUP, name=name)
    found: Draw = point.load()
    return found

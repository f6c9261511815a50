"""Whose rules can be written: vendors, found by the entry point group ``tidegauge_alert_vendor``.

The entry point's name is what the user types; what it names is a ``Vendor``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tidegauge_alerting.channels import Channel
    from tidegauge_alerting.definitions import AlertDefinition, Severity

GROUP = "tidegauge_alert_vendor"


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be written.

    ``made_by`` is the command line that writes the same again. Whom an alert tells are the channels
    that it names, or those that ``routes`` has for its severity.
    """

    definitions: Sequence[AlertDefinition]
    made_by: str
    runbook_url: str | None = None
    channels: Mapping[str, Channel] = field(default_factory=dict)
    routes: Mapping[Severity, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Written:
    """A vendor's text. ``number`` is how many alerts are in it, ``left_out`` which are not: why."""

    text: str
    number: int
    left_out: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True)
class Vendor:
    """One vendor.

    ``header`` begins every file that ``render`` makes, so that no other file is overwritten.
    ``steps`` says what to do with one, ``{file}`` being its path as a shell takes it.
    """

    header: str
    render: Callable[[Request], Written]
    steps: tuple[str, ...]


def names() -> tuple[str, ...]:
    """Return the vendors that there are, in order."""
    return tuple(sorted(point.name for point in entry_points(group=GROUP)))


def load(name: str) -> Vendor:
    """Return a vendor.

    Raises
    ------
    TypeError
        What its entry point names is none.
    """
    (point,) = entry_points(group=GROUP, name=name)
    found = point.load()
    if not isinstance(found, Vendor):
        raise TypeError(f"{point.value}: got a {type(found).__name__}; expected a Vendor.")
    return found

"""What both ways to Datadog have in common, and which of them this process uses.

The exporter chooses one and says so here; the event sink, which is built apart from it, asks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from tidegauge_exporter_datadog.points import Point, Tags


@dataclass(frozen=True, slots=True)
class DatadogEvent:
    """One event as Datadog shows it; those with one ``aggregation_key`` are one thread.

    ``alert_type`` is ``error``, ``warning``, ``info`` or ``success``; ``at_s`` is Unix seconds.
    """

    title: str
    text: str
    alert_type: str
    aggregation_key: str
    tags: Tags
    at_s: float


class Transport(Protocol):
    """A way to Datadog. Nothing here raises; ``send`` and ``send_event`` never wait."""

    def send(self, points: Sequence[Point]) -> None:
        """Send points, or keep them until they can be sent."""
        ...

    def send_event(self, event: DatadogEvent) -> None:
        """Send an event, or keep it until it can be sent."""
        ...

    def flush(self, timeout_s: float) -> bool:
        """Send what is kept, within a limit; say whether nothing waits any more."""
        ...

    def close(self, timeout_s: float) -> None:
        """Send what is kept, within a limit, and let go of sockets and threads."""
        ...


class InUse(NamedTuple):
    """The transport of the exporter that runs here, and the tags that all it sends has."""

    transport: Transport
    tags: Tags


_in_use: InUse | None = None


def use(transport: Transport, tags: Tags = ()) -> None:
    """Let events take this way too; the last exporter that says so is asked."""
    global _in_use  # noqa: PLW0603 - one a process
    _in_use = InUse(transport, tags)


def release(transport: Transport) -> None:
    """Let events go this way no longer."""
    global _in_use  # noqa: PLW0603 - one a process
    if _in_use is not None and _in_use.transport is transport:
        _in_use = None


def in_use() -> InUse | None:
    """Return the way that events take; None where no exporter of Datadog runs."""
    return _in_use

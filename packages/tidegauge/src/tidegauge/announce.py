"""Hands events to the sinks that are installed."""

from __future__ import annotations

from tidegauge.events import Event, EventSink
from tidegauge.guard import guarded
from tidegauge.plugins import load_event_sinks

_sinks: list[EventSink] | None = None


def sinks() -> list[EventSink]:
    """Return the sinks, found by entry point at the first call."""
    global _sinks  # noqa: PLW0603 - one a process
    if _sinks is None:
        _sinks = load_event_sinks()
    return _sinks


def announce(event: Event) -> None:
    """Tell each sink; one that fails is counted, the others are told."""
    for sink in sinks():
        with guarded(f"event.{type(sink).__name__}"):
            sink.on_event(event)

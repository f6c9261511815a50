"""Plugins found by entry point. One that cannot be loaded is named once; the others work."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from tidegauge.batch import PredictionProcessor
from tidegauge.events import EventSink
from tidegauge.guard import once
from tidegauge.late_import import late_import

PROCESSORS = "tidegauge_processor"
EVENT_SINKS = "tidegauge_event_sink"


def load(group: str) -> Iterator[tuple[EntryPoint, Any]]:
    """Yield the plugins of a group with what they point to, in the order of their names."""
    for entry_point in sorted(entry_points(group=group), key=lambda found: found.name):
        try:
            with late_import():
                found = entry_point.load()
            yield entry_point, found
        except Exception as error:
            once(
                f"plugin.{group}.{entry_point.name}",
                "%s plugin %r (%s) could not be loaded: %s: %s. Repair or uninstall its package.",
                group,
                entry_point.name,
                entry_point.value,
                type(error).__name__,
                error,
                level=logging.ERROR,
            )


def load_processors() -> list[PredictionProcessor]:
    """Build one processor of each kind that is installed."""
    return list(
        _build(PROCESSORS, "Processor %r could not be built: %s: %s. Its metrics are missing.")
    )


def load_event_sinks() -> list[EventSink]:
    """Build one sink of each kind that is installed."""
    return list(_build(EVENT_SINKS, "Event sink %r could not be built: %s: %s. It gets no events."))


def _build(group: str, failure: str) -> Iterator[Any]:
    for entry_point, factory in load(group):
        try:
            yield factory()
        except Exception as error:
            once(
                f"plugin.{group}.{entry_point.name}",
                failure,
                entry_point.name,
                type(error).__name__,
                error,
                level=logging.ERROR,
            )

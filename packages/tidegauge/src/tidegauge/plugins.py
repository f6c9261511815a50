"""Plugins found by entry point. One that cannot be loaded is named once; the others work."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any

from tidegauge.batch import PredictionProcessor
from tidegauge.events import EventSink
from tidegauge.guard import once
from tidegauge.late_import import late_import
from tidegauge.misconfiguration import note
from tidegauge.reference_reader import ReferenceReader

if TYPE_CHECKING:
    from tidegauge.sources import MetricSource

PROCESSORS = "tidegauge_processor"
EVENT_SINKS = "tidegauge_event_sink"
REFERENCE_READERS = "tidegauge_reference_reader"
SOURCES = "tidegauge_metric_source"


def load(group: str) -> Iterator[tuple[EntryPoint, Any]]:
    """Yield the plugins of a group with what they point to, in the order of their names."""
    for entry_point in sorted(entry_points(group=group), key=lambda found: found.name):
        try:
            with late_import():
                found = entry_point.load()
            yield entry_point, found
        except Exception as error:
            _say(
                group,
                entry_point,
                f"{group} plugin {entry_point.name!r} ({entry_point.value}) could not be loaded: "
                f"{type(error).__name__}: {error}. Repair or uninstall its package.",
            )


def load_processors() -> list[PredictionProcessor]:
    """Build one processor of each kind that is installed."""
    return list(_build(PROCESSORS, "Processor", "Its metrics are missing."))


def load_event_sinks() -> list[EventSink]:
    """Build one sink of each kind that is installed."""
    return list(_build(EVENT_SINKS, "Event sink", "It gets no events."))


def load_sources() -> list[MetricSource]:
    """Build one source of each kind that is installed."""
    return list(_build(SOURCES, "Metric source", "Its metrics are missing."))


def load_reference_readers() -> list[ReferenceReader]:
    """Build one reader of each kind that is installed."""
    return list(_build(REFERENCE_READERS, "Reference reader", "Its files cannot be read."))


def _build(group: str, kind: str, consequence: str) -> Iterator[Any]:
    for entry_point, factory in load(group):
        try:
            yield factory()
        except Exception as error:
            _say(
                group,
                entry_point,
                f"{kind} {entry_point.name!r} could not be built: {type(error).__name__}: {error}. "
                f"{consequence}",
            )


def _say(group: str, entry_point: EntryPoint, message: str) -> None:
    once(f"plugin.{group}.{entry_point.name}", "%s", message, level=logging.ERROR)
    note(entry_point.name, message)

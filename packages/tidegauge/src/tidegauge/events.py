"""What has changed, as values, and who is told: sinks, found by ``tidegauge_event_sink``.

An event is sent once or not at all, by the process that leads, never while a lock of ours is held
and never because somebody collects metrics.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from tidegauge.batch import ModelKey


class Event:
    """What every event is; a sink leaves alone the kinds that it does not know."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class StateChange(Event):
    """The verdict on a feature, an output or, with ``feature`` empty, a whole family has changed.

    ``state`` is the new one: ``drifted``, ``ok``, ``reference_mismatch``, or ``unknown`` where
    windows start anew and the alarm was on. ``value`` and ``threshold`` are of the ``statistic``
    that explains it; None where there is none. ``at_s`` is when the window closed (Unix seconds).
    ``muted_until_s`` is None unless somebody has muted it; then ``muted_because`` says why.
    """

    model: ModelKey
    reference: str
    family: str
    feature: str
    window: str
    state: str
    at_s: float
    statistic: str = ""
    value: float | None = None
    threshold: float | None = None
    muted_until_s: float | None = None
    muted_because: str = ""


@dataclass(frozen=True, slots=True)
class SchemaChange(Event):
    """The columns that a model gets have begun to differ from its reference's, or do no longer.

    ``kind`` is ``missing_columns``, ``extra_columns``, or ``other_inputs`` and ``other_outputs``
    where nothing of that side can be compared; ``texts`` are the columns, at most ten, or why.
    ``state`` is ``changed``, ``ok``, or ``unknown`` where the reference was replaced meanwhile.
    ``at_s`` is the end of the pane that showed it (Unix seconds).
    """

    model: ModelKey
    reference: str
    kind: str
    texts: tuple[str, ...]
    state: str
    at_s: float


@dataclass(frozen=True, slots=True)
class ConfigurationError(Event):
    """Something is set up wrongly, and what depends on it is off or works with its default.

    ``subject`` is the setting, the file or the plugin; ``message`` is the line of the log: what was
    got, from where, what is expected, what to do. ``at_s`` is when it was found (Unix seconds).
    One launch sends each message once.
    """

    subject: str
    message: str
    at_s: float


class EventSink(Protocol):
    """Gets events. Built with no arguments; the constructor never raises.

    Found by the entry point group ``tidegauge_event_sink``.
    """

    def on_event(self, event: Event) -> None:
        """Take one event; may be slow, on a background thread. An exception is counted."""
        ...

"""Hands events to the sinks that are installed: of a launch, by the process that leads."""

from __future__ import annotations

import json
from hashlib import blake2b

from tidegauge import group as groups
from tidegauge import misconfiguration
from tidegauge.events import Event, EventSink
from tidegauge.group import Group
from tidegauge.guard import guarded
from tidegauge.plugins import load_event_sinks

# What the group keeps of the messages that were sent.
_SENT = "configuration"

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


def announce_misconfigurations() -> None:
    """Send what is set up wrongly, unless a process of this launch has; on the background thread.

    Who does not lead keeps it: all processes have the same settings, and it may lead one day.
    """
    waiting, group = misconfiguration.waiting, groups.current()
    if not waiting or (group.member and not group.leads):
        return
    sinks()  # where they cannot be found now, what waits is told the next time
    sent = _sent(group)
    news = [event for event in waiting if _digest(event.message) not in sent]
    if group.member and news:
        sent += [_digest(event.message) for event in news]
        if not group.keep(_SENT, json.dumps(sent).encode()):
            return  # later: what is not kept could be sent twice
    waiting.clear()
    for event in news:
        announce(event)


def _sent(group: Group) -> list[str]:
    # Who is no member has the same settings as they: the launcher, which ends after all of them.
    content = group.surely_kept(_SENT) if group.active else None
    try:
        return [str(each) for each in json.loads(content or b"[]")]
    except (ValueError, TypeError):
        return []  # another release wrote it


def _digest(message: str) -> str:
    return blake2b(message.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()

"""The event sink: drift and configuration trouble as events in Datadog, as many as one can read.

An alarm whose beginning was sent has an end there too; one that was left out has none.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Hashable

from tidegauge.events import Event

from tidegauge_exporter_datadog import transport
from tidegauge_exporter_datadog.incidents import Incident, incident, with_note

_logger = logging.getLogger("tidegauge")

# Datadog takes 1000 a day of one thread: 30 at once and 9 an hour are 246 of features, and as many
# of families, each with its end.
_AT_ONCE = 30
_EVERY_S = 400.0
# Alarms that were left out and have not ended.
_REMEMBERED = 10_000


class _Allowance:
    """So many at once, and one more each so many seconds."""

    def __init__(self, now_s: float) -> None:
        self._left = float(_AT_ONCE)
        self._at_s = now_s

    def take(self, now_s: float) -> bool:
        """Take one; False where there is none."""
        self._left = min(_AT_ONCE, self._left + (now_s - self._at_s) / _EVERY_S)
        self._at_s = now_s
        if self._left < 1:
            return False
        self._left -= 1
        return True


class DatadogEvents:
    """Sends events the way that the exporter sends metrics; without an exporter, nowhere.

    Parameters
    ----------
    clock : callable
        Seconds that never run backwards.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # What there is much of must leave room for what there is little of.
        self._allowances = {detail: _Allowance(clock()) for detail in (True, False)}
        self._silent: set[Hashable] = set()
        self._left_out = 0

    def on_event(self, event: Event) -> None:
        """Send it, unless there are too many."""
        way = transport.in_use()
        found = None if way is None else incident(event, way.tags)
        if way is None or found is None or not self._allowed(found):
            return
        sent = found.event
        if self._left_out:
            number, self._left_out = self._left_out, 0
            sent = with_note(sent, f"{number} events before this one were left out: too many.")
        way.transport.send_event(sent)

    def _allowed(self, found: Incident) -> bool:
        if found.ends:
            if found.alarm not in self._silent:
                return True
            self._silent.discard(found.alarm)  # nobody has heard of its beginning
            return False
        if self._allowances[found.detail].take(self._clock()):
            self._silent.discard(found.alarm)
            return True
        if not self._left_out:
            _logger.info(
                "Datadog: more than %d events at once; one in %d s goes there now. The next says "
                "how many were left out; metrics and `tidegauge explain` have all of them.",
                _AT_ONCE,
                _EVERY_S,
            )
        self._left_out += 1
        if found.alarm is not None and len(self._silent) < _REMEMBERED:
            self._silent.add(found.alarm)
        return False

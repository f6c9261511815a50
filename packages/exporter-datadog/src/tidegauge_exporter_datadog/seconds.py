"""The second that each collection has: no other has it, in any process of a launch.

Of two values of a series at one second Datadog keeps the later, and of a count the other would be
lost. So a second is taken once; who leads next reads which one was the last.
"""

from __future__ import annotations

from collections.abc import Iterable

from tidegauge import group

from tidegauge_exporter_datadog.points import Count, Point

_RECORD = "datadog.second"
# Who flushes again and again must not get so far ahead that Datadog takes nothing: 600 s.
_AHEAD_S = 5
# Nobody is as far ahead: the clock was set back, and nothing waits until it is there again.
_SET_BACK_S = 60


class Seconds:
    """Gives out seconds. Not for several threads: the caller has a lock."""

    def __init__(self) -> None:
        self._last = 0
        # For what waits for another second.
        self._reserved = 0

    def take(self, points: Iterable[Point], at_s: float = 0.0, *, now: bool) -> int | None:
        """Return a second for what was collected; None where its own is taken.

        Parameters
        ----------
        points : iterable of Point
            Of one collection. Counts say when the one before ended, whichever process made it.
        at_s : float
            Unix seconds by now, where they have waited for another second.
        now : bool
            Whether one that is a few seconds ahead will do.
        """
        second = max(of(points), int(at_s))
        last = max(self._last, _read(group.current().kept(_RECORD)))
        if second > last or last - second >= _SET_BACK_S:
            return self._use(second)
        if not self._reserved:
            # At once: when these are sent, another process may lead already.
            self._reserved = last + 1
            _keep(self._reserved)
        if second >= self._reserved or (now and self._reserved - second <= _AHEAD_S):
            return self._use(self._reserved)
        return None

    def _use(self, second: int) -> int:
        self._last, self._reserved = second, 0
        _keep(second)
        return second


def of(points: Iterable[Point]) -> int:
    """Return the second in which a collection was made, or the one after that of the one before."""
    second = 0
    for point in points:
        second = max(second, int(point.at_s))
        if isinstance(point, Count):
            second = max(second, int(point.at_s - point.interval_s) + 1)
    return second


def _keep(second: int) -> None:
    group.current().keep(_RECORD, str(second).encode())  # none but the leader can


def _read(record: bytes | None) -> int:
    try:
        return int(record or b"0")
    except ValueError:
        return 0  # another release wrote it

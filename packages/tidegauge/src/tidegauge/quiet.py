"""How often something is said: once a minute at most."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

#: No two lines about one way to a backend are closer to each other.
QUIET_S = 60.0


class Quiet:
    """Says when a line may follow the one before. Not for several threads.

    Parameters
    ----------
    clock : callable
        Seconds that never run backwards.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._until_s = -QUIET_S

    def ends(self) -> bool:
        """Say whether something may be said now; then nothing may for a minute."""
        now_s = self._clock()
        if now_s < self._until_s:
            return False
        self._until_s = now_s + QUIET_S
        return True


class Unsaid:
    """Losses by their reasons, until a line has told of them. For several threads.

    What comes within a minute of the last line is kept for the next one, whatever that is about.

    Parameters
    ----------
    clock : callable
        Seconds that never run backwards.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._lock = threading.Lock()
        self._quiet = Quiet(clock)
        self._lost: dict[str, int] = {}

    def add(self, number: int, reason: str) -> None:
        """Note a loss."""
        with self._lock:
            self._lost[reason] = self._lost.get(reason, 0) + number

    def take(self, *, now: bool = False) -> Mapping[str, int] | None:
        """Return the losses that the caller's line tells of; None if it is too early for a line.

        Parameters
        ----------
        now : bool, optional
            No later line will tell of them: the process ends.
        """
        with self._lock:
            if not (self._quiet.ends() or now):
                return None
            lost, self._lost = self._lost, {}
            return lost

    def take_left(self, *, now: bool = False) -> Mapping[str, int]:
        """Return what a line about losses alone tells of; a minute begins only if there are any."""
        with self._lock:
            there = bool(self._lost)
        return (self.take(now=now) or {}) if there else {}

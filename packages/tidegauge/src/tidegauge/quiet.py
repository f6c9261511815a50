"""How often something is said: once a minute at most."""

from __future__ import annotations

from collections.abc import Callable

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

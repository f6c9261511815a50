"""What is lost, and what has to wait: counted each time, said once a minute at most."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping

from tidegauge import unsent
from tidegauge.quiet import Unsaid

_logger = logging.getLogger("tidegauge")

#: Causes of ``tidegauge.export.failures``, and what the log says of them.
WHY = {
    "full": "profiles are lost: more wait than TIDEGAUGE_WHYLABS_SPOOL_BYTES allows, so the oldest "
    "went. Look at where they are sent to",
    "behind": "rows are not profiled: more wait than TIDEGAUGE_WHYLABS_QUEUE_BYTES allows, so the "
    "oldest went. Lower TIDEGAUGE_WHYLABS_MAX_ROWS_PER_S",
    "ended": "rows are not profiled: the process has ended before. Raise "
    "TIDEGAUGE_WHYLABS_LOAD_TIMEOUT_S, the time for whylogs' import, or "
    "TIDEGAUGE_SHUTDOWN_TIMEOUT_S, the time for all else",
    "disk": "profiles are lost: they can't be written, and there is no more memory for them. Look "
    "at TIDEGAUGE_WHYLABS_DIR",
}


class Losses:
    """The log of one process' profiles.

    Parameters
    ----------
    clock : callable
        Seconds that never run backwards.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._unsaid = Unsaid(clock)

    def lost(self, number: int, reason: str) -> None:
        """Count profiles or rows that are gone for good."""
        if number:
            unsent.count(f"whylabs.{reason}", number)
            self._unsaid.add(number, reason)
            self.catch_up()

    def catch_up(self, *, now: bool = False) -> None:
        """Tell of the losses that no line has told of; ``now``: the process ends."""
        lost = self._unsaid.take_left(now=now)
        if lost:
            _logger.warning("WhyLabs profiles: %s", _told(lost))

    def waits(self, where: str, got: str, wait_s: float) -> None:
        """Say that what could not be written or sent is kept and tried again, and what was lost."""
        lost = self._unsaid.take()
        if lost is None:
            return
        _logger.warning(
            "WhyLabs profiles: got %s from %s; expected it to take a profile. It is kept and tried "
            "again in %.1f s; the app is not affected.%s",
            got,
            where,
            wait_s,
            f" {_told(lost)}" if lost else "",
        )


def _told(lost: Mapping[str, int]) -> str:
    each = ". ".join(f"{number} {WHY[reason]}" for reason, number in lost.items())
    return (
        f"{each}. The app is not affected; all are counted in tidegauge.export.failures, and this "
        "is said once a minute at most."
    )

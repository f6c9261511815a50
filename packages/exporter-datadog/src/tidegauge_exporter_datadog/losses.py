"""What did not reach Datadog: counted each time, said once a minute at most."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from tidegauge import unsent

_logger = logging.getLogger(__name__)

#: No two lines about one way to Datadog are closer to each other.
QUIET_S = 60.0


class Losses:
    """The losses on one way to Datadog.

    Parameters
    ----------
    subject : str
        The way, as messages name it; no secret.
    clock : callable
        Seconds that never run backwards.
    """

    def __init__(self, subject: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._subject = subject
        self._clock = clock
        self._lock = threading.Lock()
        self._quiet_until_s = -QUIET_S
        self._unsaid = 0

    def add(self, number: int, reason: str, what: str, advice: str) -> None:
        """Count a loss under ``datadog.<reason>``, and say so if nothing was said just now.

        Parameters
        ----------
        number : int
            Of packets or requests.
        reason : str
            One of a few: a cause of ``tidegauge.export.failures``.
        what : str
            ``got ...; expected ...``.
        advice : str
            What the reader of the log can do.
        """
        unsent.count(f"datadog.{reason}", number)
        now_s = self._clock()
        with self._lock:
            self._unsaid += number
            if now_s < self._quiet_until_s:
                return
            lost, self._unsaid = self._unsaid, 0
            self._quiet_until_s = now_s + QUIET_S
        _logger.warning(
            "%s: %s. Lost: %d since the last such line; the app is not affected. %s. All are "
            "counted in tidegauge.export.failures; this is said once a minute at most.",
            self._subject,
            what,
            lost,
            advice,
        )

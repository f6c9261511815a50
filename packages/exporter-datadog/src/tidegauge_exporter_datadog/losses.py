"""What did not reach Datadog: counted each time, said once a minute at most."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from tidegauge import unsent
from tidegauge.quiet import Quiet

_logger = logging.getLogger(__name__)


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
        self._lock = threading.Lock()
        self._quiet = Quiet(clock)
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
        with self._lock:
            self._unsaid += number
            if not self._quiet.ends():
                return
            lost, self._unsaid = self._unsaid, 0
        _logger.warning(
            "%s: %s. Lost: %d since the last such line; the app is not affected. %s. All are "
            "counted in tidegauge.export.failures; this is said once a minute at most.",
            self._subject,
            what,
            lost,
            advice,
        )

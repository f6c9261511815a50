"""Sends what waits in the spool: the oldest first, one process of a host at a time.

What is not taken stays and is tried again, each time later. What is refused does not keep the
others: it may be it alone; but if several are, the place is wrong, and they all wait.
"""

from __future__ import annotations

import logging
import math
import random
import time
from collections.abc import Callable

from tidegauge import answers
from tidegauge.answers import Outcome
from tidegauge.misconfiguration import misconfigured

from tidegauge_exporter_whylabs.losses import Losses
from tidegauge_exporter_whylabs.spool import Spool
from tidegauge_exporter_whylabs.writer import Writer, Written

_logger = logging.getLogger("tidegauge")
# So many in a row, and it is not the profiles.
_REFUSALS = 3


class Sender:
    """For one thread at a time.

    Parameters
    ----------
    spool, writer, losses
        Where profiles wait, where they go, and who says what goes wrong.
    first_wait_s : float
        The first wait of an outage.
    monotonic, jitter : callable
        Seconds that never run backwards; a number in [0, 1).
    """

    def __init__(
        self,
        spool: Spool,
        writer: Writer,
        losses: Losses,
        *,
        first_wait_s: float = answers.FIRST_S,
        monotonic: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._spool = spool
        self._writer = writer
        self._losses = losses
        self._first_wait_s = first_wait_s
        self._monotonic = monotonic
        self._jitter = jitter
        self._failures = 0
        self._not_before_s = -math.inf
        self._told = False

    def hurry(self) -> None:
        """Try at once what waits for its next try, unless the backend has told when."""
        if not self._told:
            self._failures, self._not_before_s = 0, -math.inf

    def due_s(self) -> float:
        """Return the seconds until something may be tried."""
        return max(0.0, self._not_before_s - self._monotonic())

    def send(self, until_s: float = math.inf) -> bool:
        """Send what waits, until all is sent, something fails or it is time; say if all is sent."""
        if self.due_s() > 0:
            return not any(True for _ in self._spool.waiting())
        if not self._spool.lead():
            return True  # another process sends
        self._spool.recover()
        refusals = 0
        failed: Written | None = None
        for stem in list(self._spool.waiting()):
            if self._monotonic() >= until_s:
                return False
            content = self._spool.content(stem)
            if content is None:
                continue
            written = self._writer.write(stem, content)
            if written.outcome is Outcome.DELIVERED:
                self._spool.sent(stem)
                continue
            failed = written
            if written.outcome is Outcome.LATER:
                break
            self._refused(written)
            refusals += 1
            if refusals >= _REFUSALS:
                break
        if failed is None:
            self._failures, self._told = 0, False
            self._losses.catch_up()
            return True
        self._wait(failed)
        return False

    def _wait(self, failed: Written) -> None:
        self._failures += 1
        wait_s = answers.backoff_s(self._failures, self._jitter(), self._first_wait_s)
        self._told = failed.wait_s is not None
        if failed.wait_s is not None:
            wait_s = failed.wait_s + self._jitter() * self._first_wait_s
        self._not_before_s = self._monotonic() + wait_s
        if failed.outcome is Outcome.LATER:
            self._losses.waits(self._writer.where, failed.got, wait_s)

    def _refused(self, written: Written) -> None:
        misconfigured(
            _logger,
            written.setting,
            f"{written.setting}: got {written.got} from {self._writer.where}; expected it to take "
            f"a profile. {written.advice} Profiles are kept within TIDEGAUGE_WHYLABS_SPOOL_BYTES "
            "and tried again; the app is not affected.",
        )

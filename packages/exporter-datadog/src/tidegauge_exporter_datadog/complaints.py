"""What is said of Datadog's HTTP API when it does not take what it is sent, and how often.

What does not end by itself is an ERROR, once; an outage is a WARNING a minute at most. All that is
given up is counted in ``tidegauge.export.failures``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from http import HTTPStatus

from tidegauge import unsent
from tidegauge.answers import unix_seconds
from tidegauge.http_exchange import Answer
from tidegauge.misconfiguration import misconfigured
from tidegauge.quiet import Quiet

_logger = logging.getLogger("tidegauge")

# Datadog takes points of ten minutes ahead; half of it says that a clock is wrong.
_SKEW_S = 300.0

_WHY = {
    "full": "more waits than TIDEGAUGE_DATADOG_QUEUE_BYTES allows, so the oldest went",
    "expired": "it has waited for an hour, and Datadog takes nothing older",
    "too_large": "a single value is more than Datadog takes in a request",
    "closed": "the process has ended before Datadog took it",
    "fault": "Tidegauge met a fault",
}
_KEY = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


class Complaints:
    """The log of one intake.

    Parameters
    ----------
    url : str
        Of the intake, without anything secret.
    monotonic : callable
        Seconds that never run backwards.
    """

    def __init__(self, url: str, monotonic: Callable[[], float]) -> None:
        self._url = url
        self._quiet = Quiet(monotonic)
        self._known: set[object] = set()
        self._lost = 0

    def outage(self, got: str, wait_s: float) -> None:
        """Say that a request will be tried again."""
        self._warn(
            "Datadog %s: got %s; expected an answer that takes what was sent. It is kept and tried "
            "again in %.1f s; the app is not affected.",
            self._url,
            got,
            wait_s,
        )

    def lost(self, number: int, reason: str) -> None:
        """Count requests that are given up, and say why."""
        unsent.count(f"datadog.{reason}", number)
        if reason in _WHY:
            self._lost += number
            self._warn(
                "Datadog %s: %d requests are lost: %s. The app is not affected; further ones are "
                "counted in tidegauge.export.failures.",
                self._url,
                self._lost,
                _WHY[reason],
            )

    def refused(self, answer: Answer) -> None:
        """Say, once a status, what was refused and what to look at."""
        if not self._first(answer.status):
            return
        got = f"HTTP {answer.status} {answer.reason}" + (f" ({answer.said})" if answer.said else "")
        lost = (
            "What is sent is lost, the app is not affected; further ones are counted in "
            "tidegauge.export.failures."
        )
        if answer.status in _KEY:
            misconfigured(
                _logger,
                "DD_API_KEY",
                f"DD_API_KEY: got {got} from {self._url}; expected a key of an organisation at "
                f"DD_SITE. {lost} Set both as Datadog shows them under Organization Settings.",
            )
            return
        _logger.error(
            "Datadog %s: got %s; expected HTTP 202. %s Look at DD_SITE and TIDEGAUGE_DATADOG_URL.",
            self._url,
            got,
            lost,
        )

    def clock(self, date: str, now_s: float) -> None:
        """Say once that this host's clock and Datadog's differ, given the date of an answer."""
        at_s = unix_seconds(date)
        if at_s is None or abs(now_s - at_s) <= _SKEW_S or not self._first("clock"):
            return
        _logger.warning(
            "Clock of this host: got a time %.0f s %s Datadog's (%s); expected the same. Datadog "
            "drops what is more than 600 s ahead or 3600 s behind. Synchronise the host's clock.",
            abs(now_s - at_s),
            "ahead of" if now_s > at_s else "behind",
            self._url,
        )

    def _first(self, what: object) -> bool:
        if what in self._known:
            return False
        self._known.add(what)
        return True

    def _warn(self, message: str, *values: object) -> None:
        if self._quiet.ends():
            self._lost = 0
            _logger.warning(message, *values)

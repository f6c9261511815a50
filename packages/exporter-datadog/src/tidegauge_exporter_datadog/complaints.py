"""What is said of Datadog's HTTP API when it does not take what it is sent, and how often.

What does not end by itself is an ERROR, once; outages and losses are a WARNING a minute at most,
and each loss is told of by one of them. All that is given up is counted in
``tidegauge.export.failures``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from http import HTTPStatus

from tidegauge import unsent
from tidegauge.answers import unix_seconds
from tidegauge.http_exchange import Answer
from tidegauge.misconfiguration import misconfigured
from tidegauge.quiet import Unsaid

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
        self._unsaid = Unsaid(monotonic)
        self._known: set[object] = set()

    def outage(self, got: str, wait_s: float) -> None:
        """Say that a request will be tried again, and what was lost since the line before."""
        lost = self._unsaid.take()
        if lost is None:
            return
        _logger.warning(
            "Datadog %s: got %s; expected an answer that takes what was sent. It is kept and tried "
            "again in %.1f s; the app is not affected.%s",
            self._url,
            got,
            wait_s,
            f" {_told(lost)}" if lost else "",
        )

    def lost(self, number: int, reason: str) -> None:
        """Count requests that are given up, and say why."""
        unsent.count(f"datadog.{reason}", number)
        if reason in _WHY:
            self._unsaid.add(number, reason)
            self.catch_up()

    def catch_up(self, *, now: bool = False) -> None:
        """Tell of the losses that no line has told of; ``now``: the process ends."""
        lost = self._unsaid.take_left(now=now)
        if lost:
            _logger.warning("Datadog %s: %s The app is not affected.", self._url, _told(lost))

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


def _told(lost: Mapping[str, int]) -> str:
    each = "; ".join(f"{number} because {_WHY[reason]}" for reason, number in lost.items())
    return (
        f"Requests that are lost since the last such line: {each}. "
        "All are counted in tidegauge.export.failures."
    )

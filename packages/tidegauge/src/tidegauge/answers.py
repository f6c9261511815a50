"""What the answer of a backend's HTTP API means, and how long to wait: pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import Enum, auto
from http import HTTPStatus

#: The first wait of an outage, and the longest.
FIRST_S = 1.0
LONGEST_S = 60.0

# Longer than any limit of requests lasts; and Datadog takes no older points.
_LONGEST_TOLD_S = 3600.0
_AGAIN = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)


class Outcome(Enum):
    """What became of a request."""

    DELIVERED = auto()
    LATER = auto()
    TOO_LARGE = auto()
    REFUSED = auto()


def outcome(status: int) -> Outcome:
    """Return what a status means. Redirects are refusals: a key must not go where it is told to."""
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return Outcome.DELIVERED
    if status in _AGAIN or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Outcome.LATER
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return Outcome.TOO_LARGE
    return Outcome.REFUSED


def told_wait_s(headers: Mapping[str, str], now_s: float) -> float | None:
    """Return the seconds that an answer tells to wait, at most an hour; None where it doesn't.

    Parameters
    ----------
    headers : mapping
        Of the answer; names in any case, as ``http.client`` has them.
    now_s : float
        Unix seconds, by this host's clock.
    """
    for name in ("X-RateLimit-Reset", "Retry-After"):
        text = headers.get(name, "")
        try:
            wait_s = float(text)
        except ValueError:
            at_s = unix_seconds(text)
            # Of the clock that wrote it, where that is known.
            sent_s = unix_seconds(headers.get("Date", ""))
            wait_s = math.nan if at_s is None else at_s - (now_s if sent_s is None else sent_s)
        if wait_s >= 0:  # not a number isn't
            return min(wait_s, _LONGEST_TOLD_S)
    return None


def backoff_s(failures: int, jitter: float, first_s: float = FIRST_S) -> float:
    """Return how long to wait after so many failures in a row, with ``jitter`` in [0, 1).

    Twice as long each time; at least half of it, so that many hosts do not come back together.
    """
    return min(LONGEST_S, first_s * 2.0 ** min(failures - 1, 30)) * (0.5 + jitter / 2)


def unix_seconds(date: str) -> float | None:
    """Return the time that an HTTP header names; None where it names none."""
    try:
        found = parsedate_to_datetime(date)
    except (TypeError, ValueError, OverflowError):
        return None
    return found.replace(tzinfo=found.tzinfo or UTC).timestamp()

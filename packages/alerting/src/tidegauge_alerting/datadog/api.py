"""Datadog's HTTP API: a few calls.

By the standard library, as the exporters do. ``datadog-api-client`` has a model for everything that
the API takes, is 60 MB, and gives back models where what is compared is what was sent; the tests
hold its models against ours.
"""

from __future__ import annotations

import http.client
import json
import random
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from tidegauge.answers import Outcome, backoff_s, outcome, told_wait_s
from tidegauge.http_exchange import Answer, Exchange, on_one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tidegauge_alerting.datadog.settings import Access

MONITORS = "/api/v1/monitor"
DASHBOARDS = "/api/v1/dashboard"
METRICS = "/api/v2/metrics"

_TRIES = 4
# Nobody looks at a terminal for longer without a word.
_LONGEST_WAIT_S = 120.0
_SAID = 400  # characters of what Datadog says
# A page of monitors with long messages; a dashboard is far below it.
_MOST_BYTES = 64_000_000
_PAGE = 200
_STOP = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


class ApiError(Exception):
    """Datadog did not do what it was asked to; the message says what it said.

    ``status`` is that of its answer; 0 where there was none.
    """

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class RefusedError(ApiError):
    """The keys do not allow it, and would not allow anything else."""


class Api:
    """The API of one organisation.

    Parameters
    ----------
    access : Access
        Where it is, and the keys.
    sleep : callable, optional
        Waits for so many seconds.
    """

    def __init__(self, access: Access, sleep: Callable[[float], None] = time.sleep) -> None:
        self._access = access
        self._sleep = sleep
        self._exchange = Exchange(access.timeout_s, most_bytes=_MOST_BYTES)

    @property
    def url(self) -> str:
        """Where it is."""
        return self._access.url

    def monitors(self, tag: str) -> Iterator[dict[str, Any]]:
        """Yield all monitors with a tag, page by page; none is missed while others are made."""
        last = 0
        while True:
            asked = {"monitor_tags": tag, "id_offset": last, "page_size": _PAGE}
            page = self.call("GET", f"{MONITORS}?{urlencode(asked)}")
            if not isinstance(page, list) or not all(isinstance(each, dict) for each in page):
                raise ApiError(f"{self.url}: got no list of monitors. Look at the address.")
            fresh = [each for each in page if each["id"] > last]
            yield from fresh
            if not fresh:
                return
            last = max(each["id"] for each in fresh)

    def call(self, method: str, path: str, body: object = None, *, makes: bool = False) -> Any:
        """Ask for something, again where that does no harm, and return the answer.

        What ``makes`` something new is not asked for twice, but where it surely was not heard: with
        no answer it may have been made.

        Raises
        ------
        ApiError
            It was refused, or there was no answer.
        """
        for attempt in range(1, _TRIES + 1):
            try:
                answer = self._send(method, path, body)
            except (OSError, http.client.HTTPException) as error:
                reason = self._access.hide(str(getattr(error, "reason", error)))
                failed = ApiError(f"no answer ({reason})")
                wait_s = None
            else:
                if outcome(answer.status) is Outcome.DELIVERED:
                    return self._parsed(answer)
                failed = self._failure(answer)
                wait_s = told_wait_s(answer.headers, time.time())
                if outcome(answer.status) is not Outcome.LATER:
                    raise failed
            if makes and failed.status != HTTPStatus.TOO_MANY_REQUESTS:
                text = f"{failed}. It may have been made all the same: run this again"
                raise ApiError(text, failed.status)
            if attempt < _TRIES:
                again_s = backoff_s(attempt, random.random())
                self._sleep(min(again_s if wait_s is None else wait_s, _LONGEST_WAIT_S))
        raise ApiError(f"{failed}, {_TRIES} times", failed.status)

    def _failure(self, answer: Answer) -> ApiError:
        said = f"{answer.status}: {self._said(answer)}"
        if answer.status not in _STOP:
            return ApiError(said, answer.status)
        return RefusedError(
            f"{self.url}: got {said}; expected keys that may do this. Look at DD_API_KEY, "
            "DD_APP_KEY and DD_SITE, and at what the application key is allowed to.",
            answer.status,
        )

    def _send(self, method: str, path: str, body: object) -> Answer:
        data = b"" if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", **self._access.headers}
        return self._exchange.send(method, self.url + path, data, headers)

    def _parsed(self, answer: Answer) -> Any:
        if not answer.body:
            return None
        try:
            return json.loads(answer.body)
        except ValueError:
            raise ApiError(f"{self.url}: got {self._said(answer)!r}; expected JSON.") from None

    def _said(self, answer: Answer) -> str:
        text = answer.body
        try:
            errors = json.loads(text)["errors"]
            text = "; ".join(map(str, errors)) if isinstance(errors, list) else str(errors)
        except (ValueError, KeyError, TypeError):
            pass
        return self._access.hide(on_one_line(text))[:_SAID] or "nothing"

"""Asks a Prometheus, or what answers like one, over HTTP; reads only."""

from __future__ import annotations

import base64
import http.client
import json
import math
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_TIMEOUT_S = 30.0
# A picture has a few thousand numbers; what is larger than this is no answer to a panel.
_MOST_BYTES = 64 * 1024 * 1024
_UNAUTHORIZED = (401, 403)
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class ServerError(Exception):
    """The server did not answer, or not with data; the message says which and what it said."""


class RefusedError(ServerError):
    """The server answers, and refuses this expression."""


@dataclass(frozen=True, slots=True)
class Series:
    """Labels, and values with their times in seconds; NaN is no value."""

    labels: Mapping[str, str]
    points: Sequence[tuple[float, float]]

    @property
    def last(self) -> float:
        """The newest value."""
        return self.points[-1][1]


class PrometheusApi:
    """One server; nothing is kept between two questions.

    ``url`` is where its own pages are, such as ``http://localhost:9090`` or one with a path.
    ``credentials`` are ``user:password`` or a bearer token; they follow no redirect.
    """

    def __init__(self, url: str, *, timeout_s: float = _TIMEOUT_S, credentials: str = "") -> None:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
            raise ServerError(
                f"Prometheus: got {url!r}; expected an http or https address. "
                "For example: http://localhost:9090."
            )
        self.url = url.rstrip("/")
        self._timeout_s = timeout_s
        # A proxy of the environment is for other hosts.
        handlers: list[Any] = []
        if parts.hostname in _LOOPBACK:
            handlers.append(urllib.request.ProxyHandler({}))
        if credentials:
            handlers.append(_NoRedirects)
        self._opener = urllib.request.build_opener(*handlers)
        self._headers = _authorization(credentials)

    def instant(self, expression: str, at_s: float | None = None) -> list[Series]:
        """Return the series that an expression has at one moment."""
        asked = {"query": expression}
        if at_s is not None:
            asked["time"] = f"{at_s:.3f}"
        data = self._ask("query", asked)
        if data["resultType"] == "scalar":
            return [Series({}, _points([data["result"]]))]
        found = [Series(row["metric"], _points([row["value"]])) for row in data["result"]]
        return [series for series in found if series.points]

    def over(self, expression: str, start_s: float, end_s: float, step_s: float) -> list[Series]:
        """Return the series that an expression has over a time."""
        asked = {
            "query": expression,
            "start": f"{start_s:.3f}",
            "end": f"{end_s:.3f}",
            "step": f"{step_s:.3f}",
        }
        data = self._ask("query_range", asked)
        found = [Series(row["metric"], _points(row["values"])) for row in data["result"]]
        return [series for series in found if series.points]

    def alert_rules(self) -> list[dict[str, Any]]:
        """Return the alerting rules with the alerts that are active, as the server tells them."""
        groups = self._ask("rules", {"type": "alert"}, post=False)["groups"]
        return [rule for group in groups for rule in group["rules"] if rule["type"] == "alerting"]

    def _ask(self, path: str, asked: Mapping[str, str], *, post: bool = True) -> Any:
        text = urllib.parse.urlencode(asked)
        url = f"{self.url}/api/v1/{path}"
        request = urllib.request.Request(  # noqa: S310 - http or https, see above
            url if post else f"{url}?{text}", text.encode() if post else None, self._headers
        )
        try:
            with self._opener.open(request, timeout=self._timeout_s) as answer:
                body = answer.read(_MOST_BYTES + 1)
        except urllib.error.HTTPError as error:
            with error:
                told = _told(error)
            if error.code in _UNAUTHORIZED:
                raise ServerError(
                    f"Prometheus at {self.url}: got HTTP {error.code}; expected leave to ask it. "
                    "Pass other credentials, as user:password or as a token."
                ) from error
            if told:
                raise RefusedError(f"{self.url} refuses it: {told}") from error
            raise ServerError(
                f"Prometheus at {self.url}: got HTTP {error.code}; expected an answer of its API. "
                "Correct the address."
            ) from error
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            raise ServerError(
                f"Prometheus at {self.url}: got no answer ({reason}); expected one within "
                f"{self._timeout_s:g} s. Look whether it runs, and correct the address."
            ) from error
        try:
            return _data(body)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise ServerError(
                f"Prometheus at {self.url}: got an answer that is none of its API ({error}); "
                "expected JSON with data. Correct the address."
            ) from error


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Follows none: credentials are for the address that they were given with."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Leave the answer as it is."""


def _authorization(credentials: str) -> dict[str, str]:
    if not credentials:
        return {}
    if ":" in credentials:  # no bearer token has one
        encoded = base64.b64encode(credentials.encode()).decode()
        return {"Authorization": f"Basic {encoded}"}
    return {"Authorization": f"Bearer {credentials}"}


def _data(body: bytes) -> Any:
    if len(body) > _MOST_BYTES:
        raise ValueError(f"more than {_MOST_BYTES} bytes")
    answered = json.loads(body)
    if answered["status"] != "success":
        raise ValueError(answered["status"])
    return answered["data"]


def _told(error: urllib.error.HTTPError) -> str:
    try:
        told = json.loads(error.read(_MOST_BYTES))
        return f"{told['errorType']}: {told['error']}"
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError, RecursionError):
        return ""


def _points(rows: Sequence[Sequence[Any]]) -> list[tuple[float, float]]:
    found = [(float(at_s), float(value)) for at_s, value in rows]
    return [(at_s, value) for at_s, value in found if not math.isnan(value)]

"""One request to Datadog's HTTP API.

By the standard library. The ``datadog`` package's client has one key and one host for the whole
process, which may be the app's own; it hides errors, waits for 60 s, tries again on its own, does
not compress, and follows redirects with the key.
"""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tidegauge_exporter_datadog.payload import Parcel

_ANSWER = 200  # characters of what Datadog says
_USER_AGENT = "tidegauge"


@dataclass(frozen=True, slots=True)
class Destination:
    """Where requests go, and the key that lets them in."""

    url: str
    api_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; ``said`` is the beginning of its text, without the key."""

    status: int
    reason: str
    headers: Mapping[str, str]
    said: str


class Poster:
    """Sends requests, through the proxies that the environment names.

    Parameters
    ----------
    destination : Destination
        Where to.
    timeout_s : float
        For each step: to connect, and for each piece of the answer.
    """

    def __init__(self, destination: Destination, timeout_s: float) -> None:
        self._destination = destination
        self._timeout_s = timeout_s
        # An app that debugs http.client would print the key.
        self._opener = urllib.request.build_opener(
            urllib.request.HTTPHandler(debuglevel=0),
            urllib.request.HTTPSHandler(debuglevel=0),
            _NoRedirects,
        )

    def post(self, parcel: Parcel) -> Answer:
        """Send one request and return its answer, whatever its status.

        Raises
        ------
        OSError
            There is no answer.
        """
        headers = {
            "Content-Type": "application/json",
            "User-Agent": _USER_AGENT,
            "DD-API-KEY": self._destination.api_key,
        }
        if parcel.compressed:
            headers["Content-Encoding"] = "deflate"
        request = urllib.request.Request(  # noqa: S310 - the settings take http and https alone
            self._destination.url + parcel.path, parcel.body, headers, method="POST"
        )
        try:
            with self._opener.open(request, timeout=self._timeout_s) as found:
                return self._answer(found)
        except urllib.error.HTTPError as error:
            with error:
                return self._answer(error)

    def _answer(self, found: Any) -> Answer:
        text = found.read(_ANSWER * 4).decode(errors="replace")
        # A proxy may send back what it was sent.
        said = text.replace(self._destination.api_key, "(hidden)").strip()[:_ANSWER]
        return Answer(int(found.status), str(found.reason), found.headers, said)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Lets a redirect be an answer: the key goes to nobody else."""

    def redirect_request(self, *arguments: Any) -> None:  # noqa: ARG002 - the signature
        return None

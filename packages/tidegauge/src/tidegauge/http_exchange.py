"""One HTTP request and its answer, for whoever exports: by the standard library.

Through the proxies that the environment names, with a limit of time, without following redirects,
which would take a key along, and without printing keys where the app debugs ``http.client``.
"""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tidegauge.settings import HIDDEN

_USER_AGENT = "tidegauge"
_SAID = 200  # characters


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; ``body`` is the beginning of it. The secret is not in it or in ``reason``."""

    status: int
    reason: str
    headers: Mapping[str, str]
    body: str

    @property
    def said(self) -> str:
        """The beginning of its text, for a message."""
        return on_one_line(self.body)[:_SAID]


def on_one_line(text: str) -> str:
    """Return what a server says as the log may have it: it is no line of its own there."""
    return "".join(each if each.isprintable() else " " for each in text).strip()


class Exchange:
    """Sends requests to http and https addresses.

    Parameters
    ----------
    timeout_s : float
        For each step: to connect, and for each piece of the answer.
    secret : str
        What must not be in an answer's text or reason: a proxy may send back what it was sent.
    most_bytes : int
        Of an answer that are read.
    """

    def __init__(self, timeout_s: float, secret: str = "", most_bytes: int = 800) -> None:
        self._timeout_s = timeout_s
        self._secret = secret
        self._most_bytes = most_bytes
        # An app that debugs http.client would print the key.
        self._opener = urllib.request.build_opener(
            urllib.request.HTTPHandler(debuglevel=0),
            urllib.request.HTTPSHandler(debuglevel=0),
            _NoRedirects,
        )

    def send(self, method: str, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send one request and return its answer, whatever its status.

        Raises
        ------
        OSError, http.client.HTTPException
            There is no answer.
        """
        request = urllib.request.Request(  # noqa: S310 - who calls takes http and https alone
            url, body, {"User-Agent": _USER_AGENT, **headers}, method=method
        )
        try:
            with self._opener.open(request, timeout=self._timeout_s) as found:
                return self._answer(found)
        except urllib.error.HTTPError as error:
            with error:
                return self._answer(error)

    def _answer(self, found: Any) -> Answer:
        text = found.read(self._most_bytes).decode(errors="replace")
        reason = on_one_line(str(found.reason))
        return Answer(int(found.status), self._hide(reason), found.headers, self._hide(text))

    def _hide(self, text: str) -> str:
        return text.replace(self._secret, HIDDEN) if self._secret else text


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Lets a redirect be an answer: the key goes to nobody else."""

    def redirect_request(self, *arguments: Any) -> None:  # noqa: ARG002 - the signature
        return None

"""GET on loopback: no proxy of the environment gets in between."""

from __future__ import annotations

import urllib.request

_TIMEOUT_S = 5.0
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def get(url: str, timeout_s: float = _TIMEOUT_S) -> str:
    """Return the body of an answer.

    Raises
    ------
    OSError
        Nobody answers, or not with success.
    """
    with _opener.open(url, timeout=timeout_s) as answer:
        text: str = answer.read().decode()
        return text

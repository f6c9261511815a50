"""Small HTTP requests to loopback, with a time limit."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_TIMEOUT_S = 30.0

# Never through a proxy that the environment names.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def get_text(url: str, timeout_s: float = _TIMEOUT_S) -> str:
    """Return the body of an answer with a status below 400."""
    with _opener.open(url, timeout=timeout_s) as answer:
        body: bytes = answer.read()
    return body.decode("utf-8", errors="replace")


def get_json(url: str, parameters: Mapping[str, str] | None = None) -> Any:
    """Return the JSON that a GET answers with."""
    query = f"?{urllib.parse.urlencode(parameters)}" if parameters else ""
    return json.loads(get_text(url + query))


def answers(url: str) -> bool:
    """Whether a GET is answered with a status below 400."""
    try:
        get_text(url, timeout_s=1.0)
    except (OSError, urllib.error.URLError):
        return False
    return True


def answers_anything(url: str) -> bool:
    """Whether a GET is answered at all."""
    try:
        get_text(url, timeout_s=1.0)
    except urllib.error.HTTPError as error:
        error.close()
        return True
    except OSError:
        return False
    return True

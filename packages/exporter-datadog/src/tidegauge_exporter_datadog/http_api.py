"""Where Datadog's HTTP API is, as settings say it: pure. ValueError for what it can't be."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

DEFAULT_SITE = "datadoghq.com"

_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_SITE = re.compile(rf"{_LABEL}(\.{_LABEL})+")
# Of what one sees in a browser's address and in Datadog's own examples, what is no part of a site.
_NO_SITE = ("app.", "api.", "www.")
_KEY = re.compile(r"[\x21-\x7e]+")


def parse_site(text: str) -> str:
    """Return a site such as ``us5.datadoghq.com``."""
    found = text.strip().rstrip(".").lower()
    if not _SITE.fullmatch(found) or found.startswith(_NO_SITE):
        raise ValueError(text)
    return found


def parse_key(text: str) -> str:
    """Return a key that can stand in a header: what can't would be in an exception's text."""
    if not _KEY.fullmatch(text):
        raise ValueError
    return text


def parse_url(text: str) -> str:
    """Return ``http[s]://host[:port][/path]``, without a slash at the end."""
    parts = urlsplit(text)
    host = parts.hostname or ""
    host.encode("idna")  # what it can't write, no resolver could look up
    if (
        parts.scheme not in {"http", "https"}
        or not host
        or parts.username is not None
        or parts.query
        or parts.fragment
    ):
        raise ValueError
    parts.port  # noqa: B018 - raises ValueError for what is none
    return text.rstrip("/")


def url_of(site: str) -> str:
    """Return the URL of a site's API."""
    return f"https://api.{site}"

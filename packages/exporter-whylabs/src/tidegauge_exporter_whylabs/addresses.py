"""Where profiles can be sent to, as settings say it: pure. ValueError for what it can't be."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

# What Amazon allows in a bucket's name; other makers of S3 allow no more.
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_KEY = re.compile(r"[\x21-\x7e]{10}\.[\x21-\x7e]+")


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket, and what its objects' keys begin with: empty, or with a slash at the end."""

    name: str
    prefix: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``s3://bucket/prefix``."""
        parts = urlsplit(text)
        prefix = parts.path.strip("/")
        if parts.scheme != "s3" or not _BUCKET.fullmatch(parts.netloc) or parts.query:
            raise ValueError(text)
        return cls(parts.netloc, f"{prefix}/" if prefix else "")

    def __str__(self) -> str:
        return f"s3://{self.name}/{self.prefix}"


def parse_key(text: str) -> str:
    """Return a key as WhyLabs makes them: what can't stand in a header would be in an error."""
    if not _KEY.fullmatch(text):
        raise ValueError
    return text


def parse_url(text: str) -> str:
    """Return ``http[s]://host[:port][/path]``, without a slash at the end."""
    parts = urlsplit(text)
    if (
        parts.scheme not in {"http", "https"}
        or not parts.hostname
        or parts.username is not None
        or parts.query
        or parts.fragment
    ):
        raise ValueError(text)
    parts.port  # noqa: B018 - raises ValueError for what is none
    return text.rstrip("/")

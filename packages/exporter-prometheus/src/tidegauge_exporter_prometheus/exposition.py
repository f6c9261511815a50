"""Families to bytes in the format that the client asked for: pure.

The formats are prometheus_client's; no escaping scheme renames what is written.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from prometheus_client import Metric as Family
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import ALLOWUTF8
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from tidegauge import guard

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"

_EOF = b"# EOF\n"
_PLAIN = "text/plain; charset=utf-8"
_COMPRESSION = 6  # the highest that still pays: 9 takes three times as long for 2 % less
_METHODS = "GET, HEAD, OPTIONS"


class Unavailable(Exception):  # noqa: N818 - a state, not a fault
    """There is nothing to show now; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer."""

    status: int
    reason: str
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""

    @staticmethod
    def text(status: int, reason: str, line: str) -> Answer:
        """Return an answer of one line for people."""
        body = f"{line}\n".encode(errors="replace")
        headers = [("Content-Type", _PLAIN), ("Content-Length", str(len(body)))]
        return Answer(status, reason, headers, body)


def answer(
    method: str, accept: str, accept_encoding: str, collect: Callable[[], Sequence[Family]]
) -> Answer:
    """Answer a request for the metrics; never raises."""
    if method == "OPTIONS":
        return Answer(200, "OK", [("Allow", _METHODS), ("Content-Length", "0")])
    if method not in {"GET", "HEAD"}:
        refused = Answer.text(405, "Method Not Allowed", f"Use {_METHODS}.")
        refused.headers.append(("Allow", _METHODS))
        return refused
    try:
        content_type = negotiate(accept)
        body = encode(collect(), content_type)
    except Unavailable as reason:
        found = Answer.text(503, "Service Unavailable", str(reason))
    except Exception as error:
        guard.fault("prometheus.scrape", error)
        line = f"Collecting the metrics failed with {type(error).__name__}; see the app's log."
        found = Answer.text(500, "Internal Server Error", line)
    else:
        headers = [("Content-Type", content_type)]
        if accepts_gzip(accept_encoding):
            body = gzip.compress(body, _COMPRESSION, mtime=0)
            headers.append(("Content-Encoding", "gzip"))
        headers.append(("Content-Length", str(len(body))))
        found = Answer(200, "OK", headers, body)
    if method == "HEAD":
        return Answer(found.status, found.reason, found.headers)
    return found


def negotiate(accept: str) -> str:
    """Return the content type for an Accept header; OpenMetrics where it is wanted as much."""
    openmetrics = text = 0.0
    for media, quality, version in _accepted(accept):
        if media == "application/openmetrics-text" and version in {"", "1.0.0"}:
            openmetrics = max(openmetrics, quality)
        elif media in {"text/plain", "text/*", "*/*"}:
            text = max(text, quality)
    return OPENMETRICS if openmetrics > 0 and openmetrics >= text else TEXT


def accepts_gzip(accept_encoding: str) -> bool:
    """Return whether an Accept-Encoding header asks for gzip."""
    return any(
        coding in {"gzip", "x-gzip"} and quality > 0
        for coding, quality, _ in _accepted(accept_encoding)
    )


def encode(families: Iterable[Family], content_type: str) -> bytes:
    """Write families; one that cannot be written is left out with one warning."""
    openmetrics = content_type == OPENMETRICS
    parts = []
    for family in families:
        try:
            parts.append(_openmetrics(family) if openmetrics else _text(family))
        except Exception as error:
            guard.fault(f"prometheus.encode.{family.name!a}", error)
    return b"".join([*parts, _EOF] if openmetrics else parts)


class _One:
    """A registry of given families, as the writers want it."""

    def __init__(self, *families: Family) -> None:
        self._families = families

    def collect(self) -> Iterable[Family]:
        return self._families


def _text(family: Family) -> bytes:
    return generate_latest(_One(family))


def _openmetrics(family: Family) -> bytes:
    registry = _One(*_strict(family))
    written: bytes = generate_openmetrics(registry, escaping=ALLOWUTF8)  # type: ignore[no-untyped-call]
    return written.removesuffix(_EOF)


def _strict(family: Family) -> Iterator[Family]:
    """Yield families that OpenMetrics allows and that hold the same series.

    It forbids a histogram's count without its sum, and the sum beside negative bounds. Dropping
    the count would make a series depend on the format; so such a histogram becomes plain families
    of unknown type, one a suffix.
    """
    counts = sum(sample.name == f"{family.name}_count" for sample in family.samples)
    sums = sum(sample.name == f"{family.name}_sum" for sample in family.samples)
    if family.type != "histogram" or counts == sums:
        yield family
        return
    for suffix in ("_bucket", "_count", "_sum"):
        part = Family(family.name + suffix, family.documentation, "unknown")
        part.samples = [
            sample._replace(exemplar=None) for sample in family.samples if sample.name == part.name
        ]
        if part.samples:
            yield part


def _accepted(header: str) -> Iterator[tuple[str, float, str]]:
    """Yield what a header accepts, with its quality and its version."""
    for item in header.split(","):
        name, *parameters = (part.strip() for part in item.lower().split(";"))
        given = dict(parameter.split("=", 1) for parameter in parameters if "=" in parameter)
        try:
            quality = float(given.get("q", "1"))
        except ValueError:
            quality = 0.0
        if name:
            yield name, quality, given.get("version", "").strip('"')

"""Reads targets' ``/metrics``: all at once, each within a time and a size, never more."""

from __future__ import annotations

import http.client
import logging
import re
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any
from urllib.parse import urlsplit

from prometheus_client.parser import text_string_to_metric_families
from tidegauge.settings import without_user

from tidegauge_alerting.watch.history import Sample
from tidegauge_alerting.watch.transport import reason
from tidegauge_alerting.watch.vector import Labels, labels_of

_logger = logging.getLogger("tidegauge.watch")

# What Prometheus would give as the job. There is one kind of target here.
_JOB = "tidegauge"
_DEFAULT_PATH = "/metrics"
# 1000 models of 600 series have about 100 MB.
_MOST_BYTES = 256 * 2**20
_PIECE_BYTES = 65_536
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
# Plain text: with OpenMetrics come exemplars, which nobody reads here.
_HEADERS = {"Accept": "text/plain;version=0.0.4"}
# A page, such as one that asks for a login, has no line that looks like a metric of ours.
_NO_METRICS = ("text/html", "application/json")
_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")


class ScrapeError(Exception):
    """A target gave nothing that can be judged; the message says why."""


@dataclass(frozen=True, slots=True)
class Target:
    """A place to read, and the labels that its series get."""

    url: str
    labels: Labels


def target(url: str) -> Target:
    """Return the target at an address.

    Raises
    ------
    ValueError
        It is no http or https address.
    """
    try:
        parts = urlsplit(url)
        place, _ = parts.hostname, parts.port
    except ValueError:
        place = None
    if not place or parts.scheme not in ("http", "https") or not url.isprintable():
        raise ValueError(
            f"--url: got {without_user(url)!r}; expected an http or https address. "
            "For example: http://127.0.0.1:9464/metrics."
        )
    path = "" if parts.path in ("", _DEFAULT_PATH) else parts.path
    instance = parts.netloc.rpartition("@")[2] + path
    full = url if parts.path else url.rstrip("?#") + _DEFAULT_PATH
    return Target(full, labels_of([("job", _JOB), ("instance", instance)]))


class Reader:
    """Reads one target; remembers how its lines are read, for they are the same each time."""

    def __init__(self, place: Target, names: Collection[str]) -> None:
        self._place = place
        self._names = names
        # What stands before a line's value -> the series that it is.
        self._known: dict[str, tuple[str, Labels]] = {}

    def read(self, timeout_s: float) -> list[Sample]:
        """Return the target's samples of the wanted names.

        Raises
        ------
        ScrapeError
            It does not answer in time with text that can be read.
        """
        request = urllib.request.Request(self._place.url, headers=_HEADERS)  # noqa: S310 - checked
        try:
            with _open(request, timeout_s) as answer:
                kind = answer.headers.get_content_type()
                if kind in _NO_METRICS and "Content-Type" in answer.headers:
                    raise ScrapeError(f"{kind}, which is not Prometheus's format")
                text = _read_within(answer, _MOST_BYTES, timeout_s).decode()
            return self.samples(text)
        except urllib.error.HTTPError as error:
            error.close()
            raise ScrapeError(f"status {error.code}") from None
        except UnicodeDecodeError:
            raise ScrapeError("something that is no text") from None
        except (OSError, http.client.HTTPException) as error:
            raise ScrapeError(reason(error)) from None
        except ValueError:
            raise ScrapeError("text that is not in Prometheus's format") from None

    def samples(self, text: str) -> list[Sample]:
        """Return the samples of the wanted names in an answer, with the target's labels.

        Raises
        ------
        ValueError
            A line of them cannot be read.
        """
        found, known = [], {}
        new: list[tuple[str, str]] = []
        for line in text.split("\n"):
            name = _NAME.match(line)
            if name is None or name[0] not in self._names:
                continue
            head, _, value = line.rpartition(" ")
            series = self._known.get(head)
            if series is None:
                new.append((head, line))
            else:
                known[head] = series
                found.append(Sample(*series, float(value)))
        for (head, _), sample in zip(new, _parsed([line for _, line in new]), strict=True):
            series = (sample.name, self._full(sample.labels))
            if sample.timestamp is None:  # else the head holds the value
                known[head] = series
            found.append(Sample(*series, sample.value))
        self._known = known
        return found

    def _full(self, labels: Mapping[str, str]) -> Labels:
        """Return a series' labels with its target's, which win: its own are ``exported_``."""
        target = dict(self._place.labels)
        own = (
            (f"exported_{key}" if key in target else key, value) for key, value in labels.items()
        )
        # Of many series each label's name and value are in memory once.
        return labels_of(
            (sys.intern(key), sys.intern(value)) for key, value in (*own, *target.items())
        )


def _parsed(lines: Sequence[str]) -> list[Any]:
    """Return each line as the parser of Prometheus's own client reads it."""
    families = text_string_to_metric_families("\n".join([*lines, ""]))
    return [sample for family in families for sample in family.samples]


@dataclass(slots=True)
class _Reading:
    """One scrape in a thread of its own."""

    thread: threading.Thread | None = None
    found: list[Sample] | ScrapeError | None = field(default=None)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A target that sends elsewhere is not the one that was named."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def _open(request: urllib.request.Request, timeout_s: float) -> Any:
    """Open an http or https address, through the environment's proxy unless it is this host.

    Raises
    ------
    OSError, http.client.HTTPException, ValueError
        As urllib does.
    """
    local = urlsplit(request.full_url).hostname in _LOOPBACK
    proxies = urllib.request.ProxyHandler({}) if local else urllib.request.ProxyHandler()
    opener = urllib.request.build_opener(_NoRedirect, proxies)
    return opener.open(request, timeout=timeout_s)


def _read_within(answer: IO[bytes], most: int, timeout_s: float) -> bytes:
    """Return a body of at most so many bytes, read within a time.

    Raises
    ------
    ScrapeError
        It is longer, or does not end in time.
    """
    deadline_s = time.monotonic() + timeout_s
    pieces, size = [], 0
    read = getattr(answer, "read1", answer.read)
    while piece := read(_PIECE_BYTES):
        pieces.append(piece)
        size += len(piece)
        if size > most:
            raise ScrapeError(f"more than {most} bytes")
        if time.monotonic() > deadline_s:
            raise ScrapeError(f"not all of it within {timeout_s:g} s")
    return b"".join(pieces)


class Scraper:
    """Scrapes all targets side by side; one that hangs is left behind and not asked again."""

    def __init__(self, targets: Sequence[Target], names: Collection[str], timeout_s: float) -> None:
        self.targets = targets
        self._readers = {each: Reader(each, names) for each in targets}
        self._timeout_s = timeout_s
        #: What takes longer in all, piece by piece, is left behind.
        self.patience_s = 2 * timeout_s
        self._readings: dict[Target, _Reading] = {}
        #: Targets that did not answer the last time, with why.
        self.failing: dict[Target, str] = {}

    def scrape(self) -> dict[Target, list[Sample] | None]:
        """Return each target's samples, None where there are none."""
        for each in self.targets:
            before = self._readings.get(each)
            if before is None or before.thread is None or not before.thread.is_alive():
                self._start(each)
        deadline_s = time.monotonic() + self.patience_s
        found = {}
        for each in self.targets:
            thread = self._readings[each].thread
            if thread is not None:
                thread.join(max(0.0, deadline_s - time.monotonic()))
            found[each] = self._take(each)
        return found

    def _start(self, each: Target) -> None:
        reading = self._readings[each] = _Reading()

        def run() -> None:
            try:
                reading.found = self._readers[each].read(self._timeout_s)
            except ScrapeError as error:
                reading.found = error
            except Exception as error:
                reading.found = ScrapeError(type(error).__name__)

        reading.thread = threading.Thread(target=run, name=f"scrape {each.url}", daemon=True)
        reading.thread.start()

    def _take(self, each: Target) -> list[Sample] | None:
        reading = self._readings[each]
        found, reading.found = reading.found, None
        if isinstance(found, list):
            if self.failing.pop(each, None) is not None:
                _logger.warning("%s: answers again.", _shown(each))
            return found
        why = "no answer in time" if found is None else str(found)
        if self.failing.get(each) != why:
            _logger.warning(
                "%s: got %s; expected the metrics of a service. Its models are not judged until it "
                "answers. Look whether it runs, and whether the address is right.",
                _shown(each),
                why,
            )
        self.failing[each] = why
        return None


def _shown(each: Target) -> str:
    """Return a target's address without a password or a query, which may be secrets."""
    parts = urlsplit(each.url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"

"""Points and events as the bodies of requests to Datadog's HTTP API: pure.

The first version of the API, for it takes counts, gauges and distributions, and others than Datadog
understand it. A body is written down and compressed at once: what waits is small, and how much
memory it has is known.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tidegauge_exporter_datadog.points import Count, Distribution, Point
from tidegauge_exporter_datadog.transport import DatadogEvent

SERIES = "/api/v1/series"
DISTRIBUTIONS = "/api/v1/distribution_points"
EVENTS = "/api/v1/events"

#: Datadog takes points of the last hour.
MAX_AGE_S = 3600.0

# Of what a body is before it is compressed. Datadog takes 3.2 MB after; halving does the rest.
_MAX_BYTES = 2_000_000
# A distribution has no place for counts, so each value stands there as often as it was seen.
_MAX_VALUES = 100_000
# Objects and keys around a body.
_OVERHEAD_BYTES = 500


@dataclass(frozen=True, slots=True)
class Parcel:
    """One request that waits: where it goes, and what it holds. Until when, on which clock, too."""

    path: str
    body: bytes = field(repr=False)
    expires_s: float
    compressed: bool = True

    @property
    def size_bytes(self) -> int:
        """Estimate the memory that it has."""
        return len(self.body) + _OVERHEAD_BYTES


def of_points(
    points: Sequence[Point], host: str, second: int, expires_s: float
) -> Iterator[Parcel]:
    """Yield the requests that send points of one collection, all at one second.

    Two values of a series at the same second are one to Datadog, the later: the caller sees to it
    that no second has two collections.
    """
    kinds = {SERIES: _series, DISTRIBUTIONS: _distribution}
    for path, write in kinds.items():
        own = (each for each in points if isinstance(each, Distribution) is (path == DISTRIBUTIONS))
        items = (item for point in own for item in write(point, host, second))
        for body in _bodies(items):
            yield Parcel(path, zlib.compress(body), expires_s)


def of_event(event: DatadogEvent, host: str, expires_s: float) -> Parcel:
    """Return the request that sends an event."""
    body = {
        "title": event.title,
        "text": event.text,
        "alert_type": event.alert_type,
        "aggregation_key": event.aggregation_key,
        "date_happened": int(event.at_s),
        "host": host,
        "tags": list(event.tags),
    }
    return Parcel(EVENTS, _write(body), expires_s, compressed=False)


def halves(parcel: Parcel) -> tuple[Parcel, ...]:
    """Return two requests in place of one that is too large; none where it can't be cut."""
    if not parcel.compressed:
        return ()
    series: list[dict[str, Any]] = json.loads(zlib.decompress(parcel.body))["series"]
    middle = (len(series) + 1) // 2
    parts = [series[:middle], series[middle:]]
    if not parts[1]:
        parts = [[each] for each in _cut(series[0])]
    return tuple(
        replace(parcel, body=zlib.compress(_envelope(map(_write, part)))) for part in parts if part
    )


def _cut(series: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield two series for one distribution, of half its values each; they add up again."""
    ((second, values),) = series["points"]
    if isinstance(values, list) and len(values) > 1:
        middle = len(values) // 2
        for part in (values[:middle], values[middle:]):
            yield {**series, "points": [[second, part]]}


def _bodies(items: Iterable[bytes]) -> Iterator[bytes]:
    held: list[bytes] = []
    size = 0
    for item in items:
        if held and size + len(item) > _MAX_BYTES:
            yield _envelope(held)
            held, size = [], 0
        held.append(item)
        size += len(item)
    if held:
        yield _envelope(held)


def _envelope(items: Iterable[bytes]) -> bytes:
    return b'{"series":[' + b",".join(items) + b"]}"


def _series(point: Any, host: str, second: int) -> Iterator[bytes]:
    found = {
        "metric": point.name,
        "type": "gauge",
        "points": [[second, point.value]],
        "host": host,
        "tags": list(point.tags),
    }
    if isinstance(point, Count):
        found |= {"type": "count", "interval": max(1, round(point.interval_s))}
    yield _write(found)


def _distribution(point: Any, host: str, second: int) -> Iterator[bytes]:
    head = {
        "metric": point.name,
        "type": "distribution",
        "host": host,
        "tags": list(point.tags),
    }
    for values in _repeated(point.values, point.counts):
        # By hand: a value is written once, and what is written is repeated.
        yield b'%s,"points":[[%d,[%s]]]}' % (_write(head)[:-1], second, values)


def _repeated(values: Sequence[float], counts: Sequence[int]) -> Iterator[bytes]:
    held: list[bytes] = []
    room = _MAX_VALUES
    for value, count in zip(values, counts, strict=True):
        # Six digits say more than a bucket does.
        text, left = b"%s," % f"{value:.6g}".encode(), count
        while left:
            taken = min(left, room)
            held.append(text * taken)
            left -= taken
            room -= taken
            if not room:
                yield b"".join(held)[:-1]
                held, room = [], _MAX_VALUES
    if held:
        yield b"".join(held)[:-1]


def _write(item: dict[str, Any]) -> bytes:
    return json.dumps(item, separators=(",", ":"), allow_nan=False).encode()

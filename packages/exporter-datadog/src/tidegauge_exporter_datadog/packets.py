"""Points to DogStatsD's datagrams: pure.

The ``datadog`` client writes a line a value. It cannot say that a value was seen so many times, and
where it is told a sample rate it throws dice; so the lines are written here, after Datadog's public
description of the protocol.

How often a value of a distribution was seen is told by sample rates: seen at a rate of 1/8 it
counts eight times. The Agent cuts ``1 / rate`` down to an integer, which is exact for powers of
two. So each count is taken apart into those, and all values of a power share a line.

A gauge says when it was. A count does not: the Agent adds up what comes without a time, and of two
counts of one second that have one it keeps the last. A distribution with a time it throws away.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from tidegauge_exporter_datadog.points import Count, Distribution, Gauge, Point, Tags
from tidegauge_exporter_datadog.transport import DatadogEvent

#: What the Agent reads at a time: nothing longer arrives whole.
MOST_BYTES = 8192

# Packets that are not full yet and wait for a line that fits.
_OPEN = 16
# A line is begun in the rest of a packet where it has room for so many bytes of values.
_WORTHWHILE = 48
_INTEGRAL = 2.0**53

# Of an event, in characters: what Datadog takes of its title, its text and its aggregation key.
_TITLE, _TEXT, _KEY = 100, 1500, 100


def pack(
    points: Iterable[Point], most_bytes: int, more_tags: Tags = ()
) -> tuple[list[bytes], list[str]]:
    """Return datagrams, none longer than ``most_bytes``, and the names of what fits into none.

    A single line may be longer: up to what the Agent reads, in a datagram of its own.
    """
    packer = _Packer(most_bytes)
    too_long: list[str] = []
    distributions: list[Distribution] = []
    for point in points:
        if isinstance(point, Distribution):
            distributions.append(point)
        elif not packer.add(_line(point, more_tags)):
            too_long.append(point.name)
    # Last, for their lines can be cut to what is left.
    too_long += [
        point.name
        for point in distributions
        if not all(packer.spread(*line) for line in _lines(point, more_tags))
    ]
    return packer.packets(), too_long


def event_line(event: DatadogEvent) -> bytes:
    """Return an event's line, cut to what Datadog shows."""
    title, text = _shown(event.title, _TITLE), _shown(event.text, _TEXT)
    tags = _field(event.tags, ())
    # The lengths are those of the bytes, as they are sent.
    return b"".join(
        (
            f"_e{{{len(title)},{len(text)}}}:".encode(),
            title,
            b"|",
            text,
            f"|d:{max(1, int(event.at_s))}|k:{_key(event.aggregation_key)}".encode(),
            f"|t:{event.alert_type}{tags}".encode(),
        )
    )


def _shown(text: str, most: int) -> bytes:
    """Return text on one line: the Agent makes line breaks of what stands for them here."""
    return text[:most].replace("\r", "").replace("\n", "\\n").encode(errors="replace")


def _key(text: str) -> str:
    return re.sub(r"[|\s]+", "_", text)[:_KEY].encode(errors="replace").decode()


def _line(point: Count | Gauge, more_tags: Tags) -> bytes:
    tags = _field(point.tags, more_tags)
    if isinstance(point, Gauge):
        return f"{point.name}:{_number(point.value)}|g{tags}|T{max(1, int(point.at_s))}".encode()
    return f"{point.name}:{_number(point.value)}|c{tags}".encode()


def _lines(point: Distribution, more_tags: Tags) -> Iterator[tuple[bytes, Sequence[bytes], bytes]]:
    """Yield the lines of a distribution: beginning, values, end."""
    tags = _field(point.tags, more_tags)
    by_power: defaultdict[int, list[bytes]] = defaultdict(list)
    for value, count in zip(point.values, point.counts, strict=True):
        # Four digits: a hundredth of what the bucket is wide.
        text = b":%.4g" % value
        left = count
        while left:
            lowest = left & -left
            by_power[lowest.bit_length() - 1].append(text)
            left ^= lowest
    for power, values in sorted(by_power.items()):
        rate = f"|@{_rate(power)}" if power else ""
        yield point.name.encode(), values, f"|d{rate}{tags}".encode()


def _rate(power: int) -> str:
    """Return ``2 ** -power`` without an exponent, which other servers may not read."""
    return f"{2.0**-power:.{power}f}"


def _field(tags: Tags, more_tags: Tags) -> str:
    return f"|#{','.join((*tags, *more_tags))}" if tags or more_tags else ""


def _number(value: float) -> str:
    return str(int(value)) if value.is_integer() and abs(value) < _INTEGRAL else repr(value)


class _Packer:
    """Puts lines into as few packets as it can without trying everything: the first that fits."""

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._full: list[bytes] = []
        self._open: list[bytearray] = []

    def packets(self) -> list[bytes]:
        return [*self._full, *map(bytes, self._open)]

    def add(self, line: bytes) -> bool:
        """Take a line; False where no datagram could hold it."""
        if len(line) > self._most:
            fits = len(line) <= MOST_BYTES
            if fits:
                self._full.append(line)
            return fits
        fits_in = (packet for packet in self._open if len(packet) + len(line) < self._most)
        self._put(next(fits_in, None), line)
        return True

    def spread(self, head: bytes, values: Sequence[bytes], tail: bytes) -> bool:
        """Take values with one beginning and end, over as many packets as they need."""
        fixed = len(head) + len(tail)
        if fixed + max(map(len, values)) > self._most:
            # Nothing is left for values, but for one at a time.
            return all(self.add(head + value + tail) for value in values)
        taken = 0
        while taken < len(values):
            packet = min(self._open, key=len, default=None)
            room = self._most if packet is None else self._most - len(packet) - 1
            if packet is not None and room < fixed + min(_WORTHWHILE, self._most - fixed):
                packet, room = None, self._most
            first = taken
            room -= fixed
            while taken < len(values) and len(values[taken]) <= room:
                room -= len(values[taken])
                taken += 1
            self._put(packet, b"".join((head, *values[first:taken], tail)))
        return True

    def _put(self, packet: bytearray | None, line: bytes) -> None:
        if packet is not None:
            packet += b"\n" + line
            return
        self._open.append(bytearray(line))
        if len(self._open) > _OPEN:
            fullest = max(range(len(self._open)), key=lambda number: len(self._open[number]))
            self._full.append(bytes(self._open.pop(fullest)))

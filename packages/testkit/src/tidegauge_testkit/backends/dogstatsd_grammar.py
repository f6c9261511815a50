"""DogStatsD's datagrams as Datadog describes them in public, read strictly.

The Agent forgives much that Datadog then shows as something else: it takes any name, skips what it
does not know, and reads ``nan`` as a number. Here all of that is refused, and also what the Agent
drops without a word, such as a distribution with a time.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

#: What the Agent reads at a time: the rest of a longer datagram is lost.
MOST_BYTES = 8192

_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9_.]{0,199}", re.ASCII)
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?", re.ASCII)
_TAG = re.compile(r"[^\W\d_][\w.:/-]*(?<!:)")
_MOST_CHARACTERS = 200
_TYPES = {"c": "count", "g": "gauge", "d": "distribution", "h": "histogram", "ms": "timing"}
_WITH_RATE = {"c", "d", "h", "ms"}
_WITH_TIME = {"c", "g"}
# Further ahead, further back: Datadog takes no point.
_AHEAD_S, _BACK_S = 600.0, 3600.0
_EVENT = re.compile(rb"_e\{(\d+),(\d+)\}:")
_EVENT_FIELDS = {"d", "h", "k", "p", "s", "t"}
_ALERT_TYPES = {"error", "warning", "info", "success"}


class RefusedError(ValueError):
    """Datadog would not take it, or would show something else."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One line; each value was seen ``weight`` times."""

    kind: str
    name: str
    values: tuple[float, ...]
    weight: int
    tags: tuple[str, ...]
    at_s: int | None


@dataclass(frozen=True, slots=True)
class Event:
    """One event; ``fields`` by their letters: ``t`` the alert type, ``k`` the aggregation key."""

    title: str
    text: str
    tags: tuple[str, ...]
    fields: dict[str, str] = field(hash=False)


def read(packet: bytes, now_s: float) -> list[Metric | Event]:
    """Return what a datagram says.

    Raises
    ------
    RefusedError
        Any of its lines is not as it should be; the message has the line.
    """
    if len(packet) > MOST_BYTES:
        raise RefusedError(f"a packet of {len(packet)} bytes")
    found: list[Metric | Event] = []
    for line in packet.split(b"\n"):
        try:
            found.append(_event(line) if line.startswith(b"_e{") else _metric(line.decode(), now_s))
        except (ValueError, OverflowError) as error:
            raise RefusedError(f"{error}: {line!r}") from error
    return found


def _metric(line: str, now_s: float) -> Metric:
    first, *fields = line.split("|")
    name, colon, values = first.partition(":")
    _require(_NAME.fullmatch(name) is not None and bool(colon), "a bad name")
    _require(bool(fields) and fields[0] in _TYPES, "a bad type")
    kind, *rest = fields
    numbers = tuple(map(_number, values.split(":")))
    weight, at_s = 1, None
    tags: tuple[str, ...] = ()
    seen = set()
    for each in rest:
        letter, text = each[:1], each[1:]
        _require(letter not in seen, "a field that comes twice")
        seen.add(letter)
        if letter == "@":
            _require(kind in _WITH_RATE, "a sample rate where none may be")
            rate = _number(text)
            _require(0 < rate <= 1, "a bad sample rate")
            # The Agent cuts to an integer; a rate that does not lead to one is a wrong count.
            _require((1 / rate).is_integer(), "a sample rate that counts no whole times")
            weight = int(1 / rate)
        elif letter == "#":
            tags = _tags(text)
        elif letter == "T":
            _require(kind in _WITH_TIME, "a time where none may be")
            _require(re.fullmatch("[1-9][0-9]*", text) is not None, "a bad time")
            at_s = int(text)
            _require(now_s - _BACK_S <= at_s <= now_s + _AHEAD_S, "a time that is not taken")
        else:
            raise RefusedError("an unknown field")
    return Metric(_TYPES[kind], name, numbers, weight, tags, at_s)


def _event(line: bytes) -> Event:
    match = _EVENT.match(line)
    _require(match is not None, "a bad event")
    assert match is not None  # noqa: S101 - for the type checker
    title_bytes, text_bytes = int(match[1]), int(match[2])
    end = match.end() + title_bytes
    title, bar, text = line[match.end() : end], line[end : end + 1], line[end + 1 :][:text_bytes]
    rest = line[end + 1 + text_bytes :].decode()
    _require(bool(title) and bool(text) and bar == b"|", "lengths that are not those of an event")
    _require(not rest or rest.startswith("|"), "lengths that are not those of an event")
    tags: tuple[str, ...] = ()
    fields: dict[str, str] = {}
    for each in rest.split("|")[1:]:
        if each.startswith("#"):
            tags = _tags(each[1:])
            continue
        letter, colon, value = each.partition(":")
        _require(letter in _EVENT_FIELDS and bool(colon and value), "an unknown field")
        fields[letter] = value
    _require(fields.get("t", "info") in _ALERT_TYPES, "a bad alert type")
    _require(fields.get("d", "1").isdecimal(), "a bad time")
    return Event(_text(title), _text(text), tags, fields)


def _text(escaped: bytes) -> str:
    return escaped.decode().replace("\\n", "\n")


def _tags(text: str) -> tuple[str, ...]:
    tags = tuple(text.split(","))
    keys = [tag.partition(":")[0] for tag in tags]
    for tag in tags:
        _require(_TAG.fullmatch(tag) is not None, "a bad tag")
        _require(len(tag) <= _MOST_CHARACTERS, "a tag that is too long")
    _require(len(set(keys)) == len(keys), "a key with two values")
    return tags


def _number(text: str) -> float:
    _require(_NUMBER.fullmatch(text) is not None, "a bad number")
    value = float(text)
    _require(math.isfinite(value), "a bad number")
    return value


def _require(right: bool, what: str) -> None:
    if not right:
        raise RefusedError(what)

"""What the processes of a launch write down for one another: read, and added up when one ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tidegauge import codec, group, guard
from tidegauge.batch import GaugePoint
from tidegauge.group import Group
from tidegauge.points import SumPoint
from tidegauge.told import add_up, from_header, to_header
from tidegauge.totals import Totals, merge

#: What each process has counted; of those that have ended, the sum.
COUNTERS = "counters"
#: Of each living process: what adds up but is no count. Of the leader: what it says for all.
GAUGES = "gauges"


@dataclass(frozen=True, slots=True)
class Counted:
    """What another process has counted, and what was told of it."""

    totals: Totals
    header: Mapping[str, Any]


def counted(payload: bytes) -> Counted:
    """Return what a record of counters says.

    Raises
    ------
    UnreadableError
        Another release wrote it.
    """
    return Counted(*codec.decode(payload))


def others_gauges(here: Group) -> list[GaugePoint | SumPoint]:
    """Return what the other living processes say of themselves."""
    found: list[GaugePoint | SumPoint] = []
    for record in here.named(GAUGES):
        if record.living and record.worker != here.worker:
            with guard.guarded("group.gauges"):
                found += codec.decode_gauges(record.payload)
    return found


def kept_gauges(here: Group) -> list[GaugePoint | SumPoint]:
    """Return what the leader says for all."""
    payload = here.kept(GAUGES)
    if payload is not None:
        with guard.guarded("group.gauges"):
            return codec.decode_gauges(payload)
    return []


def merge_when_they_end(here: Group) -> None:
    """Have the counts of processes that have ended added up; gauges go with their process."""
    here.archive_by(COUNTERS, _add_ended)
    here.archive_by(GAUGES, lambda _: b"")


def _add_ended(payloads: list[bytes]) -> bytes:
    """Add up what processes that have ended have counted, and what was told of it."""
    parts = [codec.decode(payload) for payload in payloads]
    told = add_up(each for _, header in parts for each in from_header(header))
    more = {"told": to_header(told)} if told else {}
    return codec.encode(merge([totals for totals, _ in parts]), **more)


merge_when_they_end(group.current())

"""What there is to export now: of this process alone, or of all processes of its launch.

A process that is asked writes down its own counts first, and reads the others' after. So what it
answers is never less than what another process has answered before.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple, TypeAlias

from tidegauge import codec, group, guard, pipeline, sources, unsent
from tidegauge.batch import GaugePoint
from tidegauge.ledger import COUNTERS, GAUGES, Counted, counted, kept_gauges, others_gauges
from tidegauge.points import SumPoint
from tidegauge.runtime import shared
from tidegauge.said import Said, ask_all
from tidegauge.told import Told, from_header, to_header
from tidegauge.totals import Totals, merge, of_tally, shown

# A disk that hangs must not hang a collection.
_LOCK_TIMEOUT_S = 1.0
# Of one core, for what processors say once a second.
_CPU_SHARE = 0.01
# How often those that nobody asks read their sources, for whoever is asked.
_SOURCES_S = 5.0

_Gauge: TypeAlias = GaugePoint | SumPoint


@dataclass(frozen=True, slots=True)
class Standing:
    """The counts and gauges to export. ``whole``: those of a group, not of one process.

    ``told``: what of a group's counts the reader was told by processes that were alone then.
    """

    totals: Totals
    gauges: tuple[GaugePoint, ...]
    whole: bool
    told: tuple[Told, ...] = ()


class _Own(NamedTuple):
    """What this process knows: its counts, and what its processors say."""

    totals: Totals
    said: Said


class Desk:
    """What this process writes down for its group, and what it has read of the others."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Start from nothing: this is a forked child."""
        self._lock = threading.Lock()
        self._mark: object = None
        self._writer: codec.Writer | None = None
        # What processors said last, and when to ask them again.
        self._counts: tuple[SumPoint, ...] = ()
        self._ask_s = self._sources_s = 0.0
        self._gauges: tuple[object, ...] = ()
        self._read: dict[tuple[str, bytes], Counted] = {}
        # What readers that push were told while this process was alone; and as it is written.
        self._told: dict[str, Told] = {}
        self._header: dict[str, object] = {}

    def stand(self, reader: str | None) -> Standing | None:
        """Return what to export; None where another process exports it.

        Parameters
        ----------
        reader : str or None
            The reader that pushes it: only the leader's get anything. None: somebody asked this
            process, so it answers for its group.

        Raises
        ------
        OSError
            What the others have written cannot be read now: less than all would be wrong.
        """
        here = group.current()
        if not here.active:
            if reader is not None and here.launch.child and not here.predicts:
                return None  # it will be one of a group, or have nothing to say
            alone = self._stand_alone(reader)
            if alone is not None:
                return alone
        own = self.publish()
        if reader is not None and not here.leads:
            return None
        return self._gather(own, reader)

    def _stand_alone(self, reader: str | None) -> Standing | None:
        """Return what this process exports alone; None where it has just joined its group."""
        here = group.current()
        # Where it joins while this is exported, it says so with its counts: under the same lock.
        with self._held():
            if here.member:
                return None
            own = self._own(alone=True)
            if reader is not None:
                instance = "" if here.launch.child else here.own_instance_id
                self._told[reader] = Told(reader, instance, own.totals)
                self._header, self._mark = {}, None
        totals, gauges = _together(own.totals, [*own.said.added, *own.said.leading])
        return Standing(totals, gauges, whole=False)

    @contextmanager
    def _held(self) -> Iterator[bool]:
        held = self._lock.acquire(timeout=_LOCK_TIMEOUT_S)
        try:
            yield held
        finally:
            if held:
                self._lock.release()

    def tick(self) -> None:
        """Write down what this process has counted since, if anything: about once a second."""
        if group.current().member:
            with self._held() as held:
                if held:
                    if time.monotonic() >= self._ask_s:
                        self._ask(group.current())
                    self._write_counts(group.current(), even_if_same=False)

    def _ask(self, here: group.Group) -> None:
        """Ask the processors; of a thousand models they have much to say."""
        begun_s = time.thread_time()
        if time.monotonic() >= self._sources_s:  # what they say is taken a second later
            self._sources_s = time.monotonic() + _SOURCES_S
            with pipeline.current().frozen() as tally:
                totals = of_tally(tally)
            self._ask_sources(totals, alone=False)
        said = ask_all(patience_s=0.0)
        self._counts = said.counts
        self._write_gauges(here, said, even_if_same=False)
        self._ask_s = time.monotonic() + (time.thread_time() - begun_s) / _CPU_SHARE

    def _own(self, *, alone: bool) -> _Own:
        with pipeline.current().frozen() as tally:
            totals = of_tally(tally)
        self._ask_sources(totals, alone=alone)
        said = ask_all(sources.PATIENCE_S)
        return _Own(replace(totals, points=(*totals.points, *said.counts)), said)

    def _ask_sources(self, own: Totals, *, alone: bool) -> None:
        """Have sources read; those that are the host's where this process speaks for all.

        One that is alone and has not predicted may yet be no member of a group: what it said of
        itself would be gone then.
        """
        here, look, whole = group.current(), partial(_moment, [own]), None
        if alone and not here.predicts:
            return
        if alone:
            whole = look
        elif here.leads:
            whole = partial(self._moment_of_all, here, own)
        sources.current().ask(look, whole)

    def _moment_of_all(self, here: group.Group, own: Totals) -> sources.Moment:
        read, _ = self._read_others(here)
        return _moment([own, *(found.totals for found in read)])

    def publish(self) -> _Own:
        """Write down what this process has counted."""
        here = group.current()
        # The lock is around the copy too: an older copy must not be written after a newer one.
        with self._held() as held:
            own = self._own(alone=False)
            if held and here.member:
                self._counts = own.said.counts
                self._write_counts(here, even_if_same=True)
                self._write_gauges(here, own.said, even_if_same=True)
            return own

    def _write_counts(self, here: group.Group, *, even_if_same: bool) -> None:
        with pipeline.current().frozen() as tally:
            faults = sum(guard.counts().values()), sum(unsent.counts().values())
            mark = (tally, tally.revision, faults, self._counts)
            payload = None
            if even_if_same or mark != self._mark:
                if self._writer is None or self._writer.tally is not tally:
                    self._writer = codec.Writer(tally)
                if self._told and not self._header:
                    self._header = {"told": to_header(self._told.values())}
                payload = self._writer.write(self._counts, self._header)
        if payload is not None:
            self._mark = mark if here.publish(COUNTERS, payload) else None

    def _write_gauges(self, here: group.Group, said: Said, *, even_if_same: bool) -> None:
        leading = said.leading if here.leads else ()
        gauges = (here.leads, said.added, leading)
        if not even_if_same and gauges == self._gauges:
            return
        self._gauges = gauges
        if said.added:
            here.publish(GAUGES, codec.encode_gauges(said.added))
        if here.leads:
            here.keep(GAUGES, codec.encode_gauges(leading))

    def _read_others(self, here: group.Group) -> tuple[list[Counted], bool]:
        """Return what the others have counted, and whether one of all is a living process."""
        records = here.surely_named(COUNTERS)
        read: dict[tuple[str, bytes], Counted] = {}
        for record in records:
            if record.worker != here.worker:
                found = self._read.get((record.worker, record.payload))
                if found is None:
                    with guard.guarded("group.counters"):
                        found = counted(record.payload)
                if found is not None:
                    read[record.worker, record.payload] = found
        self._read = read
        return list(read.values()), any(record.living for record in records)

    def _gather(self, own: _Own, reader: str | None) -> Standing:
        here = group.current()
        read, lives = self._read_others(here)
        parts = [found.totals for found in read]
        # Of a process without predictions nobody else could tell, so it says nothing of itself.
        gauges = others_gauges(here)
        if here.member:
            parts.append(own.totals)
            gauges += own.said.added
        if here.leads:
            gauges += own.said.leading
        elif lives or here.member:
            gauges += kept_gauges(here)
        totals, standing = _together(shown(merge(parts)), gauges)
        told = () if reader is None else self._told_to(reader)
        return Standing(totals, standing, whole=True, told=told)

    def _told_to(self, reader: str) -> tuple[Told, ...]:
        own = self._told.get(reader)
        found = [] if own is None else [own]
        for read in self._read.values():
            with guard.guarded("group.told"):
                found += from_header(read.header, reader)
        return tuple(found)


def _moment(parts: list[Totals]) -> sources.Moment:
    start_s = min(part.start_s for part in parts)
    points = (point for part in parts for point in part.points)
    return sources.moment(shared.clock(), start_s, points)


def _together(totals: Totals, gauges: list[_Gauge]) -> tuple[Totals, tuple[GaugePoint, ...]]:
    """Put counts to the counts, and add gauges of the same series."""
    counts = list(totals.points)
    values: dict[tuple[str, tuple[str, ...]], GaugePoint] = {}
    for gauge in gauges:
        if isinstance(gauge, SumPoint):
            counts.append(gauge)
            continue
        key = (gauge.spec.name, gauge.attributes)
        before = values.get(key)
        both = gauge if before is None else replace(gauge, value=gauge.value + before.value)
        values[key] = both
    return replace(totals, points=tuple(counts)), tuple(values.values())


def write_down() -> None:
    """Let the others of the group know what this process has counted."""
    _desk.tick()


_desk = Desk()
pipeline.each_second.append(write_down)


def desk() -> Desk:
    """Return the desk of this process."""
    return _desk

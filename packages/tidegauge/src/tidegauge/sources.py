"""Metric sources: gauges that are read when somebody collects, never while somebody predicts.

A driver may hang. So a source that asks one is read on a thread of its own, for which a collection
waits a moment only; then it shows what the source said last, and after a minute nothing. There is
no such thread before the first collection, nor in a forked child. What cannot hang is read by
whoever collects, for two threads take longer to hand over than a process to say what it uses.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Protocol

from tidegauge_semconv import metrics

from tidegauge.batch import CountPoint, GaugePoint, ModelKey
from tidegauge.guard import guarded
from tidegauge.late_import import late_import
from tidegauge.plugins import load_sources
from tidegauge.points import HistogramPoint, Point, SumPoint

#: A collection waits so long for all its sources together: with all else, a tenth of a second.
PATIENCE_S = 0.06
#: After so long what a source said last is no longer what is.
STALE_S = 60.0


@dataclass(frozen=True, slots=True)
class ModelUse:
    """What was asked of a model: seconds in its outermost calls, and finished calls."""

    seconds: float = 0.0
    requests: float = 0.0


@dataclass(frozen=True, slots=True)
class Moment:
    """What is known when a source is read.

    ``models`` are counts since ``start_s`` (Unix seconds): those of this process, or those of all
    processes of its launch where the source speaks for all.
    """

    now_s: float
    start_s: float
    models: Mapping[ModelKey, ModelUse]


class MetricSource(Protocol):
    """Gauges to read at collection. Found by the entry point group ``tidegauge_metric_source``.

    Built with no arguments; the constructor never raises, imports nothing large and starts nothing.
    """

    #: Whether one process of a launch reads it for all: what it measures is the host's.
    host_wide: bool
    #: Whether what it asks may not answer: a driver, a device, a network. If in doubt, it may.
    may_hang: bool

    def read(self, moment: Moment) -> Iterable[GaugePoint | CountPoint]:
        """Return what stands now; on a thread of the source's own if it may hang.

        There is one reading at a time.

        What cannot be read is left out: it is never 0. An exception is counted and costs all that
        the source has.
        """
        ...

    def reset(self) -> None:
        """Start from zero, with no handle of the parent's: this is a forked child."""
        ...


class _Reading:
    """One source, and what it said last."""

    def __init__(self, source: MetricSource) -> None:
        self.source = source
        self._said: tuple[GaugePoint | CountPoint, ...] = ()
        self._said_s = 0.0
        self._reads = threading.Lock()

    def ask(self, moment: Moment) -> None:
        """Have the source read, unless it still is."""
        if self._reads.acquire(blocking=False):
            try:
                self._read(moment)
            finally:
                self._reads.release()

    def wait(self, deadline: float) -> None:
        """Wait for the answer: it is there."""

    def said(self) -> tuple[GaugePoint | CountPoint, ...]:
        """Return what the source said last, unless that was too long ago."""
        return self._said if time.monotonic() - self._said_s < STALE_S else ()

    def stop(self) -> None:
        """End what reads."""

    def _read(self, moment: Moment) -> None:
        points: tuple[GaugePoint | CountPoint, ...] = ()
        with guarded(f"source.{type(self.source).__name__}"):
            points = tuple(self.source.read(moment))
        self._said_s, self._said = time.monotonic(), points


class _ThreadedReading(_Reading):
    """A source that may hang, read on a thread of its own."""

    def __init__(self, source: MetricSource) -> None:
        super().__init__(source)
        self._thread: threading.Thread | None = None
        # Queues of C: an Event takes as long as a whole source.
        self._asked: SimpleQueue[Moment | None] = SimpleQueue()
        self._answers: SimpleQueue[None] = SimpleQueue()
        self._open = self._late = False

    def ask(self, moment: Moment) -> None:
        """Have the source read, unless it still is."""
        running = self._thread is not None and self._thread.is_alive()
        if running and not self._answered(0.0):
            return
        if not running:
            self._asked, self._answers = SimpleQueue(), SimpleQueue()
            name = f"tidegauge-{type(self.source).__name__}"
            thread = threading.Thread(
                target=self._run, args=(self._asked, self._answers), name=name, daemon=True
            )
            try:
                thread.start()
            except RuntimeError:  # the process is ending
                return
            self._thread = thread
        self._open, self._late = True, False
        self._asked.put(moment)

    def wait(self, deadline: float) -> None:
        """Wait for the answer, and not again where it has not come in time before."""
        if not self._late:
            self._late = not self._answered(max(0.0, deadline - time.monotonic()))

    def _answered(self, timeout_s: float) -> bool:
        if self._open:
            try:
                self._answers.get(timeout_s > 0, timeout_s or None)
            except Empty:
                return False
            self._open = False
        return True

    def stop(self) -> None:
        """End the thread as soon as the source has answered."""
        self._asked.put(None)

    def _run(self, asked: SimpleQueue[Moment | None], answers: SimpleQueue[None]) -> None:
        while (moment := asked.get()) is not None:
            self._read(moment)
            answers.put(None)


def _reading(source: MetricSource) -> _Reading:
    return _ThreadedReading(source) if source.may_hang else _Reading(source)


class Sources:
    """The sources of a process.

    Parameters
    ----------
    given : iterable of MetricSource or None
        None for those found by entry point, when somebody collects for the first time.
    """

    def __init__(self, given: Iterable[MetricSource] | None = None) -> None:
        self._readings = None if given is None else list(map(_reading, given))

    def _all(self) -> list[_Reading]:
        found = self._readings
        if found is None:
            with late_import():  # nobody else builds them meanwhile, and no fork cuts it short
                found = self._readings
                if found is None:  # pragma: no branch - unless another thread was first
                    found = self._readings = list(map(_reading, load_sources()))
        return found

    def ask(self, own: Callable[[], Moment], whole: Callable[[], Moment] | None) -> None:
        """Have all sources read, and wait for none that may hang.

        ``own`` returns the moment of this process, ``whole`` that of its launch; each is asked at
        most once, and only where a source needs it. Without the latter nobody reads what is the
        host's.
        """
        for host_wide, look in ((False, own), (True, whole)):
            readings = [each for each in self._all() if each.source.host_wide is host_wide]
            if readings and look is not None:
                with guarded("sources.moment"):
                    now = look()
                    for reading in readings:
                        reading.ask(now)

    def points(self, patience_s: float = PATIENCE_S) -> list[GaugePoint | CountPoint]:
        """Return what all sources say, or said last, after waiting so long for all together."""
        deadline = time.monotonic() + patience_s
        readings = self._readings or ()
        if patience_s:
            for reading in readings:
                reading.wait(deadline)
        return [point for reading in readings for point in reading.said()]

    def stop(self) -> None:
        """End all threads; another question starts them again."""
        for reading in self._readings or ():
            reading.stop()

    def reset(self) -> None:
        """Start anew in a forked child, in which no thread of the parent runs."""
        if self._readings is not None:
            for reading in self._readings:
                with guarded(f"source.{type(reading.source).__name__}"):
                    reading.source.reset()
            self._readings = [_reading(reading.source) for reading in self._readings]


def moment(now_s: float, start_s: float, points: Iterable[Point]) -> Moment:
    """Return what counts say of the models; several of one series are added up."""
    seconds: dict[ModelKey, float] = defaultdict(float)
    requests: dict[ModelKey, float] = defaultdict(float)
    for point in points:
        if point.spec is metrics.MODEL_REQUEST_LATENCY and isinstance(point, HistogramPoint):
            seconds[ModelKey(*point.attributes[:2])] += float(point.total)
        elif point.spec is metrics.MODEL_REQUESTS and isinstance(point, SumPoint):
            requests[ModelKey(*point.attributes[:2])] += point.value
    models = {key: ModelUse(seconds[key], requests[key]) for key in requests}
    return Moment(now_s, start_s, models)


_current = Sources()


def current() -> Sources:
    """Return the sources of this process."""
    return _current

"""The background: entries become counts, batches and gauges.

One drain lock covers everything from taking an entry to counting it. A collection takes it too, so
a call that has finished is in the next scrape.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from tidegauge import announce, group
from tidegauge.attach import attach_global
from tidegauge.batch import CountPoint, GaugePoint, PredictionProcessor
from tidegauge.budget import Budget
from tidegauge.channel import Channel, Plain
from tidegauge.guard import guarded, once
from tidegauge.processing import Processors
from tidegauge.runtime import read_settings, shared
from tidegauge.tally import Tally

#: Rows that one slice may hold: their columns stay in the processor's L2 cache, and no hold of the
#: interpreter lock is long.
SLICE_ROWS = 256

_TICK_S = 0.1
# What a process that is killed has not written down is its last second at most, though a tick may
# come late.
_GROUP_TICK_S = 0.8
# A channel with fewer entries than this waits for more, at most so many ticks.
_FEW_ENTRIES = 64
_PATIENCE_TICKS = 10
_COLLECT_TIMEOUT_S = 1.0
# After so many predictions somebody should have asked for them.
_UNHEARD_CALLS = 100


#: Done when the background starts, on the thread of the first prediction.
at_start: list[Callable[[], None]] = []
#: Done about once a second, when the group has been looked after.
each_second: list[Callable[[], None]] = []


class Pipeline:
    """The drain thread, the counts and the processors of one process."""

    def __init__(self, processors: Iterable[PredictionProcessor] | None = None) -> None:
        self._lock = threading.Lock()
        self._starting = threading.Lock()
        self._processors = Processors(processors)
        self._budget = Budget()
        self._thread: threading.Thread | None = None
        self._wanted = False
        self._stop = threading.Event()
        self._attached = False
        self.tally = Tally(self._processors.value_bounds)

    # -- the thread ----------------------------------------------------------------------------

    def start(self) -> None:
        """Start the background thread, once; a caller's first prediction waits for nobody."""
        if self._thread is not None and self._thread.is_alive():
            return
        # Objects that the app holds until the end may predict in ``__del__``. A thread that is
        # started then never runs, and Python 3.11 waits for it for ever.
        if sys.is_finalizing():  # pragma: no cover - nothing is measured any more
            return
        # Whoever holds it is starting the thread; in a signal handler that may be this very thread.
        if not self._starting.acquire(blocking=False):
            return
        try:
            if self._thread is None or not self._thread.is_alive():
                self._stop = threading.Event()
                thread = threading.Thread(
                    target=self._run, args=(self._stop,), name="tidegauge", daemon=True
                )
                if not self._wanted:  # also where no thread is to be had: then collections drain
                    self._wanted = True
                    group.current().predicts = True
                    _do(at_start)
                thread.start()
                self._thread = thread
        finally:
            self._starting.release()

    def stop(self) -> None:
        """Stop the background thread."""
        self._wanted = False
        self._stop.set()

    def _run(self, stop: threading.Event) -> None:
        # The first look is at once: what processors have to load, a short job needs at its end.
        ticks, wait_s = 0, 0.0
        group_at_s = time.monotonic() + _TICK_S
        while not stop.wait(wait_s):
            ticks += 1
            with guarded("pipeline.drain"):
                self.processors()  # imports are no part of the budget
                self._attach()
                began = time.thread_time()
                with self._lock:
                    self._drain(few=ticks % _PATIENCE_TICKS == 0)
                    self._processors.tick(shared.clock())
                self._budget.spent(time.thread_time() - began)
                shared.stride = self._budget.stride(
                    shared.clock(), shared.channels.size_bytes(), shared.settings
                )
            # Outside the drain lock: files may be slow, and a caller must not wait for them.
            now_s = time.monotonic()
            if now_s >= group_at_s:
                group_at_s = now_s + _GROUP_TICK_S
                group.current().tick(now_s)
                _do(each_second)
                self._tell()
            wait_s = min(_TICK_S, max(0.0, group_at_s - time.monotonic()))

    def _attach(self) -> None:
        """Find the app's provider, whoever set it and however late."""
        if self._attached:
            return
        self._attached = attach_global()
        group.current().attached |= self._attached
        # A provider need not be the global one.
        if not group.current().attached and self.tally.total >= _UNHEARD_CALLS:
            once(
                "attach.nothing",
                "%d predictions were recorded, but there is no OpenTelemetry MeterProvider to "
                "export them. Call tidegauge_distro.configure(), or run the app under "
                "opentelemetry-instrument with OTEL_METRICS_EXPORTER=tidegauge_prometheus, which "
                "serves them on http://127.0.0.1:9464/metrics.",
                self.tally.total,
            )

    # -- draining ------------------------------------------------------------------------------

    def flush(self, timeout_s: float = _COLLECT_TIMEOUT_S) -> bool:
        """Count all that has finished; False where the lock could not be had in time."""
        with self._locked(timeout_s) as held:
            if held:
                self._drain(few=True)
                if self._processors.known is not None:  # to load them for nothing costs an import
                    self._processors.tick(shared.clock())
            return held

    def hand_over(self, timeout_s: float) -> None:
        """Count all that has finished, and let processors leave it to the other processes."""
        with self._locked(timeout_s) as held:
            if held:
                self._drain(few=True)
                self._processors.leave(shared.clock())
        self._tell()

    def end(self, timeout_s: float) -> None:
        """Count all that has finished, and let processors conclude: nothing comes after."""
        deadline = time.monotonic() + timeout_s
        with self._locked(timeout_s) as held:
            if held:
                self._drain(few=True)
                self._processors.end(shared.clock(), deadline)
        self._tell()

    def _tell(self) -> None:
        """Let processors send and write what they have to say; the lock is free meanwhile."""
        with guarded("tell.processors"):  # the clock may be the app's
            self._processors.tell(shared.clock())
        with guarded("tell.misconfigurations"):
            announce.announce_misconfigurations()

    def help_out(self) -> None:
        """Drain one slice on the caller's thread, if nobody else is draining."""
        with self._locked(0) as held:
            if held and self._finds_processors():
                longest = max(shared.channels.all(), key=lambda channel: len(channel.entries))
                self._count(longest, _take_slice(longest))

    def processors(self) -> list[PredictionProcessor]:
        """Return the processors, found by entry point at the first call."""
        return self._processors.all()

    @contextmanager
    def _locked(self, timeout_s: float) -> Iterator[bool]:
        held = self._lock.acquire(timeout=timeout_s) if timeout_s else self._lock.acquire(False)
        try:
            yield held
        finally:
            if held:
                self._lock.release()

    def _finds_processors(self) -> bool:
        """Say whether there is somebody for the rows; until there is, calls wait."""
        self._processors.found()
        return self._processors.known is not None

    def _drain(self, *, few: bool) -> None:
        found = self._finds_processors()
        for channel in shared.channels.all():
            self.tally.touch(channel.key, channel.operation)
            if found and (few or len(channel.entries) >= _FEW_ENTRIES):
                # As many as there are now: callers must not keep the drain busy for ever.
                for _ in range(len(channel.entries)):
                    entries = _take_slice(channel)
                    if not entries:
                        break
                    self._count(channel, entries)

    def _count(self, channel: Channel, entries: list[Plain]) -> None:
        if not entries:
            return
        with guarded("pipeline.count"):
            for batch in self.tally.add(channel, entries):
                self._processors.take(batch)

    # -- reading -------------------------------------------------------------------------------

    def points(self) -> list[GaugePoint | CountPoint]:
        """Return the gauges and counts of all processors as they stand."""
        return self._processors.points()

    @contextmanager
    def frozen(self) -> Iterator[Tally]:
        """Give the up-to-date counts, and keep them still meanwhile."""
        if self._wanted:
            with guarded("pipeline.start"):  # it has ended, or could not be started then
                self.start()
        with self._locked(_COLLECT_TIMEOUT_S) as held:
            if held:
                self._drain(few=True)
                self._processors.tick(shared.clock())
            else:
                once(
                    "pipeline.busy",
                    "A collection waited %.0f s for the background work and shows the counts as "
                    "they stand.",
                    _COLLECT_TIMEOUT_S,
                )
            yield self.tally

    def reset(self) -> None:
        """Start from zero: this is a forked child. No lock of the parent is touched."""
        self._lock = threading.Lock()
        self._starting = threading.Lock()
        self._stop = threading.Event()
        self._thread = None
        self._wanted = False
        self._budget = Budget()
        self.tally = Tally(self._processors.value_bounds)
        shared.stride = 1
        for channel in shared.channels.all():
            channel.clear()
        self._processors.reset()


def _take_slice(channel: Channel) -> list[Plain]:
    """Take entries until they have 256 rows; one call may have more, of which 256 were kept."""
    entries: list[Plain] = []
    waiting = channel.entries
    rows = 0
    try:
        while rows < SLICE_ROWS:
            entry = waiting.popleft()
            entries.append(entry)
            rows += entry[2] or 1  # an empty batch is work too
    except IndexError:
        channel.waiting_bytes = 0
    return entries


def _do(all_work: list[Callable[[], None]]) -> None:
    for work in all_work:
        with guarded(f"pipeline.{work.__name__}"):
            work()


_current = Pipeline()


def current() -> Pipeline:
    """Return the pipeline of this process."""
    return _current


def start() -> None:
    """Start the background of this process, once."""
    read_settings()
    _current.start()


def help_out() -> None:
    """Drain one slice on this thread."""
    with guarded("pipeline.help_out"):
        _current.help_out()


def flush(timeout_s: float = _COLLECT_TIMEOUT_S) -> bool:
    """Count all that has finished, within a time limit."""
    return _current.flush(timeout_s)

"""The threads of an enabled exporter: one profiles rows, one sends what is finished.

Apart from each other, so that a platform that hangs keeps no row from being profiled; and apart
from the pipeline, which waits for neither.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from opentelemetry import context
from tidegauge import guard
from tidegauge.batch import Batch
from tidegauge.misconfiguration import misconfigured
from tidegauge.otel_private import SUPPRESS_KEY

from tidegauge_exporter_whylabs import sketches
from tidegauge_exporter_whylabs.backlog import Backlog
from tidegauge_exporter_whylabs.losses import Losses
from tidegauge_exporter_whylabs.profiler import Profiler
from tidegauge_exporter_whylabs.requirement import INSTALL
from tidegauge_exporter_whylabs.sender import Sender
from tidegauge_exporter_whylabs.spool import Spool

_logger = logging.getLogger("tidegauge")

#: An open profile is written down so often: what a process that is killed may lose.
CHECKPOINT_S = 60.0
# Rows are profiled together, which costs a tenth of what it does one batch at a time.
_STEP_S = 1.0
# Another process may have left something, or have ended.
_LOOK_S = 10.0


class Background:
    """What happens to rows after they were handed over. Its parts are built by whoever starts it.

    Parameters
    ----------
    backlog, profiler, spool, sender, losses
        The parts; see there.
    wall, monotonic : callable
        Unix seconds; seconds that never run backwards.
    """

    def __init__(
        self,
        backlog: Backlog,
        profiler: Profiler,
        spool: Spool,
        sender: Sender,
        losses: Losses,
        *,
        wall: Callable[[], float],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._backlog = backlog
        self._profiler = profiler
        self._spool = spool
        self._sender = sender
        self._losses = losses
        self._wall = wall
        self._monotonic = monotonic
        self._changed = threading.Condition()
        self._broken = False
        self._ends = False
        self._finished = False  # nothing is open or unprofiled any more
        self._idle = False  # nothing waits to be sent either
        self._checkpoint_s = monotonic() + CHECKPOINT_S
        self._threads: list[threading.Thread] = []

    def take(self, batch: Batch) -> None:
        """Let rows be profiled; nobody waits."""
        if self._broken:
            return
        self._backlog.append(batch)
        if self._finished:  # the end was none: this process goes on
            self._ends = self._finished = self._idle = False
            self._threads = []
        if not self._threads:
            self._start()

    def _start(self) -> None:
        for work in (self._profile, self._send):
            thread = threading.Thread(target=work, name=f"tidegauge-whylabs{work.__name__}",
                                      daemon=True)  # fmt: skip
            with suppress(RuntimeError):  # the interpreter ends
                thread.start()
                self._threads.append(thread)

    def end(self, timeout_s: float) -> None:
        """Close the open profiles and send what waits, within a limit; what isn't sent stays."""
        deadline_s = self._monotonic() + timeout_s
        if not self._threads:
            self._end_here(deadline_s)
        else:
            self._end_threads(timeout_s, deadline_s)
        self._losses.catch_up(now=True)

    def _end_threads(self, timeout_s: float, deadline_s: float) -> None:
        with self._changed:
            self._ends = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._finished, timeout_s)
            if self._finished:
                self._changed.wait_for(lambda: self._idle, max(0.0, deadline_s - self._monotonic()))
        if not self._finished:
            self._lose()

    def _end_here(self, deadline_s: float) -> None:
        """Do on this thread what is left: a process that ends can start no other."""
        if not len(self._backlog):
            return
        if sketches.are_loaded():
            self.step(ends=True)
            self._sender.send(deadline_s)
        else:
            self._lose()

    # -- the thread that profiles ----------------------------------------------------------------

    def _profile(self) -> None:
        if not self._load():
            return
        while not self._finished:
            with self._changed:
                if not self._ends:
                    self._changed.wait(_STEP_S)
                ends = self._ends
            with guard.guarded("whylabs.step"):
                self.step(ends=ends)
            if ends:
                with self._changed:
                    self._finished = True
                    self._changed.notify_all()

    def _load(self) -> bool:
        try:
            sketches.load_whylogs()
        except Exception as error:
            self._broken = True
            self._lose()
            if threading.main_thread().is_alive():  # else the process ends, and that was said
                message = (
                    f"whylogs: got {type(error).__name__} from its import; expected a release that "
                    "works with the packages beside it. No profiles are made; everything else goes "
                    f"on. {INSTALL}"
                )
                misconfigured(_logger, "whylogs", message)
                _logger.debug("whylogs", exc_info=error)
            with self._changed:
                self._finished = True
                self._changed.notify_all()
            return False
        return True

    def _lose(self) -> None:
        rows = sum(taken.batch.end_times.size for taken in self._backlog.pop_all())
        self._losses.lost(rows, "ended")

    def step(self, *, ends: bool = False) -> None:
        """Profile what waits, close what is over, write down what is open."""
        now_s = self._wall()
        self._profiler.take(self._backlog.pop_all(), now_s)
        closed = self._profiler.all() if ends else self._profiler.due(now_s)
        self._spool.put_down()
        for found in closed:
            with guard.guarded("whylabs.close"):
                trouble = self._spool.close(str(found.id), found.content())
                if trouble is not None:
                    self._losses.waits(str(self._spool.folder), _reason(trouble), _STEP_S)
        if closed:
            with self._changed:
                self._changed.notify_all()
        if ends:
            self._spool.end()
        elif self._monotonic() >= self._checkpoint_s:
            self._checkpoint_s = self._monotonic() + CHECKPOINT_S
            self._checkpoint()

    def _checkpoint(self) -> None:
        for found in self._profiler.changed():
            try:
                self._spool.checkpoint(str(found.id), found.content())
            except OSError as error:
                found.changed = True
                self._losses.waits(str(self._spool.folder), _reason(error), CHECKPOINT_S)
                return

    # -- the thread that sends -------------------------------------------------------------------

    def _send(self) -> None:
        # An app that traces its HTTP requests has no interest in ours.
        context.attach(context.set_value(SUPPRESS_KEY, True))
        hurried = False
        while True:
            if self._finished and not hurried:
                hurried = True
                self._sender.hurry()
            nothing_waits = False
            with guard.guarded("whylabs.send"):
                nothing_waits = self._sender.send()
            with self._changed:
                if hurried:
                    self._idle = nothing_waits
                    self._changed.notify_all()
                    if nothing_waits:
                        return
                wait_s = _LOOK_S if nothing_waits else self._sender.due_s() or _STEP_S
                if not self._finished or hurried:
                    self._changed.wait(min(wait_s, _LOOK_S))


def _reason(error: OSError) -> str:
    return error.strerror or type(error).__name__

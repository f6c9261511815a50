"""The end of a process: what was predicted last still reaches the backend.

In a group it is written down for the others, and who is the last to go exports for all. A process
alone exports what waits; at a normal exit the SDK's own exit handler does.

Three ways lead here, each within ``TIDEGAUGE_SHUTDOWN_TIMEOUT_S``. ``atexit``. SIGTERM, which ends
a process that does not handle it without any ``atexit``: so a handler is put where the default
would be, and lets the signal do afterwards what it would have done. And a finalizer of
``multiprocessing``, whose forked children end by ``os._exit``.

uvicorn handles SIGTERM, puts back what was there before, and raises SIGTERM again; so do
handlers of apps. Where what they put back is the default, the end begins before it is sent.
"""

from __future__ import annotations

import _thread
import atexit
import functools
import os
import signal
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from opentelemetry import metrics, trace
from opentelemetry._logs import get_logger_provider

from tidegauge import export_order, group, pipeline, sigterm, standing
from tidegauge.guard import guarded, once
from tidegauge.runtime import shared

#: Done at a normal end before the last flush, each within a limit of its own. SIGTERM waits for
#: none of them.
before_exit: list[Callable[[], None]] = []

_providers: weakref.WeakSet[Any] = weakref.WeakSet()
_installed = False
_leaving = False
# The processes of which the end is looked after, and has been: a forked child inherits both.
_finalized = 0
_left = 0

# Before the finalizers of queues and pools, which may wait for others.
_PRIORITY = 100
_MARK = "_tidegauge_flushes"
# A log may hang as an exporter does.
_SAID_S = 0.2


def watch(provider: object) -> None:
    """Export through this provider too at the end, not only through the global ones."""
    _providers.add(provider)


def install() -> None:
    """Flush at the end of this process; a second call does nothing."""
    global _installed  # noqa: PLW0603 - one a process
    if not _installed:
        _installed = True
        atexit.register(_at_exit)
    if threading.current_thread() is not threading.main_thread():
        return  # only the main thread may set a handler
    handler = signal.getsignal(signal.SIGTERM)
    if handler is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _on_sigterm)
    _flush_before_it_is_sent()


def handles_sigterm() -> bool:
    """Say whether the handler of SIGTERM is ours."""
    return signal.getsignal(signal.SIGTERM) is _on_sigterm


def _flush_before_it_is_sent() -> None:
    """Flush where this process sends itself what ends it: by the default, without a handler."""
    raise_signal, kill = signal.raise_signal, os.kill
    if getattr(raise_signal, _MARK, False):
        return

    @functools.wraps(raise_signal)
    def flush_and_raise(number: int, /) -> None:
        with _flushed_if(number == signal.SIGTERM):
            raise_signal(number)

    @functools.wraps(kill)
    def flush_and_kill(pid: int, number: int, /) -> None:
        with _flushed_if(number == signal.SIGTERM and pid == os.getpid()):
            kill(pid, number)

    setattr(flush_and_raise, _MARK, True)
    signal.raise_signal = flush_and_raise
    os.kill = flush_and_kill


@contextmanager
def _flushed_if(to_self: bool) -> Iterator[None]:
    ends = to_self and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    if ends:
        _flush_once()
    yield
    if ends:
        _go_on()


def prepare() -> None:
    """Arrange that a process which predicts is looked after, however it was set up."""
    pipeline.at_start.append(look_after)
    pipeline.each_second.append(sigterm.nudge)


def look_after() -> None:
    """Flush at the end of this process, also if it is a child of ``multiprocessing``."""
    global _finalized  # noqa: PLW0603 - one a process
    install()
    process = sys.modules.get("multiprocessing.process")
    if process is None or process.parent_process() is None or _finalized == os.getpid():
        return
    from multiprocessing.util import Finalize  # noqa: PLC0415 - it is loaded: this is its child

    _finalized = os.getpid()
    if handles_sigterm():
        sigterm.listen()
    Finalize(None, _at_end_of_child, exitpriority=_PRIORITY)


def flush(timeout_s: float) -> None:
    """Count what waits and export it: metrics first, for they are ours, then traces and logs."""
    deadline = time.monotonic() + timeout_s
    exported = _leave(deadline)
    providers = [] if exported else _metrics()
    _force_flush([*providers, trace.get_tracer_provider(), get_logger_provider()], deadline)


def step_aside() -> None:
    """Give up ports and exports: this process now only waits for a program that serves for it.

    Such a program inherits the settings, the port of the Prometheus endpoint among them.
    """
    timeout_millis = shared.settings.shutdown_timeout_s * 1000
    for provider in dict.fromkeys(_metrics()):
        shutdown = getattr(provider, "shutdown", None)
        if shutdown is not None:
            with guarded("exit.aside"):
                shutdown(timeout_millis=timeout_millis)


def _leave(deadline: float) -> bool:
    """Count what waits and leave the group; say whether this process was the one to export."""
    global _left  # noqa: PLW0603 - one a process
    with guarded("exit.drain"):
        pipeline.flush(_rest_s(deadline))
    if _left == os.getpid():
        return False
    if not group.current().active:
        _conclude(deadline)
        return False
    _left = os.getpid()
    exported = False

    def export() -> None:
        nonlocal exported
        exported = True
        _conclude(deadline)
        _force_flush(_metrics(), deadline)

    # What others would not know comes first: on a busy machine there may be no time for the rest.
    with guarded("exit.publish"):
        standing.desk().publish()
    # An exporter that hangs leaves the other half of the time.
    with guarded("exit.leave"), export_order.quiet(_rest_s(deadline) / 2):
        # Where workers live for less than a second nobody else would lead.
        group.current().tick(time.monotonic())
        pipeline.current().hand_over(_rest_s(deadline))
        standing.desk().publish()
        group.current().leave(_rest_s(deadline), export)
    return exported


def _conclude(deadline: float) -> None:
    """Let a job that was too short for a verdict have one; the export needs the other half."""
    with guarded("exit.conclude"):
        pipeline.current().end(_rest_s(deadline) / 2)


def _metrics() -> list[Any]:
    return [metrics.get_meter_provider(), *_providers]


def _force_flush(providers: Iterable[Any], deadline: float) -> None:
    for provider in dict.fromkeys(providers):
        force_flush = getattr(provider, "force_flush", None)
        if force_flush is not None:
            with guarded("exit.flush"):
                force_flush(timeout_millis=int(_rest_s(deadline) * 1000))


def _rest_s(deadline: float) -> float:
    return max(0.0, deadline - time.monotonic())


def _at_exit() -> None:
    # The SDK's exit handler was registered earlier, so it runs after this one. It exports what is
    # this process's own; what is the group's is exported here, by the last to go.
    timeout_s = _prepare()
    deadline = time.monotonic() + timeout_s
    if not group.current().active:
        _conclude(deadline)
    elif not _aside(lambda: _leave(deadline), timeout_s):
        _leave(deadline)


def _prepare() -> float:
    """Wait for what the last flush needs, if anything; return what is left of its own time."""
    deadline = time.monotonic() + shared.settings.shutdown_timeout_s
    with guarded("exit.drain"):
        pipeline.flush(_rest_s(deadline))  # who has seen no row yet does not know what it needs
    rest_s = _rest_s(deadline)
    for work in before_exit:
        with guarded("exit.before"):
            work()
    return rest_s


def _at_end_of_child() -> None:
    # After this comes ``os._exit``: no exit handler of the SDK.
    timeout_s = _prepare()
    if not _aside(lambda: flush(timeout_s), timeout_s):
        flush(timeout_s)


def _on_sigterm(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature of handlers
    _flush_once()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.raise_signal(signal.SIGTERM)
    _go_on()


def _flush_once() -> None:
    global _leaving  # noqa: PLW0603 - one a process
    if not _leaving:  # a second SIGTERM does not wait for the first
        _leaving = True
        timeout_s = shared.settings.shutdown_timeout_s
        _aside(lambda: flush(timeout_s), timeout_s)


def _go_on() -> None:
    """Be as before: the kernel spares process 1 of a container."""
    global _leaving, _left
    _leaving, _left = False, 0


def _aside(work: Callable[[], object], timeout_s: float) -> bool:
    """Work in another thread and wait for it, but not longer than the limit.

    A signal interrupts the main thread anywhere, perhaps inside a lock of the SDK, of logging or of
    ``threading.Thread.start``: so nothing here takes a lock that others hold.

    Returns
    -------
    bool
        False where no thread is to be had: the interpreter is ending already.
    """
    done = _begun(work)
    if done is None:
        return False
    if not done.acquire(timeout=timeout_s) and timeout_s:
        said = _begun(lambda: _say_what_is_left(timeout_s))
        if said is not None:
            said.acquire(timeout=_SAID_S)
    return True


def _begun(work: Callable[[], object]) -> Any:
    """Begin to work in another thread; return a lock that is free when it is done."""
    done = _thread.allocate_lock()
    done.acquire()

    def run() -> None:
        try:
            work()
        except BaseException:  # noqa: S110 - nobody is left to be told
            pass
        finally:
            done.release()

    try:
        _thread.start_new_thread(run, ())
    except RuntimeError:
        return None
    return done


def _say_what_is_left(timeout_s: float) -> None:
    once(
        "exit.timeout",
        "TIDEGAUGE_SHUTDOWN_TIMEOUT_S: the last flush of process %d was not done after %g s, and "
        "is left: what it predicted last may be missing. Set it higher, or see why this host or "
        "what it exports to is slow.",
        os.getpid(),
        timeout_s,
    )

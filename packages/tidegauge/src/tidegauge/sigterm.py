"""SIGTERM ends a child of ``multiprocessing`` with a handler of ours as it would without one.

By default the kernel ends a process at once. A handler in Python runs when the main thread next
comes to the interpreter, and there are three ways in which it never does. Whoever waits for the
child then waits for ever: ``Pool.terminate`` does, which joblib calls after each parallel call.

- CPython forgets in a forked child what came before its first step (``PyOS_AfterFork_Child``). So
  the kernel keeps the signal back during a fork.
- A pool's worker waits for work in a lock of the system that another worker held when it was ended.
  The signal interrupts that, unless it comes a moment before the wait begins. So a worker that has
  predicted nothing has no handler of ours.
- And in one that has, the background thread interrupts the wait, with a signal that nothing else
  hears.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

import wrapt

from tidegauge.guard import guarded

# How often the main thread is interrupted after a SIGTERM, about once a second.
_NUDGES = 10

_forking = threading.local()
_reader, _writer, _due = -1, -1, 0


def install(handled: Callable[[], bool]) -> None:
    """Look after forks and children for as long as ``handled()``; once in a process."""
    if not hasattr(os, "register_at_fork"):  # pragma: no cover - Windows has neither
        return

    def before() -> None:
        _forking.holds = False
        if handled():
            earlier = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
            _forking.holds = signal.SIGTERM not in earlier

    def after() -> None:
        if getattr(_forking, "holds", False):
            _forking.holds = False
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})

    def after_in_child() -> None:
        with guarded("fork.sigterm"):
            _forget()
        after()

    def child_begins(_: object) -> None:
        if handled() and _is_of_a_pool():  # pragma: no cover - it ends by SIGTERM, unmeasured
            signal.signal(signal.SIGTERM, signal.SIG_DFL)

    os.register_at_fork(before=before, after_in_parent=after, after_in_child=after_in_child)
    wrapt.register_post_import_hook(
        # Kept for as long as its first argument lives: that of this process.
        lambda util: util.register_after_fork(install, child_begins),
        "multiprocessing.util",
    )


def _is_of_a_pool() -> bool:
    pool = sys.modules.get("multiprocessing.pool")
    process: Any = sys.modules["multiprocessing.process"].current_process()
    return pool is not None and getattr(process, "_target", None) is pool.worker


def listen() -> None:
    """Let ``nudge`` know when SIGTERM comes; in the main thread of a child of multiprocessing."""
    global _reader, _writer
    on_main_thread = threading.current_thread() is threading.main_thread()
    if _reader != -1 or not on_main_thread or signal.getsignal(signal.SIGURG) is not signal.SIG_DFL:
        return
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    earlier = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    if earlier != -1:  # an event loop's, which waits where it can hear
        signal.set_wakeup_fd(earlier)
        os.close(reader)
        os.close(writer)
        return
    signal.signal(signal.SIGURG, _nothing)
    _reader, _writer = reader, writer


def nudge() -> None:
    """Interrupt the main thread if SIGTERM has come and the process is still here."""
    global _due  # noqa: PLW0603 - one a process
    if _reader == -1:
        return
    try:
        if signal.SIGTERM in os.read(_reader, 4096):
            _due = _NUDGES
    except BlockingIOError:
        pass
    if _due:
        _due -= 1
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGURG)


def _nothing(*_: object) -> None:
    """Have no effect but that a wait is interrupted."""


def _forget() -> None:
    global _reader, _writer, _due
    if _reader != -1:
        signal.set_wakeup_fd(-1)
        os.close(_reader)
        os.close(_writer)
        _reader, _writer, _due = -1, -1, 0

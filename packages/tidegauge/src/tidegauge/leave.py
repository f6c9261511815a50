"""The end of a process: what was predicted last still reaches the backend.

``atexit`` counts what waits, before the SDK's own exit handler exports it. SIGTERM ends a process
that does not handle it without any ``atexit``, and so does uvicorn, which handles it and then
raises it again. So a handler is put where the default would be: it exports what waits, within
``TIDEGAUGE_SHUTDOWN_TIMEOUT_S``, and then lets the signal do what it would have done.
"""

from __future__ import annotations

import _thread
import atexit
import signal
import threading
import weakref
from types import FrameType
from typing import Any

from opentelemetry import metrics, trace
from opentelemetry._logs import get_logger_provider

from tidegauge import pipeline
from tidegauge.guard import guarded
from tidegauge.runtime import shared

_providers: weakref.WeakSet[Any] = weakref.WeakSet()
_installed = False
_leaving = False


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
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _on_sigterm)


def flush(timeout_s: float) -> None:
    """Count what waits and export it: metrics first, for they are ours, then traces and logs."""
    with guarded("exit.drain"):
        pipeline.flush(timeout_s)
    found = [metrics.get_meter_provider(), *_providers]
    found += [trace.get_tracer_provider(), get_logger_provider()]
    for provider in dict.fromkeys(found):
        force_flush = getattr(provider, "force_flush", None)
        if force_flush is not None:
            with guarded("exit.flush"):
                force_flush(timeout_millis=int(timeout_s * 1000))


def _at_exit() -> None:
    # The SDK's exit handler was registered earlier, so it runs after this one and exports.
    with guarded("exit.drain"):
        pipeline.flush(shared.settings.shutdown_timeout_s)


def _on_sigterm(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature of handlers
    global _leaving  # noqa: PLW0603 - one a process
    if not _leaving:  # a second SIGTERM does not wait for the first
        _leaving = True
        _flush_aside(shared.settings.shutdown_timeout_s)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.raise_signal(signal.SIGTERM)
    # Still here: the kernel spares process 1 of a container. It goes on as without us.
    _leaving = False


def _flush_aside(timeout_s: float) -> None:
    """Flush in another thread and wait for it, but not longer than the limit.

    This interrupted the main thread anywhere, perhaps inside a lock of the SDK, of logging or of
    ``threading.Thread.start``: so nothing here takes a lock that others hold.
    """
    done = _thread.allocate_lock()
    done.acquire()

    def work() -> None:
        try:
            flush(timeout_s)
        except BaseException:  # noqa: S110 - nobody is left to be told
            pass
        finally:
            done.release()

    try:
        _thread.start_new_thread(work, ())
    except RuntimeError:  # no thread to be had: the interpreter is ending already
        return
    done.acquire(timeout=timeout_s)

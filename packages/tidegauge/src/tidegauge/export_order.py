"""The order of exports: one after another for each reader, and none across the end of a lead.

The SDK's readers collect first and wait for their exporter after. Of two threads, the reader's own
and one that flushes, the one that has collected first may so export last: what a backend refuses,
for it has newer points. And a leader that goes while an export is under way takes it along: the
next leader takes for told what nobody has got.
"""

from __future__ import annotations

import functools
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

# What the SDK gives ``collect`` where nobody says.
_TIMEOUT_MS = 10_000.0

#: Held from the collection to the end of the export. The thread that ends a process holds those of
#: all readers, and flushes.
_turns: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()


def one_by_one(reader: Any) -> None:
    """Let a reader that pushes collect and export as one step."""
    collect = reader.collect
    _turns[reader] = threading.RLock()

    @functools.wraps(collect)
    def collect_in_turn(*args: Any, **kwargs: Any) -> Any:
        timeout_ms = kwargs.get("timeout_millis", args[0] if args else _TIMEOUT_MS)
        with _turn(reader, timeout_ms / 1000):
            return collect(*args, **kwargs)

    reader.collect = collect_in_turn


@contextmanager
def _turn(reader: Any, timeout_s: float) -> Iterator[None]:
    turn = _turns[reader]
    held = turn.acquire(timeout=min(max(0.0, timeout_s), threading.TIMEOUT_MAX))
    try:
        yield  # also where it was not to be had: the exporter has a lock of its own
    finally:
        if held:
            turn.release()


@contextmanager
def quiet(timeout_s: float) -> Iterator[None]:
    """Let exports that are under way end, within a limit; meanwhile only this thread exports."""
    deadline = time.monotonic() + timeout_s
    with ExitStack() as stack:
        for reader in list(_turns):
            stack.enter_context(_turn(reader, deadline - time.monotonic()))
        yield


def reset() -> None:
    """Let go of what threads of the parent held: this is a forked child."""
    for reader in list(_turns):
        _turns[reader] = threading.RLock()

"""The thread and the processors of the background: had late, once, and again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tidegauge import guard
from tidegauge.batch import ModelKey
from tidegauge.pipeline import Pipeline

KEY = ModelKey("Stub")
ROW = np.ones((1, 3))


def test_two_threads_start_one_background(threaded: Any) -> None:
    """Whoever comes second finds it running, at either of the two looks."""
    second = Pipeline.start

    class Slow:
        """A lock that is got just after another thread has let go of it."""

        def acquire(self, blocking: bool = True) -> bool:
            running._starting = threading.Lock()
            second(running)
            running._starting = self
            return True

        def release(self) -> None:
            """Do nothing."""

    running = threaded.pipeline
    running._starting = Slow()
    running.start()
    names = [t.name for t in threading.enumerate() if t is running._thread]
    assert ["tidegauge"] == names
    started = running._thread
    running.start()
    assert started is running._thread


def test_the_thread_starts_once_and_anew_when_it_has_died(
    threaded: Any, until: Callable[[Callable[[], object]], None]
) -> None:
    """By itself with the next model."""
    threads = [threading.Thread(target=threaded.pipeline.start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    first = threaded.pipeline._thread
    assert 1 == sum(
        thread.name == "tidegauge" for thread in threading.enumerate() if thread is first
    )
    threaded.pipeline.stop()
    until(lambda: not first.is_alive())
    threaded.pipeline.start()
    assert threaded.pipeline._thread is not first
    assert threaded.pipeline._thread.is_alive()


def test_where_no_thread_is_to_be_had_collections_drain_and_try_again(threaded: Any) -> None:
    """A limit of the system's: nothing is lost, and when there is room again it goes on."""
    earlier = threading.stack_size(1 << 60)  # more than there is
    try:
        threaded.model().predict(ROW)
        with threaded.pipeline.frozen() as tally:
            assert 1 == tally.calls[KEY, "predict"].success
    finally:
        threading.stack_size(earlier)
    assert {"pipeline.start:RuntimeError": 2} == guard.counts()
    assert not threaded.pipeline._thread
    with threaded.pipeline.frozen():
        assert threaded.pipeline._thread.is_alive()


def test_a_thread_that_was_stopped_stays_so(threaded: Any) -> None:
    """Whoever collects then starts none."""
    threaded.pipeline.start()
    threaded.pipeline.stop()
    with threaded.pipeline.frozen():
        assert not threaded.pipeline._wanted


def test_starting_waits_for_nobody(threaded: Any) -> None:
    """Not for a drain that takes long, nor for another thread that starts it already."""
    with threaded.pipeline._locked(1):
        threaded.pipeline.start()
        assert threaded.pipeline._thread.is_alive()
    fresh = Pipeline([])
    with fresh._starting:
        fresh.start()
    assert fresh._thread is None


def test_processors_are_found_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the first use, by entry point."""
    loads: list[int] = []

    def load() -> list[Any]:
        loads.append(1)
        return []

    monkeypatch.setattr("tidegauge.processing.load_processors", load)
    fresh = Pipeline()
    assert fresh.processors() is fresh.processors()
    assert [1] == loads


@pytest.mark.parametrize("ask", ["frozen", "flush", "help_out"])
def test_calls_wait_for_processors_that_cannot_be_found_yet(
    core: Any, monkeypatch: pytest.MonkeyPatch, ask: str
) -> None:
    """Too many files are open, for one: whoever asks meanwhile is answered, and no call is lost."""
    fails = True

    def load() -> list[Any]:
        if fails:
            raise OSError(24, "Too many open files")
        return []

    def total() -> int:
        if ask == "frozen":
            with core.pipeline.frozen():
                pass
        else:
            getattr(core.pipeline, ask)()
        return sum(counts.success for counts in core.pipeline.tally.calls.values())

    core.pipeline._processors.known = None
    monkeypatch.setattr("tidegauge.processing.load_processors", load)
    core.model().predict(ROW)
    assert 0 == total()
    assert guard.counts()["pipeline.processors:OSError"] >= 1
    fails = False
    assert 1 == total()


LAST = """
import os, sys
import tidegauge

class Last:
    def __init__(self):
        self.model, self.write = tidegauge.Model("late"), os.write

    def __del__(self):
        with self.model.prediction([1.0]) as p:
            p.output = 1.0
        self.write(1, b"served")

with tidegauge.Model("first").prediction([1.0]) as p:
    p.output = 1.0
sys.modules["last"] = Last()
"""


def test_a_first_prediction_while_the_interpreter_ends_does_not_hang(
    python: Callable[..., Any],
) -> None:
    """An object that lives until then may predict as it goes; a thread cannot be had any more."""
    done = python(LAST)
    assert ("served", 0) == (done.stdout, done.returncode)

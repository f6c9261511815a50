"""A forked child starts from zero and never hangs; the parent's counts stay the parent's."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from tidegauge import forking, guard

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")

HEAD = """
import json, logging, os, sys, threading, time
import numpy as np
import tidegauge
from tidegauge import guard, pipeline
from tidegauge.prediction_ids import new as new_prediction_id
from tidegauge.group.launch import Launch
from tidegauge.producer import Producer
from tidegauge.runtime import shared
from tidegauge_testkit.forks import in_child
tidegauge.group.current().launch = Launch()  # each process alone, as where there is no /proc
model = tidegauge.Model("m")
def predict(n=1):
    for _ in range(n):
        with model.prediction([1.0, 2.0]) as p:
            p.output = 0.5
def success():
    assert tidegauge.flush()
    return sum(c.success for c in pipeline.current().tally.calls.values())
"""

# An app that only records: nothing that exports is loaded.
RECORDING_ONLY = """
import os, sys, tidegauge
def success():
    assert tidegauge.flush()
    return sum(c.success for c in tidegauge.pipeline.current().tally.calls.values())
model = tidegauge.Model("m")
def predict():
    with model.prediction([1.0]) as p:
        p.output = 0.5
predict()
print("tidegauge.producer" in sys.modules, flush=True)
if os.fork() == 0:
    predict()
    print("child", success(), flush=True)
    os._exit(0)
os.wait()
print("parent", success())
"""

Run = Callable[[str], list[str]]


@pytest.fixture
def run(python: Callable[..., Any]) -> Run:
    """Run code after the head; return the lines that it prints."""

    def run_code(code: str) -> list[str]:
        done = python(HEAD + code)
        assert ("", 0) == (done.stderr, done.returncode)
        return str(done.stdout).splitlines()

    return run_code


def test_a_child_counts_from_zero(run: Run) -> None:
    """What waited in the parent's deques is the parent's; each has its own counts after."""
    assert ["0 3 95"] == run(
        """
predict(90)  # fewer than make it ask who listens; some of them not yet counted
def child():
    before = success()
    predict(3)
    return before, success()
before, after = in_child(child)
predict(5)
print(before, after, success())
"""
    )


def test_a_childs_thread_starts_with_its_next_call(run: Run) -> None:
    """Without a flush by anybody, the child's calls are counted and its ids are its own."""
    assert ["True True True"] == run(
        """
predict()
parent = new_prediction_id()
def child():
    idle = pipeline.current()._thread is None
    predict()
    deadline = time.monotonic() + 10
    while not pipeline.current().tally.total and time.monotonic() < deadline:
        time.sleep(0.01)
    return idle, pipeline.current().tally.total == 1, new_prediction_id().split("-")[0]
idle, counted, child_id = in_child(child)
print(idle, counted, child_id != parent.split("-")[0])
"""
    )


def test_a_child_does_not_wait_for_a_thread_that_is_not_there(run: Run) -> None:
    """Another thread held the drain lock, and a reader's, when the process forked."""
    assert ["[true, 1, 1]"] == run(
        """
predict()
producer = Producer()
producer.produce()
held, leave = threading.Event(), threading.Event()
def hold():
    with pipeline.current()._lock, pipeline.current()._starting, producer._lock:
        held.set()
        leave.wait()
thread = threading.Thread(target=hold)
thread.start()
held.wait()
def child():
    predict()
    flushed = tidegauge.flush()
    found = {
        m.name: sum(p.value for p in m.data.data_points)
        for m in producer.produce().metrics if m.name == "model.requests"
    }
    return flushed, success(), found["model.requests"]
print(json.dumps(in_child(child)))
leave.set()
thread.join()
"""
    )


def test_faults_and_a_full_buffer_are_not_inherited(run: Run) -> None:
    """The child has its own."""
    assert ["{} 1 1"] == run(
        """
predict()
logging.disable()
guard.fault("parent")
shared.stride = 0
counts, stride, used = in_child(lambda: (
    guard.counts(), shared.stride,
    (predict(), success(), [r.used for r in pipeline.current().tally.rows.values()][0])[-1]))
print(counts, stride, used)
"""
    )


def test_deltas_of_a_child_begin_with_it(run: Run) -> None:
    """The parent's baseline is not subtracted from the child's counts."""
    assert ["[2, 7]"] == run(
        """
from opentelemetry.sdk.metrics.export import AggregationTemporality
producer = Producer(sums=AggregationTemporality.DELTA)
def requests():
    return [sum(p.value for p in m.data.data_points)
            for m in producer.produce().metrics if m.name == "model.requests"][0]
predict(10)
requests()
def child():
    predict(2)
    first = requests()
    predict(7)
    return first, requests()
print(json.dumps(in_child(child)))
"""
    )


def test_a_grandchild_too(run: Run) -> None:
    """Each generation starts from zero."""
    assert ["[1, [2, 3]]"] == run(
        """
predict()
def child():
    predict(2)
    def grandchild():
        predict(3)
        return success()
    return success(), in_child(grandchild)
print(json.dumps([success(), in_child(child)]))
"""
    )


def test_what_a_fork_does_here(core: Any) -> None:
    """The hook itself, without a fork: faults, channels and processors start anew."""
    model = core.model()
    model.predict([[1.0]])
    guard.fault("parent")
    before = core.pipeline.tally
    forking._after_in_child()
    core.pipeline.flush()
    assert core.pipeline.tally is not before
    assert ({}, 1, 0) == (guard.counts(), core.recorder.resets, core.pipeline.tally.total)
    model.predict([[1.0]])
    core.pipeline.flush()
    assert 1 == core.pipeline.tally.total


def test_a_fault_in_the_hook_does_not_end_the_child(
    core: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is counted in the child."""

    def boom() -> None:
        raise RuntimeError

    monkeypatch.setattr("tidegauge.identity.forget_all", boom)
    forking._after_in_child()
    monkeypatch.undo()
    assert {"fork:RuntimeError": 1} == guard.counts()


def test_a_process_that_only_records_forks_too(python: Callable[..., Any]) -> None:
    """Without anything that exports in either of the two."""
    done = python(RECORDING_ONLY)
    assert ("", ["False", "child 1", "parent 1"]) == (done.stderr, done.stdout.splitlines())

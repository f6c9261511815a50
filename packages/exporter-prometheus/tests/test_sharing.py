"""The shared call: one at a time, never stale, never waiting for ever."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tidegauge_exporter_prometheus.sharing import SharedCall


def test_callers_in_turn_get_a_call_each() -> None:
    """Without others there is nothing to share."""
    numbers = iter(range(10))
    call = SharedCall(lambda: next(numbers))
    assert [call(1.0), call(1.0), call(1.0)] == [0, 1, 2]


def test_callers_that_wait_share_the_next_call(wait_for: Any) -> None:
    """Sixteen who come while one call runs cost one more, which began after they asked."""
    gate, entered, calls = threading.Event(), threading.Event(), []

    def work() -> int:
        calls.append(1)
        number = len(calls)
        entered.set()
        assert gate.wait(10)
        return number

    call = SharedCall(work)
    with ThreadPoolExecutor(17) as pool:
        first = pool.submit(call, 10.0)
        assert entered.wait(10)
        others = [pool.submit(call, 10.0) for _ in range(16)]
        wait_for(lambda: len(call._turn._waiters) == 16)  # type: ignore[attr-defined]
        gate.set()
        assert first.result() == 1
        assert {other.result() for other in others} == {2}
    assert len(calls) == 2


def test_a_caller_waits_only_so_long() -> None:
    """A call that hangs holds up its own caller alone."""
    gate, entered = threading.Event(), threading.Event()

    def work() -> int:
        entered.set()
        assert gate.wait(10)
        return 1

    call = SharedCall(work)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(call, 10.0)
        assert entered.wait(10)
        with pytest.raises(TimeoutError):
            call(0.01)
        gate.set()
        assert first.result() == 1
    assert call(1.0) == 1


def test_an_exception_reaches_its_callers_and_the_next_call_is_fresh() -> None:
    """A failure is not remembered."""
    outcomes: Any = iter([ValueError("x"), 7])

    def work() -> int:
        outcome = next(outcomes)
        if isinstance(outcome, Exception):
            raise outcome
        return int(outcome)

    call = SharedCall(work)
    with pytest.raises(ValueError, match="x"):
        call(1.0)
    assert call(1.0) == 7


def test_an_interrupted_call_frees_the_turn() -> None:
    """KeyboardInterrupt in one caller does not lock out all others."""
    outcomes: Any = iter([KeyboardInterrupt(), None])

    def work() -> int:
        outcome = next(outcomes)
        if outcome is not None:
            raise outcome
        return 7

    call = SharedCall(work)
    with pytest.raises(KeyboardInterrupt):
        call(1.0)
    assert call(1.0) == 7

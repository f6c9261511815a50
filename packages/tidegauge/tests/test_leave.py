"""The end of a process in its group, with the group's files and without its readers."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader
from tidegauge import leave
from tidegauge.group import Group, locks
from tidegauge.group.launch import detect

pytestmark = pytest.mark.skipif(not locks.AVAILABLE, reason="the system has no flock")


@pytest.fixture
def group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Group]:
    """Return the group of this process, a child that has just predicted for the first time."""
    monkeypatch.setattr("tidegauge.group.group._LAUNCHER_FIRST_S", 0.0)
    monkeypatch.setattr(leave, "_left", 0)
    made = Group(replace(detect({}), child=True), tmp_path)
    made.predicts = made.attached = True
    yield made
    made._descriptors.abandon()


def test_a_process_that_ends_at_once_does_the_leaders_work_if_nobody_does(
    core: Any, group: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers may all live for less than a second: between two ticks of the background."""
    monkeypatch.setattr("tidegauge.group.group._current", group)
    led: list[bool] = []
    monkeypatch.setattr(core.recorder, "on_leave", lambda _: led.append(group.leads))
    assert leave._leave(time.monotonic() + 5)

    assert [True] == led
    assert not group.leads


class Reader(MetricReader):
    """A reader that says when it is shut down."""

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__()
        self.ended = 0
        self._error = error

    def _receive_metrics(self, metrics_data: Any, timeout_millis: float = 0, **_: Any) -> None:
        """Take nothing."""

    def shutdown(self, timeout_millis: float = 0, **_: Any) -> None:
        """Count it."""
        self.ended += 1
        if self._error is not None:
            raise self._error


def test_a_process_that_waits_for_a_server_gives_up_its_exports() -> None:
    """Those of every provider that is known, whatever becomes of one of them."""
    readers = [Reader(), Reader(ValueError("no"))]
    providers = [MeterProvider([reader], shutdown_on_exit=False) for reader in readers]
    for provider in providers:
        leave.watch(provider)
    leave.step_aside()
    assert [1, 1] == [reader.ended for reader in readers]
    for provider in providers:
        leave._providers.discard(provider)


@pytest.mark.parametrize(
    ("end", "said"), [("", "before True\n"), ("os.kill(os.getpid(), signal.SIGTERM)", "")]
)
def test_a_normal_end_waits_for_what_the_last_flush_needs(
    python: Callable[..., Any], end: str, said: str
) -> None:
    """When all rows have been seen, whatever becomes of one of them; SIGTERM waits for none."""
    code = f"""
import os, signal, tidegauge
from tidegauge import leave, pipeline
total = lambda: pipeline.current().tally.total == 7
leave.before_exit += [lambda: 1 / 0, lambda: print("before", total(), flush=True)]
for _ in range(7):
    with tidegauge.Model("m").prediction([1.0]) as p:
        p.output = 0.5
{end}
"""
    assert said == python(code).stdout


@pytest.mark.usefixtures("core")
def test_a_flush_that_is_left_at_the_end_is_said(
    warnings_of: Callable[[], list[str]], until: Callable[[Callable[[], object]], None]
) -> None:
    """Somebody misses what was predicted last; who wants no flush misses nothing."""
    never = threading.Event()
    try:
        assert leave._aside(lambda: None, 60.0)
        assert leave._aside(never.wait, 0.0)
        assert [] == warnings_of()
        assert leave._aside(never.wait, 0.01)
        until(warnings_of)
    finally:
        never.set()
    assert [
        f"TIDEGAUGE_SHUTDOWN_TIMEOUT_S: the last flush of process {os.getpid()} was not done after "
        "0.01 s, and is left: what it predicted last may be missing. Set it higher, or see why "
        "this host or what it exports to is slow."
    ] == warnings_of()

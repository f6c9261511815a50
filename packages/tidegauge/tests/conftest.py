"""One core a test: its own pipeline, channels, settings, counts of faults and clock."""

from __future__ import annotations

import functools
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from tidegauge import guard, identity, pipeline
from tidegauge.batch import Batch, CountPoint, GaugePoint
from tidegauge.channel import Channels
from tidegauge.configuration import CoreSettings
from tidegauge.info import ModelInfo
from tidegauge.observe import observer
from tidegauge.pipeline import Pipeline
from tidegauge.runtime import shared

START_S = 1_700_000_000.0
LIMIT_S = 20.0


@dataclass
class Clock:
    """A clock that goes when it is told to."""

    now_s: float = START_S

    def __call__(self) -> float:
        """Return the time."""
        return self.now_s


@dataclass
class Recorder:
    """A processor that keeps what it is handed."""

    batches: list[Batch] = field(default_factory=list)
    ticks: list[float] = field(default_factory=list)
    gauges: list[GaugePoint | CountPoint] = field(default_factory=list)
    resets: int = 0

    def on_batch(self, batch: Batch) -> None:
        """Keep the batch."""
        self.batches.append(batch)

    def on_tick(self, now_s: float) -> None:
        """Keep the time."""
        self.ticks.append(now_s)

    def points(self) -> list[GaugePoint | CountPoint]:
        """Return what the test has set."""
        return self.gauges

    def reset(self) -> None:
        """Count the forks."""
        self.resets += 1


@dataclass
class Core:
    """The core of one test."""

    pipeline: Pipeline
    recorder: Recorder
    clock: Clock
    use: Callable[[list[Any]], Pipeline]

    def model(
        self,
        answer: Callable[[Any], object] = lambda data: data,
        operation: str = "predict",
        **info: Any,
    ) -> Any:
        """Return a model whose method is watched as an integration watches it."""

        class Stub:
            def call(self, data: Any) -> object:
                return answer(data)

        found = ModelInfo("stub", info.pop("class_name", "Stub"), **info)
        wrapper = observer(operation, lambda _: found)(Stub.call)
        setattr(Stub, operation, functools.update_wrapper(wrapper, Stub.call))
        return Stub()


def halt(running: Pipeline) -> None:
    """Stop a pipeline's thread."""
    running.stop()
    if running._thread is not None:
        running._thread.join(LIMIT_S)


@pytest.fixture
def core(monkeypatch: pytest.MonkeyPatch) -> Iterator[Core]:
    """Provide a core without a background thread: the test drains it."""
    recorder, clock = Recorder(), Clock()
    halt(pipeline._current)  # its thread would drain our channels
    monkeypatch.setattr(shared, "clock", clock)
    monkeypatch.setattr(shared, "channels", Channels())
    monkeypatch.setattr(shared, "stride", 1)
    monkeypatch.setattr(shared, "settings", CoreSettings())
    monkeypatch.setattr(identity, "_named_by_environment", set())
    identity.forget_all()
    guard.reset()

    def use(processors: list[Any]) -> Pipeline:
        made = Pipeline(processors)
        monkeypatch.setattr(pipeline, "_current", made)
        return made

    monkeypatch.setattr(Pipeline, "start", lambda _: None)
    yield Core(use([recorder]), recorder, clock, use)
    guard.reset()
    identity.forget_all()


@pytest.fixture
def threaded(core: Core, monkeypatch: pytest.MonkeyPatch) -> Iterator[Core]:
    """Provide a core whose background thread runs from the first prediction on."""
    monkeypatch.undo()
    monkeypatch.setattr(shared, "channels", Channels())
    monkeypatch.setattr(shared, "settings", CoreSettings())
    monkeypatch.setattr(shared, "clock", core.clock)
    monkeypatch.setattr(shared, "stride", 1)
    monkeypatch.setattr(pipeline, "_current", core.pipeline)
    yield core
    halt(core.pipeline)


@pytest.fixture
def until() -> Callable[[Callable[[], object]], None]:
    """Wait for a condition, with a deadline."""

    def wait(condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + LIMIT_S
        while not condition():
            assert time.monotonic() < deadline, "the condition was not met in time"
            time.sleep(0.002)

    return wait


@pytest.fixture
def warnings_of(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """Return the lines at WARNING and above that the suite has logged so far."""

    def lines() -> list[str]:
        return [
            record.getMessage()
            for record in caplog.records
            if record.name == "tidegauge" and record.levelno >= logging.WARNING
        ]

    return lines


@pytest.fixture
def python() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run code in a process of its own."""

    def run(code: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-W", "ignore::DeprecationWarning", "-c", code],
            env={"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1", **environ},
            capture_output=True,
            text=True,
            timeout=LIMIT_S * 2,
            check=False,
        )

    return run

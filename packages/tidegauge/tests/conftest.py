"""One core a test: its own pipeline, channels, settings, counts of faults and clock."""

from __future__ import annotations

import functools
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk._logs import LoggerProvider, export
from opentelemetry.sdk.resources import Resource
from tidegauge import codec, guard, identity, pipeline, sources, standing, unsent
from tidegauge.batch import Batch, CountPoint, GaugePoint
from tidegauge.channel import Channels
from tidegauge.configuration import CoreSettings
from tidegauge.group import Group
from tidegauge.group.launch import Launch, detect, look
from tidegauge.info import ModelInfo
from tidegauge.ledger import COUNTERS, merge_when_they_end
from tidegauge.observe import observer
from tidegauge.pipeline import Pipeline
from tidegauge.points import SumPoint
from tidegauge.runtime import shared
from tidegauge.sources import Sources
from tidegauge.standing import Desk
from tidegauge.totals import Totals
from tidegauge_semconv import metrics

START_S = 1_700_000_000.0
LIMIT_S = 20.0
Memory: Any = getattr(export, "InMemoryLogRecordExporter", None) or export.InMemoryLogExporter
# Where coverage is measured, that of other processes too.
MEASURED = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}


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
    left: list[float] = field(default_factory=list)
    ended: list[float] = field(default_factory=list)

    def on_batch(self, batch: Batch) -> None:
        """Keep the batch."""
        self.batches.append(batch)

    def on_tick(self, now_s: float) -> None:
        """Keep the time."""
        self.ticks.append(now_s)

    def points(self) -> list[GaugePoint | CountPoint]:
        """Return what the test has set."""
        return self.gauges

    def on_leave(self, now_s: float) -> None:
        """Keep the time."""
        self.left.append(now_s)

    def on_end(self, now_s: float, timeout_s: float) -> None:
        """Keep the time."""
        self.ended.append(now_s)

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
    monkeypatch.setattr("tidegauge.group.group._current", Group(Launch()))  # alone
    monkeypatch.setattr(sources, "_current", Sources([]))
    monkeypatch.setattr(identity, "_named_by_environment", set())
    identity.forget_all()
    guard.reset()
    unsent.reset()

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
    monkeypatch.setattr("tidegauge.group.group._current", Group(Launch()))
    monkeypatch.setattr(pipeline, "_current", core.pipeline)
    monkeypatch.setattr(sources, "_current", Sources([]))
    yield core
    halt(core.pipeline)


class Several:
    """Processes of one launch; the one that the test is ``in`` is this process."""

    def __init__(self, folder: Path, core: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.core = core
        self._folder = folder
        self._patch = monkeypatch
        self.made: list[Group] = []

    def process(self, *, predicts: bool = True, child: bool = True) -> Group:
        """Start one that has a reader."""
        made = Group(replace(detect({}), child=child), self._folder)
        made.predicts, made.attached = predicts, True
        merge_when_they_end(made)
        self.made.append(made)
        return made

    def other(self, calls: int = 0, start_s: float = 0.0) -> Group:
        """Start another that has counted calls."""
        made = self.process()
        self.count(made, calls, start_s or self.core.clock())
        return made

    def be(self, group: Group) -> Group:
        """Be this process from now on, with nothing of the last one's in memory."""
        self._patch.setattr("tidegauge.group.group._current", group)
        self._patch.setattr(standing, "_desk", Desk())
        return group

    def count(self, group: Group, calls: int, start_s: float) -> None:
        """Publish calls of a process."""
        point = SumPoint(metrics.MODEL_REQUESTS, ("m", "", "predict", "success"), calls)
        assert group.publish(COUNTERS, codec.encode(Totals(start_s, (point,))))

    def die(self, group: Group) -> None:
        """End as a killed process ends: the kernel closes what it had open."""
        group._descriptors.abandon()

    def told(self, producer: Any) -> dict[tuple[str, ...], float]:
        """Return the numbers that a reader is given."""
        scope = producer.produce()
        return {
            (metric.name, *map(str, (point.attributes or {}).values())): point.value
            for metric in (scope.metrics if scope else ())
            for point in metric.data.data_points
            if hasattr(point, "value")
        }

    def requests(self, producer: Any) -> float | None:
        """Return the successful requests of all that a reader is given."""
        wanted = ("model.requests", "success")
        found = [v for k, v in self.told(producer).items() if (k[0], k[-1]) == wanted]
        return sum(found) if found else None


@pytest.fixture
def several(tmp_path: Path, core: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Several]:
    """Provide a launch whose children lead without waiting for the launcher."""
    monkeypatch.setattr("tidegauge.group.group._LAUNCHER_FIRST_S", 0.0)
    made = Several(tmp_path, core, monkeypatch)
    yield made
    for group in made.made:
        made.die(group)


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
            env={
                **MEASURED,
                "PYTHONPATH": os.pathsep.join(sys.path),
                "OMP_NUM_THREADS": "1",
                **environ,
            },
            capture_output=True,
            text=True,
            timeout=LIMIT_S * 6,
            check=False,
        )

    return run


class Worker:
    """A worker process of a launch, and what it answers."""

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(LIMIT_S)
        self._connection = connection
        self._channel = connection.makefile("rw")
        self.pid: int = json.loads(self._channel.readline())

    def __call__(self, expression: str) -> Any:
        """Return the value of an expression in the worker."""
        print(expression, file=self._channel, flush=True)
        return json.loads(self._channel.readline())

    def publish(self, count: int) -> None:
        """Publish a count."""
        self(f'group.publish("counters", b"{count}")')

    def counted(self) -> int:
        """Return what a scrape of this worker would show."""
        found = self('[r.payload.decode() for r in group.named("counters")]')
        return sum(map(int, found))

    def hurry(self) -> None:
        """Join, and wait no longer for the launcher to lead."""
        self('(group.active, setattr(group, "_began_s", -10.0))')

    def faults(self) -> dict[str, int]:
        """Return the faults that it has met."""
        found: dict[str, int] = self("guard.counts()")
        return found

    def tick(self, now_s: float = 0.0) -> bool:
        """Let a second go by; return whether it leads then."""
        return bool(self(f"(group.tick({now_s}), group.leads)[1]"))

    def kill(self) -> None:
        """End it without warning, and wait until it has ended."""
        os.kill(self.pid, signal.SIGKILL)
        self.wait()

    def wait(self) -> None:
        """Wait until it has ended."""
        deadline = time.monotonic() + LIMIT_S
        while look(self.pid) is not None:
            assert time.monotonic() < deadline
            time.sleep(0.002)
        self.close()

    def close(self) -> None:
        """Let it go."""
        self._channel.close()
        self._connection.close()


class Launcher:
    """A launch: one process that starts workers, and is ``unaware`` of Tidegauge if told so."""

    def __init__(self, folder: Path, *arguments: str, **environ: str) -> None:
        folder.mkdir(exist_ok=True)
        self._address = str(folder / f"{time.monotonic_ns()}.socket")
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self._address)
        self._listener.listen()
        self._listener.settimeout(LIMIT_S)
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).parent / "programs" / "launcher.py"), *arguments],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={
                **MEASURED,
                "PYTHONPATH": os.pathsep.join(sys.path),
                "OMP_NUM_THREADS": "1",
                **environ,
            },
        )
        self.pid = self._process.pid
        self.said: list[str] = []
        self._workers: list[Worker] = []

    def start(self, method: str = "fork") -> Worker:
        """Start a worker."""
        assert self._process.stdin is not None
        print(method, self._address, file=self._process.stdin, flush=True)
        worker = Worker(self._listener.accept()[0])
        self._workers.append(worker)
        return worker

    def close(self) -> None:
        """End the launcher and its workers, and keep what they have said."""
        if self._listener.fileno() < 0:
            return
        for worker in self._workers:
            worker.close()
        assert self._process.stdin is not None
        _, said = self._process.communicate(timeout=LIMIT_S)
        self.said = said.splitlines()
        self._listener.close()

    def kill(self) -> None:
        """End the launcher alone, without warning."""
        self._process.kill()
        self._process.wait(LIMIT_S)


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Callable[..., Launcher]]:
    """Start launchers whose groups have their folders in ``tmp_path / "groups"``."""
    with ExitStack() as stack:

        def begin(*arguments: str, **environ: str) -> Launcher:
            environ = {"TIDEGAUGE_GROUP_DIR": str(tmp_path / "groups"), **environ}
            launcher = Launcher(tmp_path / "sockets", *arguments, **environ)
            stack.callback(launcher.close)
            return launcher

        yield begin


class Logs:
    """A provider whose records stay in memory."""

    def __init__(self) -> None:
        self.exporter = Memory()
        self.provider = LoggerProvider(Resource.create({"service.name": "shop"}))
        self.provider.add_log_record_processor(export.SimpleLogRecordProcessor(self.exporter))

    def finished(self) -> Any:
        """Return what was exported."""
        return self.exporter.get_finished_logs()


@pytest.fixture
def logs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Logs]:
    """Be an app that has set a provider of logs."""
    made = Logs()
    monkeypatch.setattr("opentelemetry._logs._internal._LOGGER_PROVIDER", made.provider)
    yield made
    made.provider.shutdown()

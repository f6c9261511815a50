"""Several real processes of one launch: what they export together is what they were asked."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tidegauge.group import locks

pytestmark = pytest.mark.skipif(not locks.AVAILABLE, reason="the system has no flock")

LIMIT_S = 60.0
PROGRAM = Path(__file__).with_name("launched.py")
SUCCESS = ("model.requests", "m", "1", "predict", "success")
ERROR = ("model.requests", "m", "1", "predict", "error")
LATENCY = ("model.request.latency", "m", "1", "predict")

Series = tuple[str, ...]
Until = Callable[[Callable[[], object]], None]


class Launch:
    """A running program, and what its readers have written down."""

    def __init__(self, folder: Path, *arguments: object, **environ: str) -> None:
        self.folder = folder
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", PROGRAM, folder, *map(str, arguments)],
            env={
                "PYTHONPATH": os.pathsep.join(sys.path),
                "OMP_NUM_THREADS": "1",
                "TIDEGAUGE_GROUP_DIR": str(folder / "group"),
                **environ,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def end(self) -> str:
        """Wait for the end; return what was printed."""
        printed, _ = self._process.communicate(timeout=LIMIT_S)
        assert 0 == self._process.returncode, printed
        return printed

    def stop(self) -> None:
        """End it whatever it does."""
        (self.folder / "enough").touch()
        try:
            self._process.communicate(timeout=LIMIT_S / 4)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()

    def last(self) -> int:
        """Return the process that has exported last; 0 before there is one."""
        return next((line["pid"] for line in reversed(self.lines("delta"))), 0)

    def lines(self, reader: str) -> list[dict[str, Any]]:
        """Return the exports of a reader."""
        path = self.folder / reader
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def made(self) -> dict[int, int]:
        """Return the calls of each process."""
        return {int(p.suffix[1:]): p.stat().st_size for p in self.folder.glob("made.*")}


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Callable[..., Launch]]:
    """Start programs; end them."""
    started: list[Launch] = []

    def start(*arguments: object, **environ: str) -> Launch:
        started.append(Launch(tmp_path, *arguments, **environ))
        return started[-1]

    yield start
    for found in started:
        found.stop()


def told(launch: Launch, reader: str) -> Iterator[tuple[str, Series, int, int, float]]:
    """Return all that a reader was told, in its order."""
    for line in launch.lines(reader):
        for instance, points in line["found"].items():
            assert len(points) == len({tuple(series) for series, *_ in points})
            for series, begin, end, value in points:
                yield instance, tuple(series), begin, end, value


def exported(launch: Launch, reader: str) -> tuple[set[str], Counter[Series]]:
    """Return the instances and the totals that a backend has, having looked at each point.

    Of one series there is one point at a time; no time runs backwards; of a delta no interval
    overlaps another; of a cumulative the start stays and the value never falls.
    """
    instances: set[str] = set()
    totals: Counter[Series] = Counter()
    ends: dict[Series, int] = {}
    starts: dict[Series, int] = {}
    for instance, series, begin, end, value in told(launch, reader):
        instances.add(instance)
        assert begin <= end
        assert ends.get(series, 0) <= end
        if reader == "delta":
            assert ends.get(series, 0) <= begin
            totals[series] += int(value)
        else:
            assert starts.setdefault(series, begin) == begin
            assert totals[series] <= value
            totals[series] = int(value)
        ends[series] = end
    return instances, totals


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_all_calls_of_all_workers_are_exported(launch: Callable[..., Launch], method: str) -> None:
    """Under one instance, by both kinds of readers, when all workers have ended."""
    running = launch(method, 60, 0)
    assert "" == running.end()
    assert [60] * 4 == list(running.made().values())
    for reader in ("delta", "cumulative"):
        instances, totals = exported(running, reader)
        assert 1 == len(instances)
        assert (192, 48, 240) == (totals[SUCCESS], totals[ERROR], totals[LATENCY])


@pytest.mark.backends  # needs no service, but long
def test_leaders_that_are_killed_repeat_and_lose_nothing(
    launch: Callable[..., Launch], until: Until
) -> None:
    """Twice the leader is killed; whoever follows goes on where it has ended."""
    running = launch("fork", 100_000, 0)
    killed = [0]
    for _ in range(2):
        until(lambda: running.last() not in killed)
        killed.append(running.last())
        (running.folder / f"kill.{killed[-1]}").touch()
    until(lambda: running.last() not in killed)
    (running.folder / "enough").touch()
    running.end()
    leaders = [line["pid"] for line in running.lines("delta")]
    assert killed[1:] == list(dict.fromkeys(leaders))[:2]
    instances, deltas = exported(running, "delta")
    others, whole = exported(running, "cumulative")
    assert instances == others
    assert 1 == len(instances)
    for series in (SUCCESS, ERROR, LATENCY):
        assert deltas[series] == whole[series]
    # A killed process had written down all but its last second.
    missing = sum(running.made().values()) - deltas[LATENCY]
    assert 0 <= missing <= 2 * 1.0 / 0.005


def test_a_parent_that_has_predicted_goes_on_for_its_children(
    launch: Callable[..., Launch],
) -> None:
    """Its totals do not fall, its instance stays, and no change is exported twice."""
    running = launch("fork", 300, 5)
    assert "" == running.end()
    parent = running.lines("cumulative")[0]["pid"]
    assert parent not in running.made()
    for reader in ("delta", "cumulative"):
        instances, totals = exported(running, reader)
        assert {f"process-{parent}"} == instances
        assert 1205 == totals[LATENCY]


def test_processes_that_cannot_share_are_each_alone(launch: Callable[..., Launch]) -> None:
    """A child reports its own calls under its own instance, and one line says why."""
    running = launch("fork", 3, 5, TIDEGAUGE_GROUP_DIR="/proc/none")
    printed = running.end().splitlines()
    assert {
        "The workers of this launch cannot be counted together: No such file or directory in "
        "/proc/none. Each is counted alone. Set TIDEGAUGE_GROUP_DIR to a folder that can be "
        "written."
    } == set(printed)
    last = {
        instance: value
        for instance, series, _, _, value in told(running, "cumulative")
        if series == LATENCY
    }
    assert [3, 3, 3, 3, 5] == sorted(last.values())


def test_workers_that_are_terminated_leave_nothing_behind(
    launch: Callable[..., Launch], until: Until
) -> None:
    """SIGTERM to all at once: who goes first has written it down, and who goes last exports it."""
    running = launch("fork", 100_000, 0)
    until(lambda: len(running.made()) == 4 and min(running.made().values()) > 20)
    for pid in running.made():
        os.kill(pid, signal.SIGTERM)
    running.end()
    made = sum(running.made().values())
    for reader in ("delta", "cumulative"):
        instances, totals = exported(running, reader)
        assert 1 == len(instances)
        # Each may have been stopped between saying that it calls and its call.
        assert made - 4 <= totals[LATENCY] <= made


@pytest.mark.backends  # needs no service, but long
def test_a_parent_exports_what_killed_workers_have_counted(
    launch: Callable[..., Launch], until: Until
) -> None:
    """It has not predicted itself; as the last one of the launch it exports when it ends."""
    running = launch("fork", 100_000, 0)
    until(running.last)
    workers = list(running.made())
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    running.end()
    assert running.lines("cumulative")[-1]["pid"] not in workers
    made = sum(running.made().values())
    for reader in ("delta", "cumulative"):
        instances, totals = exported(running, reader)
        assert 1 == len(instances)
        assert 0 < totals[LATENCY] <= made


@pytest.mark.backends  # needs no service, but long
def test_an_exporter_that_hangs_does_not_keep_a_worker(
    launch: Callable[..., Launch], until: Until
) -> None:
    """The end of a child of multiprocessing takes no longer than the limit on it."""
    running = launch("fork", 100_000, 0, TIDEGAUGE_SHUTDOWN_TIMEOUT_S="0.2")
    until(lambda: running.last() and len(running.made()) == 4)
    (running.folder / "hang").touch()
    (running.folder / "enough").touch()
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in running.made()))
    (running.folder / "hang").unlink()
    running.end()


ASKED = """
import multiprocessing, os, signal, sys
import tidegauge
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

class Asked(InMemoryMetricReader):
    pulled = True

def total(reader):
    data = reader.get_metrics_data()
    return sum(
        point.value
        for resource in (data.resource_metrics if data else ())
        for scope in resource.scope_metrics
        for metric in scope.metrics if metric.name == "model.requests"
        for point in metric.data.data_points
    )

def work(pipe):
    reader = Asked()
    provider = MeterProvider([reader])
    tidegauge.attach(provider)
    model = tidegauge.Model("m")
    while (calls := pipe.recv()) is not None:
        for _ in range(calls):
            with model.prediction([1.0]) as p:
                p.output = 1.0
        pipe.send(total(reader))

context = multiprocessing.get_context(sys.argv[1] if len(sys.argv) > 1 else "fork")
pipes, workers = [], []
for _ in range(3):
    mine, theirs = context.Pipe()
    worker = context.Process(target=work, args=(theirs,))
    worker.start()
    pipes.append(mine)
    workers.append(worker)

def ask(number, calls):
    pipes[number].send(calls)
    return pipes[number].recv()

own = Asked()
provider = MeterProvider([own])
tidegauge.attach(provider)
made, seen = 0, []
for turn in range(30):
    made += 1
    seen.append((made, ask(turn % 3, 1)))
    seen.append((made, ask((turn + 1) % 3, 0)))
os.kill(workers[0].pid, signal.SIGKILL)
workers[0].join()
for turn in range(20):
    made += 1
    seen.append((made, ask(1 + turn % 2, 1)))
    seen.append((made, total(own)))
for number in (1, 2):
    pipes[number].send(None)
    workers[number].join()
    seen.append((made, total(own)))
print([pair for pair in seen if pair[0] != pair[1]])
"""


def test_totals_of_two_who_are_asked_never_fall(
    python: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    """Whoever is asked answers with all calls: workers, and the parent, which never predicts.

    A worker that was asked before it was killed has lost nothing.
    """
    done = python(ASKED, TIDEGAUGE_GROUP_DIR=str(tmp_path))
    assert ("[]\n", "") == (done.stdout, done.stderr)

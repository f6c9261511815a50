"""Several processes of one launch: their panes become the windows and verdicts of one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tidegauge.batch import Batch, ModelKey, Table
from tidegauge.group import Group, Record
from tidegauge.group.launch import detect
from tidegauge_drift import DriftProcessor, DriftSettings, build, save
from tidegauge_drift.verdict import WindowVerdict
from tidegauge_drift.window import WindowSpec

Matrix = NDArray[np.float64]
START_S = 1_700_000_000.0
FRAUD = ModelKey("fraud", "3")
WINDOWS = tuple(WindowSpec.parse(label) for label in ("100rows", "60s"))

Verdicts = dict[tuple[str, str, int], WindowVerdict]
Seen = list[tuple[ModelKey, WindowVerdict]]


def reference(path: Path, seed: int = 0, loc: float = 0.0) -> Path:
    """Write a reference of three normal features."""
    save(build(np.random.default_rng(seed).normal(loc, 1, (2000, 3)), built="2026-01-01"), path)
    return path


class Killed(BaseException):
    """SIGKILL: no handler of ours runs."""


@dataclass
class Fate:
    """After how many writes whoever leads is killed, one after the other; ``armed`` when it may."""

    writes: list[int] = field(default_factory=list)
    armed: bool = False

    def step(self) -> None:
        """Come one write nearer to the end."""
        if self.armed and self.writes:
            self.writes[0] -= 1
            if self.writes[0] < 0:
                self.writes.pop(0)
                raise Killed


class Mortal(Group):
    """A group whose process can be killed before and after each thing that it writes."""

    fate: Fate

    def _mortally(self, write: Callable[..., Any], *given: Any) -> Any:
        fate = self.fate if self.leads else Fate()
        fate.step()
        done = write(*given)
        fate.step()
        return done

    def publish(self, name: str, payload: bytes) -> bool:
        """Write a record."""
        return bool(self._mortally(super().publish, name, payload))

    def withdraw(self, name: str) -> None:
        """Remove a record."""
        self._mortally(super().withdraw, name)

    def keep(self, name: str, payload: bytes) -> None:
        """Write a record of the group."""
        self._mortally(super().keep, name, payload)

    def drop(self, record: Record) -> None:
        """Remove a dead process's record."""
        self._mortally(super().drop, record)


@dataclass
class Process:
    """One process of a launch: its group and its drift."""

    group: Group
    drift: DriftProcessor
    now_s: float = START_S

    def send(
        self, rows: Matrix, times: Matrix, operation: str = "predict", model: ModelKey = FRAUD
    ) -> None:
        """Count rows."""
        if len(rows):
            table = Table(len(rows), None, matrix=rows)
            self.drift.on_batch(Batch(model, operation, times, table, None))

    def tick(self, now_s: float) -> None:
        """Do what the background does once a second."""
        self.now_s = now_s
        self.group.tick(now_s)
        self.drift.on_tick(now_s)

    def die(self) -> None:
        """End as a killed process ends: the kernel closes what it had open."""
        self.group._descriptors.abandon()


@dataclass
class Launch:
    """Makes processes, and collects what all of their leaders have said."""

    base: Path
    settings: DriftSettings
    seen: Seen = field(default_factory=list)
    fate: Fate = field(default_factory=Fate)
    made: list[Process] = field(default_factory=list)

    def process(self, *, alone: bool = False, leads: bool = True) -> Process:
        """Start one more process; one that is alone is the launcher, without children."""
        launch = replace(detect({}), child=not alone)
        group = Mortal(launch, self.base)
        group.fate = self.fate
        group.predicts, group.attached = True, leads
        drift = DriftProcessor(
            settings=self.settings, group=group, listener=lambda *found: self.seen.append(found)
        )
        process = Process(group, drift)
        self.made.append(process)
        return process

    def verdicts(self) -> Verdicts:
        """Return each verdict once; one that two leaders have made must be equal."""
        found: Verdicts = {}
        for model, verdict in self.seen:
            key = (model.name, verdict.spec.label, verdict.closed_s)
            assert found.setdefault(key, verdict) == verdict
        return found


MakeLaunch = Callable[..., Launch]


@pytest.fixture
def launch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeLaunch]:
    """Return the maker of launches with a folder of their own."""
    monkeypatch.setattr("tidegauge.group.group._LAUNCHER_FIRST_S", 0.0)
    path = reference(tmp_path / "a.json")
    made: list[Launch] = []

    def make(**changes: Any) -> Launch:
        base = tmp_path / f"launch{len(made)}"
        base.mkdir()
        options = {"reference": str(path), "windows": WINDOWS, **changes}
        made.append(Launch(base, DriftSettings(**options)))
        return made[-1]

    yield make
    for each in made:
        for process in each.made:
            process.die()


def replay(
    processes: Sequence[Process], rows: Matrix, seed: int = 0, start_s: float = START_S
) -> float:
    """Send rows at 20 a second, each to some process; all tick once a second, in any order."""
    rng = np.random.default_rng(seed)
    times = start_s + np.arange(len(rows)) / 20
    for second in range(-(-len(rows) // 20)):
        part = slice(second * 20, second * 20 + 20)
        whose = rng.integers(len(processes), size=len(rows[part]))
        for i in rng.permutation(len(processes)):
            processes[i].send(rows[part][whose == i], times[part][whose == i])
        for i in rng.permutation(len(processes)):
            processes[i].tick(start_s + second + 1)
    return start_s + -(-len(rows) // 20)


def kill_and_replay(launch: Launch, rows: Matrix, processes: list[Process]) -> None:
    """Send rows; the leaders are killed as fate wills, each after its rows were published.

    Once somebody may be killed rows go to the last process alone, which never leads: what a killed
    process had not published yet would be lost.
    """
    replay(processes, rows[:400])
    living = list(processes)
    launch.fate.armed = True
    for second in range(20, len(rows) // 20 + 30):
        now_s = START_S + second + 1
        part = slice(second * 20, second * 20 + 20)
        living[-1].send(rows[part], START_S + np.arange(len(rows))[part] / 20)
        for process in list(living):
            try:
                process.tick(now_s)
            except Killed:
                process.die()
                living.remove(process)


def settle(processes: Sequence[Process], now_s: float, seconds: int = 30) -> float:
    """Let panes close and windows end."""
    for _ in range(seconds):
        now_s += 1
        for process in processes:
            process.tick(now_s)
    return now_s


def stream(rows: int = 1200, seed: int = 1) -> Matrix:
    """Return rows of which the second half is shifted in one feature."""
    found = np.random.default_rng(seed).normal(size=(rows, 3))
    found[rows // 2 :, 1] += 1
    return found


def alone(launch: MakeLaunch, rows: Matrix, **changes: Any) -> Verdicts:
    """Return the verdicts of one process that has all rows."""
    one = launch(**changes)
    process = one.process(alone=True)
    settle([process], replay([process], rows))
    assert not process.group.member
    return one.verdicts()


@pytest.fixture
def expected(launch: MakeLaunch) -> Verdicts:
    """Return what one process says of the stream."""
    return alone(launch, stream())


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_verdicts_are_those_of_one_process(
    launch: MakeLaunch, expected: Verdicts, workers: int
) -> None:
    """The same rows at the same times, spread over processes by chance."""
    many = launch()
    processes = [many.process() for _ in range(workers)]
    settle(processes, replay(processes, stream(), seed=workers))

    assert len(expected) >= 6
    assert any(verdict.detected["inputs"] for verdict in expected.values())
    assert expected == many.verdicts()


@given(st.lists(st.integers(0, 10), min_size=1, max_size=3))
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_leader_may_die_at_any_write(
    launch: MakeLaunch, expected: Verdicts, writes: list[int]
) -> None:
    """Up to three leaders are killed before or after any write: nothing is lost or folded twice."""
    rows = stream()
    many = launch()
    many.fate.writes = list(writes)
    kill_and_replay(many, rows, [*(many.process() for _ in range(4)), many.process(leads=False)])

    assert many.fate.writes == []
    assert expected == many.verdicts()

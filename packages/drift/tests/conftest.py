"""Replays: rows at given times, through one process alone or through several of one launch."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pytest
from numpy.typing import NDArray
from tidegauge import announce, guard
from tidegauge.batch import Batch, ModelKey, Table
from tidegauge.configuration import CoreSettings
from tidegauge.group import Group, Record
from tidegauge.group.launch import detect
from tidegauge.runtime import shared
from tidegauge_drift import DriftProcessor, DriftSettings, build, save
from tidegauge_drift.evaluator import Evaluator
from tidegauge_drift.layout import Layout
from tidegauge_drift.leader import Leader
from tidegauge_drift.window import WindowSpec
from tidegauge_drift.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tidegauge.events import StateChange
    from tidegauge_drift import DriftReport, ReferenceProfile
    from tidegauge_drift.verdict import WindowVerdict

START_S = 1_700_000_000.0
MODEL = ModelKey("fraud", "3")
Matrix = NDArray[np.float64]
Verdicts: TypeAlias = "dict[tuple[str, str, int], WindowVerdict]"
Seen: TypeAlias = "list[tuple[ModelKey, WindowVerdict]]"


def make_batch(
    features: Matrix, times: Matrix, outputs: Matrix | None = None, **more: Any
) -> Batch:
    """Return a batch of numeric rows without names."""
    given = None if outputs is None else Table(len(outputs), None, matrix=outputs)
    return Batch(
        more.get("model", MODEL), more.get("operation", "predict"), times,
        Table(len(features), more.get("names"), matrix=features), given, more.get("stride", 1),
    )  # fmt: skip


@dataclass
class Replay:
    """One process alone that is fed with rows as time goes on."""

    profile: ReferenceProfile
    windows: tuple[str, ...] = ("300rows",)
    pane_s: int = 10
    now_s: float = START_S
    seen: list[WindowVerdict] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Build both sides."""
        self.layout = Layout(self.profile)
        self.worker = Worker(lambda _: self.layout, self.pane_s)
        specs = [WindowSpec.parse(label) for label in self.windows]
        self.leader = Leader(
            self.pane_s,
            lambda key: Evaluator(
                key, self.layout, specs, self.pane_s,
                listener=lambda _, verdict: self.seen.append(verdict),
            ),
            lambda _: None,
        )  # fmt: skip

    def advance(self, now_s: float) -> None:
        """Close panes and windows."""
        closed = self.worker.close(now_s)
        if self.leader.is_due(closed):
            self.leader.give(closed, self.worker.pop(closed))
        self.leader.work(60.0)

    @property
    def late_rows(self) -> int:
        """Rows that came after their pane was closed."""
        return sum(counter.late_rows for counter in self.worker.counters())

    def feed(
        self,
        features: Matrix,
        *,
        rate: float = 10.0,
        chunk: int = 64,
        outputs: Matrix | None = None,
        stride: int = 1,
    ) -> Replay:
        """Send rows at a rate, ``chunk`` rows a batch, and tick after each batch."""
        times = self.now_s + np.arange(len(features)) / rate
        for i in range(0, len(features), chunk):
            part = slice(i, i + chunk)
            some = None if outputs is None else outputs[part]
            self.worker.take(make_batch(features[part], times[part], some, stride=stride))
            self.advance(float(times[part][-1]))
        self.now_s = float(times[-1]) + 1 / rate
        return self

    def end(self) -> list[WindowVerdict]:
        """Let the last pane close; return all verdicts so far."""
        self.now_s += 2 * self.pane_s + 3
        self.advance(self.now_s)
        return self.seen


@pytest.fixture
def replay() -> Callable[..., Replay]:
    """Return the maker of replays."""
    return Replay


@pytest.fixture
def batch() -> Callable[..., Batch]:
    """Return the maker of batches."""
    return make_batch


class Killed(BaseException):
    """SIGKILL: no handler of ours runs."""


@dataclass
class Fate:
    """After how many writes whoever leads is killed, one after the other; ``armed`` when it may."""

    writes: list[int] = field(default_factory=list)
    armed: bool = False
    killed: type[BaseException] = Killed

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

    def keep(self, name: str, payload: bytes) -> bool:
        """Write a record of the group."""
        return bool(self._mortally(super().keep, name, payload))

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
        self,
        rows: Matrix,
        times: Matrix,
        *,
        operation: str = "predict",
        model: ModelKey = MODEL,
        calls: NDArray[np.int64] | None = None,
    ) -> None:
        """Count rows."""
        if len(rows):
            table = Table(len(rows), None, matrix=rows)
            self.drift.on_batch(Batch(model, operation, times, table, None, 1, calls))

    def tick(self, now_s: float) -> None:
        """Do what the background does once a second."""
        self.now_s = now_s
        self.group.tick(now_s)
        self.drift.on_tick(now_s)
        self.drift.tell(now_s)

    def die(self) -> None:
        """End as a killed process ends: the kernel closes what it had open."""
        self.group._descriptors.abandon()


@dataclass
class Launch:
    """Makes processes, and collects what all of their leaders have said."""

    base: Path
    drift: DriftSettings
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
            settings=self.drift, group=group, listener=lambda *found: self.seen.append(found)
        )
        process = Process(group, drift)
        self.made.append(process)
        return process

    def replay(
        self,
        processes: Sequence[Process],
        rows: Matrix,
        *,
        seed: int = 0,
        start_s: float = START_S,
        operation: str = "predict",
        whose: Sequence[int] = (),
    ) -> float:
        """Send rows at 20 a second, each to some process; all tick once a second, in any order.

        ``whose`` are the places of the processes that get rows; all of them if none is given.
        """
        rng = np.random.default_rng(seed)
        times = start_s + np.arange(len(rows)) / 20
        for second in range(-(-len(rows) // 20)):
            part = slice(second * 20, second * 20 + 20)
            to = rng.choice(whose or len(processes), size=len(rows[part]))
            for i in rng.permutation(len(processes)):
                mine = to == i
                processes[i].send(rows[part][mine], times[part][mine], operation=operation)
            for i in rng.permutation(len(processes)):
                processes[i].tick(start_s + second + 1)
        return start_s + -(-len(rows) // 20)

    def settle(self, processes: Sequence[Process], now_s: float, seconds: int = 30) -> float:
        """Let panes close and windows end."""
        for _ in range(seconds):
            now_s += 1
            for process in processes:
                process.tick(now_s)
        return now_s

    def verdicts(self) -> Verdicts:
        """Return each verdict once; one that two leaders have made must be equal."""
        found: Verdicts = {}
        for model, verdict in self.seen:
            key = (model.name, verdict.spec.label, verdict.closed_s)
            assert found.setdefault(key, verdict) == verdict
        return found


@pytest.fixture
def launch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Launch]]:
    """Return the maker of launches with a folder of their own."""
    monkeypatch.setattr("tidegauge.group.group._LAUNCHER_FIRST_S", 0.0)
    path = tmp_path / "a.json"
    save(build(np.random.default_rng(0).normal(size=(2000, 3)), built="2026-01-01"), path)
    made: list[Launch] = []

    def make(**changes: Any) -> Launch:
        base = tmp_path / f"launch{len(made)}"
        base.mkdir()
        windows = tuple(WindowSpec.parse(label) for label in ("100rows", "60s"))
        options = {"reference": str(path), "windows": windows, **changes}
        made.append(Launch(base, DriftSettings(**options)))
        return made[-1]

    yield make
    for each in made:
        for process in each.made:
            process.die()


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[StateChange]:
    """Be the only event sink; return what it is told."""

    class Sink:
        def on_event(self, event: StateChange) -> None:
            found.append(event)

    found: list[StateChange] = []
    monkeypatch.setattr(announce, "_sinks", [Sink()])
    return found


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder, not there yet, in which processes of this test leave their status."""
    folder = tmp_path / "state"
    monkeypatch.setattr(shared, "settings", CoreSettings(state_dir=str(folder)))
    return folder


class Warming:
    """One process alone; its clock stands still but for the rows that come."""

    def __init__(
        self, reference: str = "warmup:1000,2m", now_s: float = START_S, **changes: Any
    ) -> None:
        options = {"windows": (WindowSpec.parse("300rows"),), "reference": reference, **changes}
        self.drift = DriftProcessor(settings=DriftSettings(**options))
        self.now_s = now_s

    def serve(self, rows: Any, *, rate: float = 20.0, **more: Any) -> Warming:
        """Send rows at a rate, 20 at a time, and do what is due after each."""
        for start in range(0, len(rows), 20):
            part = rows[start : start + 20]
            times = self.now_s + np.arange(len(part)) / rate
            self.drift.on_batch(self.batch(part, times, **more))
            self.now_s += len(part) / rate
            self.tick()
        return self

    def tick(self) -> None:
        """Do what is due, the thread's work too."""
        self.drift.on_tick(self.now_s)
        self.drift.tell(self.now_s)
        if self.drift._warmup is not None:
            self.drift._warmup.wait(60.0)

    def stop(self) -> None:
        """End as a service that is redeployed."""
        self.drift.on_leave(self.now_s)
        self.drift.tell(self.now_s)

    @staticmethod
    def batch(rows: Any, times: Matrix, **more: Any) -> Batch:
        """Return a batch of rows without names, or of given columns."""
        outputs = more.get("outputs")
        table = rows if isinstance(rows, Table) else Table(len(rows), None, matrix=np.asarray(rows))
        if outputs is not None:
            outputs = Table(len(times), None, matrix=np.asarray(rows)[:, :1] * outputs)
        return Batch(
            more.get("model", MODEL), more.get("operation", "predict"), times, table, outputs,
            more.get("stride", 1),
        )  # fmt: skip


@pytest.fixture
def warming() -> type[Warming]:
    """Return the maker of services whose models learn their references."""
    return Warming


@pytest.fixture(autouse=True)
def _forget_causes() -> Iterator[None]:
    guard.reset()
    yield
    guard.reset()


@pytest.fixture
def sound() -> Callable[[DriftReport], DriftReport]:
    """Return the check of what holds for every report; it returns the report."""
    return _check_report


@pytest.fixture
def every() -> Callable[[Any], Iterator[Any]]:
    """Return what yields the values in nested mappings and sequences."""
    return _every


def _every(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from _every(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _every(inner)
    else:
        yield value


def _check_report(report: DriftReport) -> DriftReport:
    """Check what holds for every report: finite or absent, a reason where there is no verdict."""
    assert all(math.isfinite(v) for v in _every(report.to_dict()) if isinstance(v, float))
    assert json.loads(report.to_json())["summary"] == report.summary
    for feature in report.features:
        assert (feature.drifted is None) == bool(feature.reason), feature.name
        assert (feature.drifted is None) == (feature.adjusted_p_value is None)
        assert not any(
            statistic.value is None and not statistic.reason
            for statistic in feature.statistics.values()
        )
    assert len(report.features) == len(report.to_dataframe())
    return report

"""What goes wrong between processes costs what it must and no more, and is said once."""

from __future__ import annotations

import json
import logging
import resource
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tidegauge import guard
from tidegauge.batch import ModelKey
from tidegauge_drift import build, save
from tidegauge_drift.pane import Pane
from tidegauge_drift.window import WindowSpec

Matrix = NDArray[np.float64]
MakeLaunch = Callable[..., Any]
START_S = 1_700_000_000.0
ONE_WINDOW = (WindowSpec.parse("100rows"),)


def _rows(number: int, seed: int = 1) -> Matrix:
    return np.random.default_rng(seed).normal(size=(number, 3))


def _judged(launch: Any) -> list[tuple[int, int]]:
    """Return when windows closed, in seconds from the start, and their rows."""
    return [(key[2] - int(START_S), verdict.rows) for key, verdict in launch.verdicts().items()]


def _errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.levelno >= logging.ERROR]


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"not a pane", json.dumps({"closed": "x"}).encode(), json.dumps([1]).encode()],
)
def test_foreign_content_is_left_out_and_the_rest_counts(
    launch: MakeLaunch, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    """A pane, a worker's index and the leader's index of another format: an ERROR each, once."""
    many = launch(windows=ONE_WINDOW)
    leader, worker, other = (many.process() for _ in range(3))
    now_s = many.replay([leader, worker], _rows(200))
    other.group.tick(0.0)
    other.group.publish("pane.170000000.0.0.0", content)
    other.group.publish("panes", content)
    leader.group.keep("drift", content)
    many.settle([worker, leader], now_s, 2)
    other.group.publish("pane.170000001.0.0.0", content)
    many.settle([worker, leader], many.replay([leader, worker], _rows(200), start_s=now_s + 2), 9)

    assert _judged(many) == [(10, 200), (20, 160)]
    assert 1 <= len(_errors(caplog)) == len(set(_errors(caplog))) <= 3


def test_a_changed_byte_in_a_pane_leaves_it_out(
    launch: MakeLaunch, caplog: pytest.LogCaptureFixture
) -> None:
    """The record is whole, the pane in it is not."""
    many = launch(windows=ONE_WINDOW)
    leader, worker, other = (many.process() for _ in range(3))
    now_s = many.replay([leader, worker], _rows(200))
    other.group.tick(0.0)
    record = next(r for r in leader.group.records("pane.") if r.worker == worker.group.worker)
    other.group.publish(record.name, record.payload[:-9] + b"\7" + record.payload[-8:])
    many.settle([worker, leader], now_s, 9)

    assert _judged(many) == [(10, 200)]
    assert _errors(caplog) == [
        "tgpane03: got bytes that are torn or of another format from the record; expected a whole "
        "one. Leave the record out."
    ]


def test_a_silent_process_is_waited_for_and_then_left_out(launch: MakeLaunch) -> None:
    """It stands still for 9 s after the pane's end: the others have their verdict after 8."""
    many = launch(windows=ONE_WINDOW)
    leader, silent = many.process(), many.process()
    rows = _rows(200)
    times = START_S + np.arange(200) / 20
    leader.send(rows[::2], times[::2])
    silent.send(rows[1:100:2], times[1:100:2])
    leader.tick(START_S + 6)
    silent.tick(START_S + 6)
    silent.send(rows[101::2], times[101::2])  # not published any more
    judged = []
    for second in range(7, 20):
        leader.tick(START_S + second)
        judged.append((second, len(many.seen)))
    silent.tick(START_S + 19.5)
    many.settle([leader, silent], START_S + 20)

    assert next(second for second, number in judged if number) == 18
    assert _judged(many) == [(10, 150)]
    assert guard.counts()["drift.unseen"] == 1
    assert leader.group.records("pane.") == []


def test_a_clock_set_back_starts_all_anew(launch: MakeLaunch) -> None:
    """An hour back: no pane of the time before is judged, and windows fill again at once."""
    many = launch(windows=ONE_WINDOW)
    processes = [many.process() for _ in range(3)]
    many.replay(processes, _rows(460))
    before = len(many.seen)
    back_s = START_S - 3600
    for process in processes:
        process.tick(back_s)
    now_s = many.replay(processes, _rows(400, seed=2), start_s=back_s)
    many.settle(processes, now_s)

    assert before == 1
    assert [rows for _, rows in _judged(many)] == [200, 200, 200]
    assert processes[0].group.records("pane.") == []


@pytest.fixture
def small_files() -> Iterator[Callable[[int], None]]:
    """Return what limits the size of files: a disk that is full for larger ones."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def limit(size: int) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft if size < 0 else size, hard))

    yield limit
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def _wide(launch: MakeLaunch, tmp_path: Path) -> Any:
    path = tmp_path / "wide.json"
    save(build(np.random.default_rng(0).normal(size=(500, 60))), path)
    return launch(reference=str(path), windows=ONE_WINDOW)


def test_a_disk_that_is_full_for_a_while_loses_nothing(
    launch: MakeLaunch,
    tmp_path: Path,
    small_files: Callable[[int], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Panes wait in memory for 30 s, the leader with them; then all of them count."""
    many = _wide(launch, tmp_path)
    leader, worker = many.process(), many.process()
    rows = np.random.default_rng(1).normal(size=(1000, 60))
    many.replay([leader, worker], rows[:40])
    small_files(4000)
    now_s = many.replay([worker, leader], rows[40:600], start_s=START_S + 2)
    waiting = len(many.seen)
    small_files(-1)
    many.settle([worker, leader], many.replay([worker, leader], rows[600:], start_s=now_s))

    assert waiting == 0
    assert _judged(many) == [(10 * i, 200) for i in range(1, 6)]
    assert len(_errors(caplog)) == 1
    assert "could not be written: File too large" in _errors(caplog)[0]


def test_a_disk_that_stays_full_costs_the_oldest_panes(
    launch: MakeLaunch,
    tmp_path: Path,
    small_files: Callable[[int], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Memory is bounded at 16 panes; what is given up is said once and counted."""
    many = _wide(launch, tmp_path)
    leader, worker = many.process(), many.process()
    rows = np.random.default_rng(1).normal(size=(4400, 60))
    many.replay([leader, worker], rows[:40])
    small_files(4000)
    most = 0
    for second in range(2, 220):
        worker.send(rows[second * 20 : second * 20 + 20], START_S + second + np.arange(20) / 20)
        for process in (worker, leader):
            process.tick(START_S + second + 1)
        (counter,) = worker.drift._worker.counters()
        most = max(most, len(counter))
    small_files(-1)
    given_up = counter.dropped_rows
    many.settle([worker, leader], START_S + 220)

    assert most <= 17
    assert given_up > 0
    assert sum(rows for _, rows in _judged(many)) == 4400 - given_up
    assert len(_errors(caplog)) == 2
    assert "16 panes of a model wait to be judged" in _errors(caplog)[1]
    assert guard.counts()["drift.waiting"] >= 5


def _reference(path: Path, loc: float) -> None:
    save(build(np.random.default_rng(5).normal(loc, 1, (2000, 3)), built="2026-01-01"), path)


def test_a_changed_reference_is_noticed_by_all_before_one_pane(
    launch: MakeLaunch, tmp_path: Path
) -> None:
    """All look at multiples of 5 s: windows start anew and no row is lost."""
    many = launch(windows=(WindowSpec.parse("200rows"),))
    processes = [many.process() for _ in range(3)]
    now_s = many.replay(processes, _rows(460))
    _reference(tmp_path / "a.json", 3.0)
    now_s = many.replay(processes, _rows(740) + 3, start_s=now_s)
    many.settle(processes, now_s)
    references = {p.attributes[2] for process in processes for p in process.drift.points()}

    assert _judged(many) == [(10 * i, 200) for i in range(1, 7)]
    assert len(references) == 1
    assert not any(f.flagged for _, v in many.seen[3:] for f in v.features)


@pytest.mark.parametrize("late", ["leader", "worker"])
def test_a_reference_that_one_process_notices_late(
    launch: MakeLaunch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, late: str
) -> None:
    """Counts on two references are never added: those on another than the leader's are lost."""
    many = launch(windows=(WindowSpec.parse("100rows"),))
    leader, worker = many.process(), many.process()
    slow = leader if late == "leader" else worker
    many.replay([leader, worker], _rows(200))
    _reference(tmp_path / "a.json", 3.0)
    monkeypatch.setattr(slow.drift._references, "changed", lambda _: False)
    now_s = many.replay([leader, worker], _rows(300) + 3, start_s=START_S + 10)
    monkeypatch.undo()
    now_s = many.replay([leader, worker], _rows(500) + 3, start_s=now_s)
    many.settle([leader, worker], now_s)
    rows = [verdict.rows for _, verdict in many.seen]
    new = [v for _, v in many.seen if v.closed_s > START_S + 30]

    assert leader.group.leads
    assert sum(rows) < 1000
    assert sum(rows) >= 1000 - 200
    assert [verdict.rows for verdict in new[1:]] == [200] * (len(new) - 1)
    assert not any(f.flagged for verdict in new for f in verdict.features)
    assert guard.counts()["drift.unequal"] >= 1


def test_a_successor_that_has_not_noticed_the_reference_looks_at_once(
    launch: MakeLaunch, tmp_path: Path
) -> None:
    """It goes on with the windows of the reference that the leader before it had."""
    many = launch(windows=(WindowSpec.parse("400rows"),))
    leader, worker = many.process(), many.process()
    now_s = many.replay([leader, worker], _rows(40))
    _reference(tmp_path / "a.json", 3.0)
    now_s = many.settle([leader], many.replay([leader], _rows(360) + 3, start_s=now_s), 9)
    worker.drift._references._looked = now_s // 5  # it has just looked
    assert leader.group.leads
    leader.die()
    worker.tick(now_s)
    (evaluator,) = worker.drift._leader.shown
    open_rows = [tumbler.state()[0]["rows"] for tumbler in evaluator.tumblers]

    assert open_rows == [200]


def test_a_state_of_other_windows_starts_anew(
    launch: MakeLaunch, caplog: pytest.LogCaptureFixture
) -> None:
    """Processes of one launch with other settings: an ERROR that names both."""
    many = launch(windows=ONE_WINDOW)
    leader = many.process()
    now_s = many.replay([leader], _rows(300))
    leader.die()
    many.drift = launch(windows=(WindowSpec.parse("200rows"),)).drift
    successor = many.process()
    now_s = many.replay([successor], _rows(500), start_s=now_s)
    many.settle([successor], now_s)

    assert _errors(caplog) == [
        "drift's state: got panes of 10 s and windows ['100rows'] from the group; expected 10 s "
        "and ['200rows']. Start all processes with the same TIDEGAUGE_DRIFT_* settings. Windows "
        "start anew."
    ]
    assert [key[:2] for key in many.verdicts()][1:] == [("fraud", "200rows")] * 3


@pytest.mark.parametrize("content", [b"", b"tgdrift2 or so"])
def test_a_state_that_cannot_be_read_starts_anew(
    launch: MakeLaunch, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    """The panes that are not folded are judged all the same."""
    many = launch(windows=ONE_WINDOW)
    leader, worker = many.process(), many.process()
    now_s = many.replay([leader, worker], _rows(300))
    (name,) = (f"drift.{each.name.split('.')[2]}" for each in worker.group.records("pane.")[:1])
    assert leader.group.kept(name) is not None
    leader.group.keep(name, content)
    leader.die()
    many.settle([worker], many.replay([worker], _rows(100), start_s=now_s))

    assert _judged(many) == [(10, 200), (20, 200)]
    assert len(_errors(caplog)) == 1
    assert _errors(caplog)[0].endswith("Leave the record out. Windows start anew.")


def test_a_folder_that_somebody_clears(launch: MakeLaunch) -> None:
    """The leader's windows go on, and what is in memory is published again: no row is lost."""
    many = launch(windows=ONE_WINDOW)
    leader, *workers = [many.process() for _ in range(3)]
    leader.tick(START_S)
    now_s = many.replay([leader, *workers], _rows(280))
    for folder in many.base.iterdir():
        shutil.rmtree(folder)
    leader.tick(now_s)
    leader.tick(now_s + 0.5)
    now_s = many.replay([leader, *workers], _rows(320, seed=2), start_s=now_s)
    many.settle([leader, *workers], now_s)

    assert leader.group.leads
    assert _judged(many) == [(10, 200), (20, 200), (30, 200)]


def test_a_group_that_is_lost_for_good_leaves_each_process_alone(launch: MakeLaunch) -> None:
    """The folder cannot be made again: after 5 s each goes on with its own rows."""
    many = launch(windows=ONE_WINDOW)
    leader, worker = many.process(), many.process()
    leader.tick(START_S)
    now_s = many.replay([leader, worker], _rows(300))
    shutil.rmtree(many.base)
    many.base.write_text("in the way", encoding="utf-8")
    now_s = many.replay([leader, worker], _rows(700, seed=2), start_s=now_s)
    many.settle([leader, worker], now_s)
    shown = [{p.spec.name for p in process.drift.points()} for process in (leader, worker)]

    assert many.seen[0][1].rows == 200
    assert 1000 - 150 <= sum(verdict.rows for _, verdict in many.seen) <= 1000
    assert shown[0] == shown[1] >= {"drift.ks.statistic", "drift.window.rows"}


def test_a_reference_that_the_leader_has_not_found(launch: MakeLaunch, tmp_path: Path) -> None:
    """Its panes are lost until the leader has the file; then the model is judged."""
    (tmp_path / "references").mkdir()
    path = tmp_path / "references" / "fraud.reference.json"
    _reference(path, 0.0)
    many = launch(reference=str(path.parent), windows=ONE_WINDOW)
    leader, worker = many.process(), many.process()
    leader.tick(START_S)
    now_s = many.replay([worker], _rows(20))
    path.rename(tmp_path / "away")
    now_s = many.replay([worker, leader], _rows(380), start_s=now_s, whose=[0])
    lost = len(many.seen)
    (tmp_path / "away").rename(path)
    many.settle(
        [worker, leader], many.replay([worker, leader], _rows(400), start_s=now_s, whose=[0])
    )

    assert lost == 0
    assert [rows for _, rows in _judged(many)] == [200, 200]


def test_models_that_only_others_serve_are_judged_too(launch: MakeLaunch) -> None:
    """The leader has no rows of them, and their values outlive it."""
    many = launch(windows=ONE_WINDOW)
    leader, worker, successor = (many.process() for _ in range(3))
    times = START_S + np.arange(200) / 20
    for process in (leader, worker, successor):
        process.tick(START_S)
    for version in "12":
        worker.send(_rows(200), times, model=ModelKey("other", version))
    now_s = many.settle([worker, leader, successor], START_S + 9)
    first = {(p.spec.name, p.attributes): p.value for p in leader.drift.points()}
    leader.die()
    worker.die()
    many.settle([successor], now_s, 1)
    second = {(p.spec.name, p.attributes): p.value for p in successor.drift.points()}

    assert {attributes[:2] for _, attributes in first} == {("other", "1"), ("other", "2")}
    assert len(first) > 20
    assert first == second


def test_panes_of_other_lengths_are_not_mixed(launch: MakeLaunch) -> None:
    """A process with other panes is not waited for, and its rows are left out."""
    many = launch(windows=ONE_WINDOW)
    leader = many.process()
    many.drift = launch(windows=ONE_WINDOW, pane_s=7).drift
    other = many.process()
    now_s = many.replay([leader], _rows(200))
    many.replay([leader, other], _rows(200, seed=2), start_s=now_s)
    many.settle([leader, other], now_s + 10, 9)

    assert all(v.opened_s % 10 == 0 for _, v in many.seen)
    assert many.seen[0][1].rows == 200
    assert isinstance(Pane.from_bytes(other.group.records("pane.")[0].payload), Pane)


def test_a_forked_child_begins_from_nothing(launch: MakeLaunch) -> None:
    """Its parent's panes and windows stay the parent's."""
    many = launch(windows=ONE_WINDOW)
    process = many.process(alone=True)
    many.replay([process], _rows(300))
    process.drift.reset()
    many.settle([process], START_S + 15)

    assert _judged(many) == [(10, 200)]
    assert list(process.drift.points()) == []

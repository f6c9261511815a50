"""Several processes of one launch: their panes become the windows and verdicts of one."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tidegauge.batch import CountPoint, ModelKey
from tidegauge_drift.window import WindowSpec

Matrix = NDArray[np.float64]
MakeLaunch = Callable[..., Any]
START_S = 1_700_000_000.0
ROWS = 1200


def stream(rows: int = ROWS, seed: int = 1) -> Matrix:
    """Return rows of which the second half is shifted in one feature."""
    found = np.random.default_rng(seed).normal(size=(rows, 3))
    found[rows // 2 :, 1] += 1
    return found


@pytest.fixture
def expected(launch: MakeLaunch) -> dict[Any, Any]:
    """Return what one process says of the stream."""
    one = launch()
    process = one.process(alone=True)
    one.settle([process], one.replay([process], stream()))
    assert not process.group.member
    return dict(one.verdicts())


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_verdicts_are_those_of_one_process(
    launch: MakeLaunch, expected: dict[Any, Any], workers: int
) -> None:
    """The same rows at the same times, spread over processes by chance."""
    many = launch()
    processes = [many.process() for _ in range(workers)]
    many.settle(processes, many.replay(processes, stream(), seed=workers))

    assert len(expected) >= 6
    assert any(verdict.detected["inputs"] for verdict in expected.values())
    assert expected == many.verdicts()


def kill_and_replay(
    many: Any, rows: Matrix, processes: Sequence[Any], killed: type[BaseException]
) -> list[Any]:
    """Send rows, return who lives; leaders are killed as fate wills, their rows published before.

    Once somebody may be killed rows go to the last process alone, which never leads: what a killed
    process had not published yet would be lost.
    """
    many.replay(processes, rows[:400])
    living = list(processes)
    many.fate.armed = True
    for second in range(20, len(rows) // 20 + 30):
        part = slice(second * 20, second * 20 + 20)
        living[-1].send(rows[part], START_S + np.arange(len(rows))[part] / 20)
        for process in list(living):
            try:
                process.tick(START_S + second + 1)
            except killed:
                process.die()
                living.remove(process)
    return living


def counted(process: Any) -> dict[str, float]:
    """Return the rows that a process says all processes have counted of each feature."""
    found: dict[str, float] = {}
    for point in process.drift.points():
        if isinstance(point, CountPoint):
            found[point.attributes[3]] = found.get(point.attributes[3], 0) + point.value
    return found


@given(st.lists(st.integers(0, 10), min_size=1, max_size=3))
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_leader_may_die_at_any_write(
    launch: MakeLaunch, expected: dict[Any, Any], writes: list[int]
) -> None:
    """Up to three leaders are killed before or after any write: nothing is lost or folded twice.

    The counts for a fleet are those of all rows too, and the leader alone has them.
    """
    many = launch(fleet=True)
    many.fate.writes = list(writes)
    processes = [*(many.process() for _ in range(4)), many.process(leads=False)]
    living = kill_and_replay(many, stream(), processes, many.fate.killed)

    assert many.fate.writes == []
    assert expected == many.verdicts()
    for process in living:
        rows = dict.fromkeys(("x0", "x1", "x2"), ROWS) if process.group.leads else {}
        assert rows == counted(process)


def test_workers_that_live_for_a_few_rows_fill_the_same_windows(
    launch: MakeLaunch, expected: dict[Any, Any]
) -> None:
    """Each is killed after 50 rows, its pane still open; one that leads stays."""
    many = launch()
    leader = many.process()
    rows = stream()
    times = START_S + np.arange(ROWS) / 20
    leader.tick(START_S)
    for start in range(0, ROWS, 50):
        worker = many.process()
        worker.send(rows[start : start + 50], times[start : start + 50])
        for now_s in (times[start + 49], times[start + 49] + 1):
            worker.tick(now_s)
            leader.tick(now_s)
        worker.die()
    many.settle([leader], times[-1] + 1)

    assert expected == many.verdicts()
    assert leader.group.records("pane") == leader.group.records("panes")


def test_a_launcher_that_was_alone_goes_on_with_its_windows(
    launch: MakeLaunch, expected: dict[Any, Any]
) -> None:
    """Its children come after 25 s: what it had open is the group's."""
    many = launch()
    launcher = many.process(alone=True)
    rows = stream()
    now_s = many.replay([launcher], rows[:500])
    before = len(many.seen)
    processes = [launcher, many.process(), many.process()]
    processes[1].group.attached = processes[2].group.attached = False
    many.settle(processes, many.replay(processes, rows[500:], start_s=now_s))

    assert before >= 1
    assert launcher.group.leads
    assert expected == many.verdicts()


def test_a_successor_does_not_wait_for_its_next_second(launch: MakeLaunch) -> None:
    """It judges what is due as soon as it leads: it may not live for long."""
    many = launch()
    leader, worker = many.process(), many.process()
    leader.tick(START_S)
    many.replay([leader, worker], stream()[:240])
    worker.tick(START_S + 13.0)
    leader.die()
    worker.tick(START_S + 13.4)

    assert worker.group.leads
    assert [verdict.closed_s - START_S for _, verdict in many.seen] == [10]


def test_reading_at_any_time_changes_nothing(launch: MakeLaunch, expected: dict[Any, Any]) -> None:
    """Two readers at different intervals see the values of one sequence of verdicts."""
    many = launch()
    processes = [many.process() for _ in range(3)]
    rows = stream()
    seen: dict[int, list[Any]] = {1: [], 17: []}
    for second in range(ROWS // 20 + 30):
        part = rows[second * 20 : second * 20 + 20]
        many.replay(processes, part, seed=second, start_s=START_S + second)
        if len(part) == 0:
            many.settle(processes, START_S + second, 1)
        for interval, values in seen.items():
            if second % interval == 0:
                values.append(
                    {
                        (point.spec.name, point.attributes): point.value
                        for process in processes
                        for point in process.drift.points()
                    }
                )
    often = [found for found, _ in itertools.groupby(seen[1])]
    seldom = [found for found, _ in itertools.groupby(seen[17])]
    rest = iter(often)

    assert expected == many.verdicts()
    assert len(often) > len(seldom) >= 4
    assert all(found in rest for found in seldom)


@pytest.mark.parametrize("high", [0, 1, 2])
def test_the_highest_operation_of_any_process_is_compared(launch: MakeLaunch, high: int) -> None:
    """One process comes to predict_proba: from that pane on its rows alone count, in all."""

    def verdicts(workers: int, who: int) -> dict[Any, Any]:
        many = launch(windows=(WindowSpec.parse("60rows"),))
        processes = [many.process(alone=workers == 1) for _ in range(workers)]
        rows = stream(2000, seed=9)
        times = START_S + np.arange(len(rows)) / 20
        for second in range(100):
            part = slice(second * 20, second * 20 + 20)
            for i, process in enumerate(processes):
                mine = np.arange(len(rows))[part] % workers == i
                process.send(rows[part][mine], times[part][mine])
            if second >= 33:
                processes[who].send(rows[part] + 5, times[part], operation="predict_proba")
            for process in processes:
                process.tick(START_S + second + 1)
        return dict(many.verdicts())

    expected = verdicts(1, 0)
    found = verdicts(3, high)

    assert [verdict.rows for verdict in expected.values()] == [200, 200, 200, 140, *[200] * 5]
    assert expected == found


@pytest.mark.parametrize("how", ["killed", "ended"])
def test_open_panes_of_many_models_are_published_in_turn(
    launch: MakeLaunch, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """One a second where there is time for one only; all of them when they close or it ends."""
    monkeypatch.setattr("tidegauge_drift.exchange._GROWING_S", 0.0)
    many = launch(windows=(WindowSpec.parse("30rows"),))
    leader, worker = many.process(), many.process()
    leader.tick(START_S)
    worker.tick(START_S)
    for name in "abc":
        worker.send(stream(30), np.full(30, START_S), model=ModelKey(name))
    published = []
    for second in (1, 2):
        worker.tick(START_S + second)
        published.append(len(worker.group.records("pane.")))
    if how == "ended":
        worker.drift.on_leave(START_S + 2.5)
    worker.die()
    many.settle([leader], START_S + 3)

    assert published == [1, 2]
    assert len(many.seen) == (3 if how == "ended" else 2)

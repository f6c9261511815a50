"""A group of real processes: who leads, what outlives whom, what the folder must stand."""

from __future__ import annotations

import ast
import json
import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

Launch = Callable[..., Any]


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_workers_of_one_launcher_count_together(launch: Launch, method: str) -> None:
    """However they were started, and whoever is asked."""
    launcher = launch("unaware")
    workers = [launcher.start(method) for _ in range(3)]
    for number, worker in enumerate(workers):
        worker.publish(10**number)
    assert [111, 111, 111] == [worker.counted() for worker in workers]
    assert [{}, {}, {}] == [worker.faults() for worker in workers]


def test_two_launches_from_one_shell_are_two_groups(launch: Launch, tmp_path: Path) -> None:
    """They may share the folder that was set for both."""
    one, other = launch("unaware").start(), launch("unaware").start()
    one.publish(1)
    other.publish(2)
    assert (1, 2) == (one.counted(), other.counted())
    assert 2 == len(list((tmp_path / "groups").iterdir()))


def test_a_killed_leader_is_followed_at_the_next_tick(launch: Launch) -> None:
    """Twice; what they had published is in no total twice, and in none missing."""
    launcher = launch("unaware")
    workers = [launcher.start() for _ in range(4)]
    for number, worker in enumerate(workers):
        worker.publish(10**number)
    assert [False] * 4 == [worker.tick() for worker in workers]  # the launcher might come
    for worker in workers:
        worker.hurry()
    assert [True, False, False, False] == [worker.tick(1.0) for worker in workers]
    identity = workers[0]("group.instance_id")
    workers[0]('group.keep("baseline", b"5")')
    for _ in range(2):
        workers.pop(0).kill()
        assert [1111] * len(workers) == [worker.counted() for worker in workers]
        assert workers[0].tick(2.0)
        assert not workers[-1].tick(2.0)
        assert [1111] * len(workers) == [worker.counted() for worker in workers]
        assert "5" == workers[0]('group.kept("baseline").decode()')
        assert identity == workers[-1]("group.instance_id")
    assert [{}, {}] == [worker.faults() for worker in workers]


def test_the_dead_are_archived_and_nothing_of_them_is_left(launch: Launch, tmp_path: Path) -> None:
    """However many die, the folder does not grow, and no total changes."""
    launcher = launch()
    leader = launcher.start()
    leader.hurry()
    leader.publish(1)
    for number in range(1, 11):
        worker = launcher.start()
        worker.publish(10)
        worker.kill()
        assert 1 + 10 * number == leader.counted()
        assert leader.tick(number)
        assert 1 + 10 * number == leader.counted()
    places = [place.name for place in tmp_path.glob("groups/*/workers/*")]
    assert [leader("group.worker")] == places
    assert {} == leader.faults()


def test_a_leader_that_crashes_while_it_archives(launch: Launch, tmp_path: Path) -> None:
    """Before each single change to the files: nothing counts twice, nothing is lost."""
    launcher = launch()
    reader = launcher.start()
    reader("setattr(group, 'attached', False)")
    reader.publish(1)
    counted, step, crashed = 1, 0, True
    while crashed:
        step += 1
        for number in (10, 100):
            dead = launcher.start()
            dead.publish(number)
            dead.kill()
        leader = launcher.start()
        leader.hurry()
        leader.publish(1000)
        counted += 1110
        leader(f"crash_at({step})")
        try:
            assert leader.tick()
            leader.kill()
        except (OSError, json.JSONDecodeError):
            leader.wait()
        else:
            crashed = False
        assert counted == reader.counted()
        reader.tick()
        assert counted == reader.counted()
    # Two records, with a lock and a mark each, and the archive.
    assert step > 8
    reader.tick()
    places = [place.name for place in tmp_path.glob("groups/*/workers/*")]
    assert [reader("group.worker")] == places
    assert {} == reader.faults()


def test_a_lock_does_not_outlive_its_process_in_a_child(launch: Launch) -> None:
    """A worker forked a child and was killed: the child that lives on does not keep it alive."""
    launcher = launch()
    worker, other = launcher.start(), launcher.start()
    worker.hurry()
    worker.publish(1)
    assert worker.tick()
    child = worker("(pid := os.fork()) or (time.sleep(60), os._exit(0))")
    worker.kill()
    try:
        other.hurry()
        assert other.tick()
        assert ["archive"] == other("[r.worker for r in group.records('')]")
    finally:
        os.kill(child, signal.SIGKILL)


def test_a_forked_child_has_a_place_of_its_own(launch: Launch) -> None:
    """It is no member before it predicts, and then not the one that its parent is."""
    worker = launch().start()
    worker.publish(1)
    assert worker.tick() is False
    code = (
        "(pipe := os.pipe(), pid := os.fork()) and pid or (os.write(pipe[1], repr(("
        "group.member, group.leads, len(os.listdir('/proc/self/fd')), "
        "setattr(group, 'predicts', True), group.publish('counters', b'10'), group.member, "
        "group.worker, sum(int(r.payload) for r in group.named('counters'))"
        ")).encode()), os._exit(0))"
    )
    before = worker("len(os.listdir('/proc/self/fd'))")
    worker(code)
    member, leads, descriptors, _, _, joined, name, counted = ast.literal_eval(
        worker("os.read(pipe[0], 1000).decode()")
    )
    assert (False, False, True, 11) == (member, leads, joined, counted)
    assert name != worker("group.worker")
    # The pipe has come, and the locks have gone: the place's, and the one on the folder.
    assert before + 2 - 2 == descriptors


def test_all_leave_at_once(launch: Launch) -> None:
    """Whoever is the last exports what all have published; nobody waits for those who are gone."""
    launcher = launch()
    workers = [launcher.start() for _ in range(4)]
    for number, worker in enumerate(workers):
        worker.publish(10**number)
        worker.hurry()
        worker.tick()
        worker("globals().update(seen=[])")
    leave = (
        'group.leave(5.0, lambda: seen.append(sum(int(r.payload) for r in group.records("counters"'
        ")))) or seen"
    )
    with ThreadPoolExecutor() as pool:
        seen = list(pool.map(lambda worker: worker(leave), workers))
    exports = sorted(count for counts in seen for count in counts)
    assert exports
    assert 1111 == exports[-1]
    assert [{}] * 4 == [worker.faults() for worker in workers]


def test_folders_of_launches_that_are_over_are_removed(launch: Launch, tmp_path: Path) -> None:
    """Not while a worker lives, or the launcher, or before a while has gone by."""
    over, orphaned, idle, young = (launch() for _ in range(4))
    folders = {}
    for launcher in (over, orphaned, idle, young):
        worker = launcher.start()
        worker.publish(1)
        folders[launcher] = tmp_path / "groups" / worker("group.launch_id")
        if launcher is not orphaned:
            worker.kill()
        if launcher is not idle:
            launcher.kill()
        if launcher is not young:
            for path in [folders[launcher], *folders[launcher].rglob("*")]:
                os.utime(path, (0, 0))
    half = tmp_path / "groups" / "0123456789ab.17"
    (half / "workers").mkdir(parents=True)
    launch().start().publish(1)
    assert {over: False, orphaned: True, idle: True, young: True} == {
        launcher: folder.exists() for launcher, folder in folders.items()
    }
    assert not half.exists()


def test_a_launcher_that_serves_nothing_clears_up_when_it_ends(
    launch: Launch, tmp_path: Path
) -> None:
    """As gunicorn's arbiter under zero-code instrumentation: it loads Tidegauge, and only forks."""
    launcher = launch()
    worker = launcher.start()
    worker.publish(1)
    [folder] = (tmp_path / "groups").iterdir()
    worker.kill()
    assert folder.exists()
    launcher.close()
    assert [] == list((tmp_path / "groups").iterdir())

"""A group of real processes: who leads, what outlives whom, what the folder must stand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Launch = Callable[..., Any]


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_workers_of_one_launcher_count_together(launch: Launch, method: str) -> None:
    """However they were started, and whoever is asked."""
    launcher = launch()
    workers = [launcher.start(method) for _ in range(3)]
    for number, worker in enumerate(workers):
        worker.publish(10**number)
    assert [111, 111, 111] == [worker.counted() for worker in workers]
    assert [{}, {}, {}] == [worker("guard.counts()") for worker in workers]


def test_two_launches_from_one_shell_are_two_groups(launch: Launch, tmp_path: Path) -> None:
    """They may share the folder that was set for both."""
    one, other = launch().start(), launch().start()
    one.publish(1)
    other.publish(2)
    assert (1, 2) == (one.counted(), other.counted())
    assert 2 == len(list((tmp_path / "groups").iterdir()))


def test_a_killed_leader_is_followed_at_the_next_tick(launch: Launch) -> None:
    """Twice; what they had published is in no total twice, and in none missing."""
    launcher = launch()
    workers = [launcher.start() for _ in range(4)]
    for number, worker in enumerate(workers):
        worker.publish(10**number)
    assert [False] * 4 == [worker.tick() for worker in workers]  # the launcher might come
    for worker in workers:
        worker("setattr(group, '_joined_s', -10.0)")
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
    assert [{}, {}] == [worker("guard.counts()") for worker in workers]

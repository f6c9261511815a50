"""Groups of one process each, here several in one: places, records, leadership, archive, end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tidegauge import guard
from tidegauge.group import Group, Record
from tidegauge.group.launch import Launch, detect

Make = Callable[..., Group]


def total(payloads: list[bytes]) -> bytes:
    """Merge as counts are merged."""
    return b"%d" % sum(map(int, payloads))


def counted(group: Group) -> int:
    """Return what a scrape of this process would show."""
    return sum(int(record.payload) for record in group.records("counters"))


def die(group: Group) -> None:
    """End as a killed process ends: the kernel closes what it had open."""
    group._descriptors.abandon()


@pytest.fixture
def ours() -> Launch:
    """Return the launch of this very process."""
    return replace(detect({}), child=True)


@pytest.fixture
def make(tmp_path: Path, ours: Launch, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Build groups that stand for processes of one launch; they lead without waiting."""
    monkeypatch.setattr("tidegauge.group.group._LAUNCHER_FIRST_S", 0.0)
    guard.reset()
    made: list[Group] = []

    def build(*, predicts: bool = True, attached: bool = True, **changes: Any) -> Group:
        group = Group(replace(ours, **changes), tmp_path)
        group.predicts, group.attached = predicts, attached
        group.archive_by("counters", total)
        made.append(group)
        return group

    yield build
    for group in made:
        die(group)
    guard.reset()


def test_a_launcher_alone_writes_nothing(make: Make, tmp_path: Path) -> None:
    """It is no member, leads nobody, and has no records."""
    group = make(child=False)
    group.tick(0.0)
    group.publish("counters", b"1")
    group.keep("x", b"1")
    assert (False, False, False, "") == (group.active, group.member, group.leads, group.worker)
    assert ([], None) == (group.records(""), group.kept("x"))
    assert [] == list(tmp_path.iterdir())


def test_a_child_without_predictions_writes_nothing(make: Make, tmp_path: Path) -> None:
    """It has to predict or to have something else to share."""
    group = make(predicts=False)
    group.tick(0.0)
    group.publish("counters", b"1")
    assert (False, False) == (group.active, group.member)
    assert [] == list(tmp_path.iterdir())
    group.takes_part = True
    group.publish("counters", b"1")
    assert (True, 1) == (group.member, counted(group))


def test_children_and_then_the_launcher_share_their_records(make: Make) -> None:
    """Each reads those of all; a process without predictions reads them too."""
    first, second, launcher, arbiter = make(), make(), make(child=False), make(predicts=False)
    first.publish("counters", b"1")
    first.publish("panes", b"p")
    second.tick(0.0)
    second.publish("counters", b"2")
    launcher.publish("counters", b"4")
    for group in (first, second, launcher, arbiter):
        assert group.active
        assert 7 == counted(group)
    assert (True, False) == (launcher.member, arbiter.member)
    assert [Record(first.worker, "panes", living=True, payload=b"p")] == second.records("pane")
    first.withdraw("counters")
    assert 6 == counted(second)
    assert {} == guard.counts()


def test_one_leads_and_another_when_it_is_dead(make: Make) -> None:
    """What was kept is there for the next one, under the same instance id."""
    first, second, idle = make(), make(), make(attached=False)
    for group in (idle, first, second, idle):
        group.tick(0.0)
    assert [True, False, False] == [group.leads for group in (first, second, idle)]
    first.keep("baseline.x", b"10")
    second.keep("baseline.x", b"no")
    assert b"10" == second.kept("baseline.x") == idle.kept("baseline.x")
    before = first.instance_id
    die(first)
    for group in (idle, second):
        group.tick(1.0)
    assert [True, False] == [group.leads for group in (second, idle)]
    second.keep("baseline.x", b"20")
    assert b"20" == idle.kept("baseline.x")
    assert [before] * 2 == [second.instance_id, idle.instance_id]


def test_the_dead_are_archived(make: Make, tmp_path: Path) -> None:
    """Their counts stay, their places go when nothing is left in them to be used."""
    first, second, third = make(), make(), make()
    first.tick(0.0)
    for number, group in enumerate((first, second, third), 1):
        group.publish("counters", b"%d" % number)
    second.publish("pane.1", b"open")
    for group in (second, third):
        die(group)
    assert 6 == counted(first)
    first.tick(1.0)
    assert 6 == counted(first)
    assert {first.worker: b"1", "archive": b"5"} == {
        record.worker: record.payload for record in first.records("counters")
    }
    [pane] = first.records("pane")
    assert (second.worker, False) == (pane.worker, pane.living)
    first.drop(pane)
    assert [] == first.records("pane")
    first.tick(2.0)
    assert [first.worker] == [place.name for place in tmp_path.glob("*/workers/*")]
    assert {} == guard.counts()


def test_the_last_to_leave_exports(make: Make) -> None:
    """The others go at once, and a leader gives way."""
    first, second, third = make(), make(), make()
    for group in (first, second, third):
        group.tick(0.0)
    exported: list[Group] = []
    for group in (first, third, second):
        group.leave(1.0, partial(exported.append, group))
    assert [second] == exported
    assert not second.leads


def test_a_process_alone_exports_when_it_leaves(make: Make) -> None:
    """Without a group it is the last one."""
    exported: list[float] = []
    make(child=False).leave(1.0, lambda: exported.append(time.monotonic()))
    assert 1 == len(exported)

"""Groups of one process each, here several in one: places, records, leadership, archive, end."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tidegauge import guard
from tidegauge.group import Group, Record, members
from tidegauge.group.launch import Launch, detect

Make = Callable[..., Group]

LIMIT_S = 20.0


def total(payloads: list[bytes]) -> bytes:
    """Merge as counts are merged."""
    return b"%d" % sum(map(int, payloads))


def counted(group: Group) -> int:
    """Return what a scrape of this process would show."""
    return sum(int(record.payload) for record in group.named("counters"))


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
        record.worker: record.payload for record in first.named("counters")
    }
    [pane] = first.records("pane")
    assert (second.worker, False) == (pane.worker, pane.living)
    first.drop(pane)
    assert [] == first.records("pane")
    first.tick(2.0)
    assert [first.worker] == [place.name for place in tmp_path.glob("*/workers/*")]
    assert {} == guard.counts()


def test_what_cannot_be_merged_stays_where_it_is(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    """The others are archived; one line says so, and in the end it makes room."""
    leader, good, bad = make(), make(), make()
    leader.publish("counters", b"1")
    good.publish("counters", b"2")
    bad.publish("counters", b"x")
    for group in (good, bad):
        die(group)
    for now_s in (0.0, 1.0, 599.0):
        leader.tick(now_s)
        assert [b"1", b"2", b"x"] == sorted(r.payload for r in leader.named("counters"))
    leader.tick(600.0)
    assert [b"1", b"2"] == sorted(r.payload for r in leader.named("counters"))
    assert [
        f"The record 'counters' of the ended process {bad.worker} cannot be merged (ValueError): "
        "what it counted is left out. Do all workers run the same version of Tidegauge?"
    ] == [line.getMessage() for line in caplog.records]


def test_what_nobody_uses_up_is_removed_in_the_end(make: Make, tmp_path: Path) -> None:
    """A dead process's pane waits for a leader that knows its model, but not for ever."""
    leader, dead = make(), make()
    leader.tick(0.0)
    dead.publish("pane.1", b"open")
    die(dead)
    for now_s, left in ((10.0, 1), (609.0, 1), (610.0, 0)):
        leader.tick(now_s)
        assert left == len(leader.records("pane"))
    assert 1 == len(list(tmp_path.glob("*/workers/*")))


def test_only_the_leader_drops_and_only_what_is_dead(make: Make) -> None:
    """A record of a living process is its own to remove."""
    leader, other, dead = make(), make(), make()
    leader.tick(0.0)
    for group in (other, dead):
        group.publish("pane", b"open")
    die(dead)
    for group in (other, leader):
        for record in group.records("pane"):
            group.drop(record)
    assert [other.worker] == [record.worker for record in leader.records("pane")]


def test_where_nobody_has_a_reader_the_dead_are_archived_too(make: Make, tmp_path: Path) -> None:
    """Nobody leads then, but the folder does not grow."""
    first, second, dead = make(attached=False), make(attached=False), make(attached=False)
    for group in (first, second, dead):
        group.publish("counters", b"1")
    die(dead)
    for group in (first, second):
        group.tick(0.0)
        assert not group.leads
    assert 3 == counted(first)
    assert 2 == len(list(tmp_path.glob("*/workers/*")))


@pytest.mark.parametrize("name", ["", "a/b", "..", "A", "x" * 201, "a\n"])
def test_a_name_that_is_none_is_a_fault_of_ours(make: Make, name: str) -> None:
    """It is counted, and nothing is written."""
    group = make()
    assert not group.publish(name, b"1")
    assert group.kept(name) is None
    assert group.publish("a", b"1")
    assert ["a"] == [record.name for record in group.records("")]
    assert 2 == sum(guard.counts().values())


def test_children_wait_a_while_for_their_launcher_to_lead(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its windows began before theirs, and its instance id is known to the backend."""
    monkeypatch.setattr("tidegauge.group.group._LAUNCHER_FIRST_S", 3.0)
    child, launcher = make(), make(child=False)
    launcher.own_instance_id = "known"
    child.own_instance_id = "unknown"
    child.tick(0.0)
    assert [False] == [child.leads]
    launcher.tick(1.0)
    child.tick(1.0)
    assert (True, False) == (launcher.leads, child.leads)
    assert "known" == launcher.instance_id == child.instance_id
    die(launcher)
    child.tick(2.0)
    assert child.leads
    assert "known" == child.instance_id


@pytest.mark.parametrize("reason", ["it does not come", "it is gone"])
def test_children_do_not_wait_for_ever(
    make: Make, ours: Launch, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    """The launcher may not predict, or not live."""
    monkeypatch.setattr("tidegauge.group.group._LAUNCHER_FIRST_S", 3.0)
    gone = reason == "it is gone"
    child = make(launcher_start=ours.launcher_start - gone)
    child.tick(0.0)
    assert [gone] == [child.leads]
    child._began_s -= 3.0
    child.tick(1.0)
    assert child.leads
    assert ours.instance_id() == child.instance_id or gone


def test_children_that_live_shorter_than_the_wait_lead_in_the_end(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What counts is how long there has been a group, not how long its members have lived."""
    monkeypatch.setattr("tidegauge.group.group._LAUNCHER_FIRST_S", 3.0)
    first = make()
    first.tick(0.0)
    die(first)
    (facts,) = tmp_path.glob("*/group.json")
    os.utime(facts, (facts.stat().st_mtime - 3.0,) * 2)
    second = make()
    second.tick(1.0)

    assert (False, True) == (first.leads, second.leads)


def test_a_fork_does_not_lead_under_its_launchers_instance_id(make: Make) -> None:
    """The launcher may still export under it, alone."""
    launcher, child = make(child=False), make(child=False)
    launcher.own_instance_id = child.own_instance_id = "known"
    child.inherit()
    child.predicts = child.attached = True
    child.own_instance_id = "new"
    child.tick(0.0)
    assert child.leads
    assert [launcher.launch.instance_id()] * 2 == [child.instance_id, launcher.instance_id]


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


def test_who_has_no_reader_does_not_stay_for_others(make: Make) -> None:
    """It could not export what they leave."""
    first, idle = make(), make(attached=False)
    for group in (first, idle):
        group.tick(0.0)
    exported: list[Group] = []
    first.leave(1.0, partial(exported.append, first))
    assert [first] == exported


def test_leaving_takes_no_longer_than_its_limit(make: Make) -> None:
    """The leader is leaving itself, and has not come to an end with its export."""
    first, second = make(), make()
    for group in (first, second):
        group.tick(0.0)
    exported: list[Group] = []
    took_s: list[float] = []

    def export() -> None:
        began = time.monotonic()
        second.leave(0.2, partial(exported.append, second))
        took_s.append(time.monotonic() - began)

    second._membership.mark("leaving")  # type: ignore[union-attr]
    first.leave(1.0, export)
    assert [] == exported
    assert 0.2 <= took_s[0] < LIMIT_S


def test_who_is_spared_comes_back(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first process of a container outlives its SIGTERM."""
    group, other = make(), make()
    group.tick(0.0)
    group.leave(1.0, lambda: None)
    group.tick(1.0)
    assert [False] == [group.leads]
    monkeypatch.setattr("tidegauge.group.group._SPARED_S", 0.0)
    group.tick(2.0)
    assert group.leads
    exported: list[Group] = []
    other.tick(2.0)
    other.leave(1.0, partial(exported.append, other))
    assert [] == exported


def test_an_export_that_fails_does_not_keep_the_leadership(make: Make) -> None:
    """The fault is counted, and another one may try."""
    first, second = make(), make()
    first.tick(0.0)

    def fail() -> None:
        raise RuntimeError

    first.leave(1.0, fail)
    assert {"group.leave:RuntimeError": 1} == guard.counts()
    second.tick(1.0)
    assert second.leads


def test_an_archive_that_changes_while_it_is_read(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After two writes in between, what was read before may be in it too: all is read again."""
    leader, reader, *dying = (make() for _ in range(6))
    leader.tick(0.0)
    for group in (leader, *dying):
        group.publish("counters", b"1")
    real, asked = members.records_of, [0]

    def records_of(workers: Path, worker: str, chosen: Any) -> list[Record]:
        found = real(workers, worker, chosen)
        asked[0] += 1
        if asked[0] == 6:  # all have been read, and the archive not yet again
            for group in dying[:2]:
                die(group)
                leader.tick(1.0)
        return found

    monkeypatch.setattr(members, "records_of", records_of)
    assert 5 == counted(reader)
    assert 3 == len(reader.named("counters")) - 1

"""Where a group has its folder, whom it trusts there, and what it removes; here in one process."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tidegauge import guard
from tidegauge.configuration import CoreSettings
from tidegauge.group import Group
from tidegauge.group import folder as folders
from tidegauge.group.launch import OWNER_VARIABLE, Launch, detect, look
from tidegauge.group.locks import Descriptors, FolderLock
from tidegauge.runtime import shared

OURS = detect({})


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Forget faults before and after, and what is handed down."""
    monkeypatch.setenv(OWNER_VARIABLE, "")
    guard.reset()
    yield
    guard.reset()


@pytest.fixture
def make() -> Iterator[Callable[..., Group]]:
    """Build groups with a folder; all are ended after."""
    made: list[Group] = []

    def build(base: Path | None, **changes: Any) -> Group:
        group = Group(replace(OURS, **{"child": True, **changes}), base)
        group.predicts = group.attached = True
        made.append(group)
        return group

    yield build
    for group in made:
        group._descriptors.abandon()


def test_a_folder_of_its_own_for_each_user(
    make: Callable[..., Group], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside other temporary files, or where it was set; children are told who started them."""
    monkeypatch.setattr(shared, "settings", CoreSettings())
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert make(None).publish("a", b"1")
    me = look(os.getpid())
    assert me is not None
    assert OURS.owner(me) == os.environ[OWNER_VARIABLE]
    monkeypatch.setattr(shared, "settings", CoreSettings(group_dir=str(tmp_path / "x" / "y")))
    assert make(None).publish("a", b"1")
    user = tmp_path / f"tidegauge-{os.geteuid()}"
    assert [user / OURS.identity] == list(user.iterdir())
    assert [tmp_path / "x" / "y" / OURS.identity] == list((tmp_path / "x" / "y").iterdir())
    assert {} == guard.counts()


@pytest.mark.parametrize("launch", [{"helper": True}, {"identity": ""}], ids=str)
def test_who_has_no_group(make: Callable[..., Group], tmp_path: Path, launch: Any) -> None:
    """A process that multiprocessing keeps for itself, and any on a system that is not Linux."""
    group = make(tmp_path, **launch)
    group.tick(0.0)
    assert not group.publish("a", b"1")
    group.clean_up()
    assert (False, "") == (group.active, group.worker)
    assert bool(launch.get("helper")) == group.helper
    assert group.launch_id == launch.get("identity", OURS.identity)
    assert [] == list(tmp_path.iterdir())


def test_without_flock_each_process_is_alone(
    make: Callable[..., Group], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows has none."""
    monkeypatch.setattr("tidegauge.group.locks.AVAILABLE", False)
    assert not make(tmp_path).active
    assert [] == list(tmp_path.iterdir())


def test_what_cannot_be_found_out_is_a_fault_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Importing Tidegauge raises nothing."""

    def fail(_: object) -> Launch:
        raise ValueError

    monkeypatch.setattr("tidegauge.group.participant.detect", fail)
    assert not Group().active
    assert {"group.launch:ValueError": 1} == guard.counts()


def test_a_forked_child_forgets_its_parents_place(
    make: Callable[..., Group], tmp_path: Path
) -> None:
    """And closes the parent's locks, even those that the app has closed already."""
    parent = make(tmp_path)
    parent.publish("a", b"1")
    descriptors = sorted(parent._descriptors._open)
    os.close(descriptors[0])
    parent.inherit()
    assert (False, False, True) == (parent.member, parent.predicts, parent.launch.child)
    for descriptor in descriptors:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(descriptor)


def test_a_place_that_is_removed_is_taken_anew(
    make: Callable[..., Group], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """At the next tick, with the same name of the group."""
    group = make(tmp_path, launcher_start=1)
    group.tick(0.0)
    group.publish("a", b"1")
    worker, instance = group.worker, group.instance_id
    shutil.rmtree(tmp_path)
    tmp_path.mkdir()
    assert not group.publish("a" * 100, b"1")
    group.tick(1.0)
    group.tick(2.0)
    assert group.publish("a", b"2")
    assert [b"2"] == [record.payload for record in group.named("a")]
    assert (True, instance) == (group.leads, group.instance_id)
    assert worker != group.worker
    assert ["ERROR", "ERROR"] == [line.levelname for line in caplog.records]


def test_a_busy_group_keeps_nobody_waiting(
    make: Callable[..., Group], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a disk hangs, whoever holds the lock hangs with it, and nobody else."""
    monkeypatch.setattr("tidegauge.group.participant._LOCK_TIMEOUT_S", 0.0)
    group, late = make(tmp_path, launcher_start=1), make(tmp_path)
    group.publish("a", b"1")
    group.tick(0.0)
    record = group.named("a")[0]
    with group._lock, late._lock:
        group.tick(1.0)
        group.withdraw("a")
        group.keep("k", b"1")
        group.drop(record)
        group.leave(0.0, pytest.fail)
        late.tick(1.0)
        assert [group.publish("a", b"2"), late.publish("a", b"2")] == [False, False]
        assert [record] == group.named("a")
    assert group.kept("k") is None


def test_another_launchs_folder_and_another_users(
    make: Callable[..., Group], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither is joined, and each is said once."""
    named, given, open_to_all = tmp_path / "named", tmp_path / "given", tmp_path / "open"
    for base in (named, given, open_to_all):
        (base / OURS.identity).mkdir(parents=True, mode=0o700)
    (named / OURS.identity / "group.json").write_text('{"boot": "another"}')
    (open_to_all / OURS.identity).chmod(0o770)
    groups = [make(base) for base in (named, open_to_all)]
    assert [False] * 4 == [group.active for group in groups * 2]
    real = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: real + 1)
    assert not make(given).active
    assert {"group.refused": 4} == guard.counts()


def test_root_reads_the_group_of_workers_that_gave_up_its_rights(
    make: Callable[..., Group], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the folder was set; in the one for temporary files anybody could have made it."""
    worker = make(tmp_path)
    worker.publish("a", b"1")
    real = os.lstat(tmp_path).st_uid
    if real:  # as seen by root
        monkeypatch.setattr(os, "geteuid", lambda: 0)
    else:
        os.chown(worker._layout.root, 1, -1)  # type: ignore[union-attr]
    arbiter = make(tmp_path)
    arbiter.predicts = False
    assert [b"1"] == [record.payload for record in arbiter.named("a")]
    with pytest.raises(folders.FolderError):
        folders.find(tmp_path, OURS, private=True)


def test_a_damaged_name_is_written_anew(
    make: Callable[..., Group], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The name of the folder says the same."""
    make(tmp_path).publish("a", b"1")
    file = tmp_path / OURS.identity / "group.json"
    for content in ("", "[]", '{"boot":'):
        whole = file.read_text()
        file.write_text(content)
        assert make(tmp_path).publish("a", b"1")
        assert whole == file.read_text()
    assert [
        f"The file that names a launch is damaged and is written anew: {file}. If this comes "
        "again, look at the disk, or at who else writes to this folder."
    ] == [line.getMessage() for line in caplog.records]


def test_what_is_over_is_swept(make: Callable[..., Group], tmp_path: Path) -> None:
    """By age, and never while somebody lives or may live."""
    boot, elsewhere = {"boot": "before"}, {"pid_namespace": 1}
    gone = {"launcher_start": OURS.launcher_start - 1}
    launches: list[tuple[str, dict[str, Any], float, bool]] = [
        ("000000000001", boot, 700.0, True),
        ("000000000002", boot, 500.0, False),
        ("000000000003", gone, 700.0, True),
        ("000000000004", {}, 1e6, False),
        ("000000000005", elsewhere, 700.0, False),
        ("000000000006", elsewhere, 90_000.0, True),
    ]
    for identity, changes, _, _ in launches:
        group = make(tmp_path, identity=identity, **changes)
        assert group.publish("a", b"1")
        group._descriptors.abandon()
    for identity, _, age_s, _ in launches:
        for path in (tmp_path / identity, *(tmp_path / identity).rglob("*")):
            when_s = path.lstat().st_mtime - age_s
            os.utime(path, (when_s, when_s))
    for name in ("0123456789ab", "0123456789ab.5", "notes"):
        (tmp_path / name).mkdir()
    folders.sweep(tmp_path, OURS)
    left = {path.name for path in tmp_path.iterdir()}
    assert {identity for identity, _, _, swept in launches if not swept} == left - {
        "0123456789ab",  # without a name nobody knows whose it is
        "notes",
    }


def test_a_launcher_clears_up_when_it_ends(make: Callable[..., Group], tmp_path: Path) -> None:
    """Unless a worker lives, or it has counted itself and is asked until the very end."""
    launcher, worker = make(tmp_path, child=False), make(tmp_path)
    worker.publish("a", b"1")
    launcher.predicts = False
    for group in (launcher, worker):
        group.clean_up()
    assert (tmp_path / OURS.identity).exists()
    worker._descriptors.abandon()
    launcher.predicts = True
    launcher.clean_up()
    assert (tmp_path / OURS.identity).exists()
    launcher.predicts = False
    launcher.clean_up()
    assert [] == list(tmp_path.iterdir())
    launcher.clean_up()
    assert {} == guard.counts()


def test_a_lock_on_a_folder_that_was_removed_is_none(tmp_path: Path) -> None:
    """Whoever comes next would lock another folder of that name."""
    folder = tmp_path / "folder"
    folder.mkdir()
    descriptors = Descriptors()
    lock, other = FolderLock(descriptors, folder), FolderLock(descriptors, folder)
    assert lock.acquire()
    assert not other.acquire(0.05)
    folder.rmdir()
    assert not lock.intact()
    folder.mkdir()
    assert other.acquire()
    assert other.acquire()
    for held in (lock, other):
        held.release()
        held.release()
    assert set() == descriptors._open

"""What a group's folder must stand: the service answers, the living stay exact."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

Launch = Callable[..., Any]

FULL = "No space left on device"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system of 256 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k,mode=700", "none", str(disk)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("only root can mount a file system")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def fill(disk: Path) -> Path:
    """Use up all that there is room for."""
    file = disk / "fill"
    with pytest.raises(OSError, match=FULL):
        file.write_bytes(b"x" * 2**20)
    return file


def lines(launcher: Any) -> list[str]:
    """Return what the processes of a launch have said."""
    launcher.close()
    return list(launcher.said)


def test_a_disk_that_fills_up(launch: Launch, small_disk: Path) -> None:
    """What has room goes on exactly; what has none is one ERROR, and comes when there is."""
    launcher = launch(TIDEGAUGE_GROUP_DIR=str(small_disk))
    first, second = launcher.start(), launcher.start()
    first.publish(1)
    second.publish(1)
    file = fill(small_disk)
    for number in range(2, 20):
        first.publish(number)
        second('group.publish("pane", b"x" * 30_000)')
        second.publish(number)
        assert 2 * number == first.counted() == second.counted()
    assert [] == first('[r.name for r in group.records("pane")]')
    file.unlink()
    second('group.publish("pane", b"x" * 30_000)')
    assert [30_000] == first('[len(r.payload) for r in group.records("pane")]')
    assert ({}, {"group.unwritten.28": 18}) == (first.faults(), second.faults())
    assert [
        f"Record 'pane' of the group could not be written: {FULL} in {small_disk}. Counting goes "
        "on, and it is tried again each second. Make room there, or set TIDEGAUGE_GROUP_DIR to "
        "another folder."
    ] == lines(launcher)


def test_a_disk_that_is_full_from_the_start(launch: Launch, small_disk: Path) -> None:
    """Each process is alone, with one WARNING, and leaves nothing half done; later they meet."""
    file = fill(small_disk)
    launcher = launch(TIDEGAUGE_GROUP_DIR=str(small_disk))
    workers = [launcher.start() for _ in range(2)]
    for worker in workers:
        worker.publish(1)
        assert [False, False] == worker(
            "[group.active, worker_leads()]".replace("worker_leads()", "group.leads")
        )
        assert 0 == worker.counted()
    file.unlink()
    for worker in workers:
        worker('setattr(group, "_join_at_s", 0.0)')
        worker.publish(1)
    assert [2, 2] == [worker.counted() for worker in workers]
    assert [
        f"The workers of this launch cannot be counted together: {FULL} in {small_disk}. Each is "
        "counted alone. Set TIDEGAUGE_GROUP_DIR to a folder that can be written."
    ] * 2 == lines(launcher)


def test_a_limit_on_the_size_of_files(launch: Launch, tmp_path: Path) -> None:
    """A disk that is full for one process only, which needs no root to try."""
    launcher = launch()
    first, second = launcher.start(), launcher.start()
    first.publish(1)
    second("resource.setrlimit(resource.RLIMIT_FSIZE, (1000, -1))")
    for _ in range(2):
        second.publish(2)
        assert 1 == first.counted() == second.counted()
    second("resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))")
    second.publish(3)
    assert 4 == first.counted() == second.counted()
    assert {"group.unwritten.27": 2} == second.faults()
    assert [
        "Record 'counters' of the group could not be written: File too large in "
        f"{tmp_path / 'groups'}. Counting goes on, and it is tried again each second. Make room "
        "there, or set TIDEGAUGE_GROUP_DIR to another folder."
    ] == lines(launcher)


@pytest.mark.parametrize("where", ["a file", "under a file", "read-only"])
def test_a_folder_that_cannot_be_written(
    launch: Launch, tmp_path: Path, request: pytest.FixtureRequest, where: str
) -> None:
    """Each process is alone, with one WARNING."""
    folder, reason = tmp_path / "file", "File exists"
    if where == "read-only":
        folder, reason = request.getfixturevalue("small_disk"), "Read-only file system"
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
    else:
        folder.touch()
    if where == "under a file":
        folder, reason = folder / "x", "Not a directory"
    launcher = launch(TIDEGAUGE_GROUP_DIR=str(folder))
    worker = launcher.start()
    for _ in range(3):
        worker.publish(1)
        assert not worker.tick()
        assert not worker("group.active or group.member")
        worker('setattr(group, "_join_at_s", 0.0)')
    assert [
        f"The workers of this launch cannot be counted together: {reason} in {folder}. Each is "
        "counted alone. Set TIDEGAUGE_GROUP_DIR to a folder that can be written."
    ] == lines(launcher)


def test_a_folder_that_another_launch_has_named(launch: Launch, tmp_path: Path) -> None:
    """Nobody joins it, and the message says which file is wrong."""
    launcher = launch()
    worker = launcher.start()
    worker.publish(1)
    [facts] = tmp_path.glob("groups/*/group.json")
    facts.write_text(re.sub(r"(launcher_start\": )", r"\g<1>1", facts.read_text()))
    other = launcher.start()
    other.publish(2)
    assert (1, 0) == (worker.counted(), other.counted())
    assert not other("group.active")
    assert [
        f"The workers of this launch cannot be counted together: {facts} names another launch. "
        "Each is counted alone. Remove it, or set TIDEGAUGE_GROUP_DIR to a folder of your own."
    ] == lines(launcher)


def cut(file: Path) -> None:
    """Leave the first third."""
    os.truncate(file, file.stat().st_size // 3)


def garble(file: Path) -> None:
    """Write something else over it."""
    file.write_bytes(os.urandom(5000))


def redirect(file: Path) -> None:
    """Put a link in its place."""
    file.unlink()
    file.symlink_to(file.parents[4] / "victim")


def replace(file: Path) -> None:
    """Put a folder in its place."""
    file.unlink()
    (file / "x").mkdir(parents=True)


@pytest.mark.parametrize("change", [cut, garble, redirect, Path.unlink, replace])
def test_files_that_somebody_changes(
    launch: Launch, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    """Each file in turn: a second later the living are exact, and one leads."""
    victim = tmp_path / "victim"
    victim.write_bytes(b"not ours")
    launcher = launch()
    workers = [launcher.start() for _ in range(2)]

    def second(number: int) -> None:
        for worker in workers:
            worker.tick(number)
            worker.publish(number)
            worker('group.keep("baseline", b"1")')

    for worker in workers:
        worker.hurry()
    second(1)
    files = [path for path in sorted(tmp_path.glob("groups/**/*")) if path.is_file()]
    assert {"group.json", "attached", "counters.record", "baseline.record"} < {
        file.name for file in files
    }
    for number, file in enumerate(files, 2):
        change(file)
        second(number)
        second(number)
        late = launcher.start()
        late.publish(0)
        if change is not replace:  # a folder stays where it is
            assert [2 * number] * 3 == [worker.counted() for worker in [*workers, late]]
        assert [False, True] == sorted(worker("group.leads") for worker in workers)
        late.kill()
    assert b"not ours" == victim.read_bytes()
    expected = "is damaged and is|could not be written|cannot be counted|met a fault"
    said = lines(launcher)
    assert [] == [line for line in said if not re.search(expected, line)]
    assert len(said) < 3 * len(files)


@pytest.mark.parametrize("what", ["groups", "groups/*", "groups/*/*", "groups/*/workers/*"])
def test_a_folder_that_somebody_clears(launch: Launch, tmp_path: Path, what: str) -> None:
    """A second later the living are exact."""
    launcher = launch()
    workers = [launcher.start() for _ in range(3)]
    for worker in workers:
        worker.publish(10)
        worker.hurry()
        worker.tick()
    identity = workers[0]("group.instance_id")
    for folder in list(tmp_path.glob(what)):
        shutil.rmtree(folder) if folder.is_dir() else folder.unlink()
    for worker in workers * 2:
        worker.hurry()
        worker.tick(1.0)
    for worker in workers:
        worker.publish(20)
    assert [60] * 3 == [worker.counted() for worker in workers]
    assert [False, False, True] == sorted(worker("group.leads") for worker in workers)
    assert [identity] * 3 == [worker("group.instance_id") for worker in workers]
    assert [
        "The group's files were removed while its processes run: what ended workers had counted "
        f"is lost, the others go on. See who clears {tmp_path / 'groups'}."
    ] * 3 == lines(launcher)


def test_other_files_in_the_folder_are_nobodys(launch: Launch, tmp_path: Path) -> None:
    """They are neither read nor removed."""
    launcher = launch()
    worker = launcher.start()
    worker.publish(1)
    made = []
    for folder in [tmp_path / "groups", *tmp_path.glob("groups/*"), *tmp_path.glob("groups/*/*/")]:
        made += [folder / "notes.txt", folder / "1-x", folder / ".hidden"]
    [place] = tmp_path.glob("groups/*/workers/*/")
    made += [place / "COUNTERS.record", place / "a b.record"]
    for path in made:
        path.write_text("mine")
    worker.hurry()
    assert worker.tick()
    assert 1 == worker.counted()
    assert {} == worker.faults()
    assert ["mine"] * len(made) == [path.read_text() for path in made]


def test_a_pid_that_comes_again(launch: Launch, tmp_path: Path) -> None:
    """The place of a dead process with the pid of a living one is the dead one's."""
    launcher = launch()
    worker, dead = launcher.start(), launcher.start()
    worker.publish(1)
    dead.publish(10)
    dead.kill()
    [place] = tmp_path.glob(f"groups/*/workers/{dead.pid}-*")
    place.rename(place.with_name(f"{worker.pid}-{place.name.rpartition('-')[2]}"))
    worker.hurry()
    assert 11 == worker.counted()
    assert worker.tick()
    assert 11 == worker.counted()
    assert 1 == len(list(tmp_path.glob("groups/*/workers/*")))


def test_clocks_that_jump(launch: Launch) -> None:
    """The wall clock decides nothing between living processes."""
    launcher = launch()
    workers = [launcher.start() for _ in range(2)]
    for worker, jump in zip(workers, (-1e9, 1e9), strict=True):
        worker(f'setattr(time, "time", lambda: {time.time() + jump})')
        worker.publish(1)
        worker.hurry()
    assert [True, False] == [worker.tick() for worker in workers]
    workers[1](f'setattr(time, "time", lambda: {time.time()})')
    assert [True, False] == [worker.tick(1.0) for worker in workers]
    assert [2, 2] == [worker.counted() for worker in workers]


def test_a_folder_of_another_user_is_not_trusted(launch: Launch, tmp_path: Path) -> None:
    """In the folder for temporary files anybody can have made it."""
    if os.geteuid():
        pytest.skip("only root can give a folder away")
    for mode, owner, reason in (
        (0o700, 1, "is not a folder of this user"),
        (0o777, 0, "can be written by other users"),
    ):
        temporary = tmp_path / f"{mode}"
        folder = temporary / "tidegauge-0"
        folder.mkdir(parents=True)
        folder.chmod(mode)
        os.chown(folder, owner, -1)
        launcher = launch(TIDEGAUGE_GROUP_DIR="", TMPDIR=str(temporary))
        worker = launcher.start()
        worker.publish(1)
        assert not worker("group.active")
        assert [
            f"The workers of this launch cannot be counted together: {folder} {reason}. Each is "
            "counted alone. Remove it, or set TIDEGAUGE_GROUP_DIR to a folder of your own."
        ] == lines(launcher)
        assert [] == list(folder.iterdir())


def test_by_default_the_folder_is_private(launch: Launch, tmp_path: Path) -> None:
    """In the folder for temporary files, readable by nobody else."""
    launcher = launch(TIDEGAUGE_GROUP_DIR="", TMPDIR=str(tmp_path))
    worker = launcher.start()
    worker.publish(1)
    [base] = tmp_path.glob(f"tidegauge-{os.geteuid()}")
    assert {0o700} == {path.stat().st_mode & 0o777 for path in base.rglob("*") if path.is_dir()}
    assert {0o600} == {
        path.stat().st_mode & 0o777 for path in base.rglob("*/workers/*/*") if path.is_file()
    }


FORKS = """
import json, os, sys
from pathlib import Path
from tidegauge import group
base, number = Path(sys.argv[1]), int(sys.argv[2])
this = group.current()
def cpu_s():
    return sum(os.times()[:4])
this.archive_by("counters", lambda found: b"%d" % sum(map(int, found)))
began = cpu_s()
for _ in range(number // 10):
    pid = os.fork()
    if pid == 0:
        this.tick(0.0)
        os._exit(this.active)
    assert os.waitpid(pid, 0)[1] == 0
idle_s = cpu_s() - began
files = len(list(base.rglob("*")))
this.predicts = this.attached = True
began, places = cpu_s(), 0
for count in range(number):
    pid = os.fork()
    if pid == 0:
        this.predicts = count % 10 == 0
        this.tick(0.0)
        this.publish("counters", b"1")
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    if count % 100 == 99:
        places = max(places, len(list(base.glob("*/workers/*"))))
        this.tick(count)
        counted = sum(int(record.payload) for record in this.named("counters"))
        assert counted == (count + 1) // 10, (counted, count)
print(json.dumps([files, places, idle_s, cpu_s() - began, this.leads]))
"""


@pytest.mark.parametrize("number", [200, pytest.param(10_000, marks=pytest.mark.backends)])
def test_forks_in_a_loop(tmp_path: Path, number: int) -> None:
    """Children that do not predict leave nothing; of those that do only their counts are left."""
    done = subprocess.run(
        [sys.executable, "-c", FORKS, str(tmp_path), str(number)],
        env={"PYTHONPATH": os.pathsep.join(sys.path), "TIDEGAUGE_GROUP_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )
    assert ("", 0) == (done.stderr, done.returncode)
    files, places, idle_s, busy_s, leads = json.loads(done.stdout)
    idle_ms, busy_ms = 10 * idle_s / number * 1000, busy_s / number * 1000
    print(f"{number} forks: {busy_ms:.1f} ms of a core each, {idle_ms:.1f} ms without a group")
    assert (0, 11, True) == (files, places, leads)


@pytest.mark.backends
def test_systemd_tmpfiles_leaves_a_living_group_alone(launch: Launch, tmp_path: Path) -> None:
    """It clears old files of folders that nobody has locked."""
    tool = shutil.which("systemd-tmpfiles")
    if tool is None:
        pytest.skip("systemd-tmpfiles is not installed")
    launcher, over = launch(), launch()
    worker, dead = launcher.start(), over.start()
    for process in (worker, dead):
        process.publish(1)
    folder = tmp_path / "groups"
    over.kill()
    dead.kill()
    for path in [folder, *folder.rglob("*")]:
        os.utime(path, (0, 0))
    configuration = tmp_path / "groups.conf"
    configuration.write_text(f"d {folder} 0700 - - 1us\n")
    subprocess.run([tool, "--clean", str(configuration)], check=True)
    assert [worker("group.launch_id")] == [path.name for path in folder.iterdir()]
    assert 1 == worker.counted()
    assert [] == lines(launcher)

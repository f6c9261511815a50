"""What can happen around a launch: its port, its folder, programs that it starts."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tidegauge_testkit.backends import wait_until
from tidegauge_testkit.backends.binaries import find
from tidegauge_testkit.launches import BY_HAND, ZERO_CODE, Launch, Sent, Stage
from tidegauge_testkit.launches.launchers import GTHREAD, UVICORN

pytestmark = [pytest.mark.backends, pytest.mark.launchers]

# As job.py predicts.
JOB_REQUESTS = 7
SOON_S = 20.0
LISTENS_AGAIN_S = 5.0
DISK = "256k"
# What is said, once a process.
UNWRITTEN = "of the group could not be written: No space left on device"
ALONE = "The workers of this launch cannot be counted together: Permission denied"

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a file system")


def test_a_program_started_by_a_worker_joins_nothing(stage: Stage, tmp_path: Path) -> None:
    """A batch job that inherits the environment is counted by itself, under its own identity."""
    with stage.trial(GTHREAD, ZERO_CODE, tmp_path / "job") as trial:
        launch = trial.launch
        trial.suffer("none")
        trial.path = "/job"
        trial.suffer("a worker starts a program that predicts", requests=1)
        assert 1 == len(list(launch.group.iterdir()))
        launch.end(launch.pid, each=False)
        by_instance = sorted(trial.by_instance().values())
        assert [JOB_REQUESTS, trial.sent] == by_instance


def test_the_port_is_taken_and_given_back(stage: Stage, tmp_path: Path) -> None:
    """The service answers throughout, and metrics are there again when the port is."""
    thief = socket.socket()
    thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    with contextlib.closing(thief), stage.trial(UVICORN, ZERO_CODE, tmp_path / "port") as trial:
        launch = trial.launch
        trial.suffer("none")

        def steal(_: Sent) -> None:
            # The supervisor listens; its workers go on without it, and try the port in turn. They
            # stand still until it is taken: else one of them may be faster.
            workers = launch.members() - {launch.pid}
            for worker in workers:
                launch.kill(worker, signal.SIGSTOP)
            launch.kill(launch.pid, signal.SIGKILL)
            wait_until(lambda: bound(thief, launch.metrics_port), "the port", SOON_S, 0.001)
            thief.listen()
            for worker in workers:
                launch.kill(worker, signal.SIGCONT)

        def give_back(_: Sent) -> None:
            thief.close()
            wait_until(launch.scrape, "a scrape", LISTENS_AGAIN_S)

        row = trial.suffer("the port is taken by another, and given back", steal, give_back)
        assert 0 == row.failed
        trial.end("SIGTERM to each at once: all", each=True)


def bound(stranger: socket.socket, port: int) -> bool:
    """Say whether a socket could be bound to a port."""
    try:
        stranger.bind(("127.0.0.1", port))
    except OSError:
        return False
    return True


@pytest.fixture
def small_disk() -> Iterator[list[Path]]:
    """Unmount what the test mounts."""
    mounted: list[Path] = []
    yield mounted
    for path in mounted:
        subprocess.run([find("umount"), "-l", str(path)], check=True)


@only_root
def test_the_disk_is_full(stage: Stage, tmp_path: Path, small_disk: list[Path]) -> None:
    """The service answers while nothing can be written; afterwards nothing is missing."""

    def mount(launch: Launch) -> None:
        launch.group.mkdir(mode=0o700)
        options = f"size={DISK},mode=0700"
        subprocess.run(
            [find("mount"), "-t", "tmpfs", "-o", options, "tmpfs", str(launch.group)], check=True
        )
        small_disk.append(launch.group)

    with stage.trial(GTHREAD, ZERO_CODE, tmp_path / "full", prepare=mount) as trial:
        ballast = trial.launch.group / "ballast"
        trial.suffer("none")

        def fill(sent: Sent) -> None:
            with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
                while True:
                    file.write(b"x" * 1024)
            assert 0 == shutil.disk_usage(trial.launch.group).free
            trial.replace_worker(sent)  # the one that comes instead finds no room

        def empty(_: Sent) -> None:
            ballast.unlink()

        row = trial.suffer("the disk is full, and has room again", fill, empty)
        assert 0 == row.failed
        assert UNWRITTEN in trial.launch.output()
        trial.end("SIGTERM of the launch: all")


def without_rights() -> list[str]:
    """Return what makes a program respect modes of folders: root may write everywhere."""
    if os.geteuid() != 0:
        return []
    return [find("setpriv"), "--bounding-set=-dac_override", "--inh-caps=-dac_override"]


def test_the_folder_is_read_only(stage: Stage, tmp_path: Path) -> None:
    """The service answers while no file can be made; nothing is missing, at the end either."""
    prefix = without_rights()
    with stage.trial(GTHREAD, BY_HAND, tmp_path / "fixed", prefix=prefix) as trial:
        launch = trial.launch
        trial.suffer("none")
        trial.suffer(
            "the folder is read-only, and no longer",
            lambda _: set_mode(launch.group, 0o500),
            lambda _: set_mode(launch.group, 0o700),
        )
        trial.suffer("the folder is read-only again", lambda _: set_mode(launch.group, 0o500))
        trial.end("SIGTERM of the launch: all")
        set_mode(launch.group, 0o700)
        assert 0 == trial.failed
        assert "met a fault" not in launch.output()


def test_a_worker_begins_while_the_folder_is_read_only(stage: Stage, tmp_path: Path) -> None:
    """It is counted alone, and says so; when it can make its place, ``/metrics`` shows it too."""
    prefix = without_rights()
    with stage.trial(GTHREAD, BY_HAND, tmp_path / "new", prefix=prefix) as trial:
        launch = trial.launch
        trial.suffer("none")

        def fix(sent: Sent) -> None:
            set_mode(launch.group, 0o500)
            trial.replace_worker(sent)
            wait_until(lambda: ALONE in launch.output(), "its message", SOON_S)

        row = trial.suffer(
            "a worker begins while the folder is read-only",
            fix,
            lambda _: set_mode(launch.group, 0o700),
        )
        assert 0 == row.failed
        # What it has exported alone is not exported by the leader again.
        trial.end("SIGTERM of the launch: all")
        assert "met a fault" not in launch.output()


def set_mode(folder: Path, mode: int) -> None:
    """Change what may be done in a folder and in those in it."""
    for path in [folder, *folder.rglob("*")]:
        if path.is_dir():
            path.chmod(mode)

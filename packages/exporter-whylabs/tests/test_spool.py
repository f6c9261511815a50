"""What is on disk survives the process, within its bound, and is sent by one process."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from tidegauge_exporter_whylabs import spool as spools
from tidegauge_exporter_whylabs.local import LocalWriter
from tidegauge_exporter_whylabs.spool import Spool
from tidegauge_testkit.forks import in_child


class Losses(Counter[str]):
    """How many went, and why."""

    def lost(self, number: int, reason: str) -> None:
        """Count them."""
        self[reason] += number


@pytest.fixture
def losses() -> Losses:
    """Return what counts losses."""
    return Losses()


@pytest.fixture
def spool(folder: Path, losses: Losses) -> Spool:
    """Return the spool of a process."""
    return Spool(folder, 100_000, losses.lost)


def open_files(folder: Path) -> list[str]:
    """Return the names of open profiles on disk."""
    return sorted(path.name for path in folder.glob("*/*.open"))


def test_a_profile_is_written_over_and_then_waits(spool: Spool, folder: Path) -> None:
    """Never in two places: who finds the second one would send it again."""
    spool.checkpoint("one", b"first")
    spool.checkpoint("one", b"second")
    assert (["one.open"], []) == (open_files(folder), list(spool.waiting()))
    assert spool.close("one", b"third") is None
    assert ([], ["one"]) == (open_files(folder), list(spool.waiting()))
    assert b"third" == spool.content("one")


def test_files_and_folders_are_their_owners(spool: Spool, folder: Path) -> None:
    """Whatever the umask lets others do: a profile holds texts of rows."""
    before = os.umask(0)
    try:
        spool.checkpoint("open", b"1")
        spool.close("closed", b"2")
        LocalWriter(folder / "profiles").write("one", b"3")
    finally:
        os.umask(before)
    modes = {path.stat().st_mode & 0o777 for path in folder.rglob("*") if path.is_file()}
    folders = {
        path.stat().st_mode & 0o777 for path in (folder, *folder.rglob("*")) if path.is_dir()
    }
    assert ({0o600}, {0o700}) == (modes, folders)


def test_a_link_in_a_files_place_is_not_followed(tmp_path: Path) -> None:
    """Somebody else who may write there has put it."""
    victim = tmp_path / "victim"
    victim.write_bytes(b"theirs")
    (tmp_path / f".one.{os.getpid()}").symlink_to(victim)
    (tmp_path / "one.bin").symlink_to(victim)
    LocalWriter(tmp_path).write("one", b"ours")
    assert (b"theirs", b"ours") == (victim.read_bytes(), (tmp_path / "one.bin").read_bytes())


def test_what_was_sent_is_gone(spool: Spool) -> None:
    """And nothing else; a second time does no harm."""
    spool.close("one", b"1")
    spool.close("two", b"2")
    for _ in range(2):
        spool.sent("one")
    assert ["two"] == list(spool.waiting())
    assert spool.content("one") is None


def test_beyond_the_bound_the_oldest_go(spool: Spool, losses: Losses) -> None:
    """They are counted; the youngest are there."""
    for number in range(25):
        spool.close(f"p{number:02}", bytes(10_000))
        path = spool.folder / "waiting" / f"p{number:02}.bin"
        os.utime(path, (number, number))
    assert [f"p{number}" for number in range(15, 25)] == list(spool.waiting())
    assert {"full": 15} == losses


def test_an_open_profile_of_a_living_process_is_left_alone(spool: Spool, folder: Path) -> None:
    """Its lock says that it lives."""
    spool.checkpoint("one", b"1")
    other = Spool(folder, 100_000, lambda *_: None)
    assert 0 == other.recover()
    assert ["one.open"] == open_files(folder)


KILLED = """
import os, signal, sys
from pathlib import Path
from tidegauge_exporter_whylabs.local import LocalWriter
from tidegauge_exporter_whylabs.spool import Spool
spool = Spool(Path(sys.argv[1]), 100_000, print)
spool.checkpoint("one", b"before")
spool.checkpoint("two", b"before")
spool.close("two", b"after")
(spool._own / "half.new").write_bytes(b"ha")
os.kill(os.getpid(), signal.SIGKILL)
"""


def kill_one(folder: Path) -> None:
    """Let a process write and be killed."""
    found = subprocess.run([sys.executable, "-c", KILLED, str(folder)], timeout=60, check=False)
    assert -signal.SIGKILL == found.returncode


def test_the_open_profile_of_a_killed_process_is_recovered(spool: Spool, folder: Path) -> None:
    """With what it had at its last checkpoint; what was half written is thrown away."""
    kill_one(folder)
    assert 1 == spool.recover()
    assert {"one": b"before", "two": b"after"} == {s: spool.content(s) for s in spool.waiting()}
    assert ["waiting"] == [path.name for path in folder.iterdir()]
    assert 0 == spool.recover()


def test_one_process_sends(spool: Spool, folder: Path) -> None:
    """Until it ends."""
    other = Spool(folder, 100_000, lambda *_: None)
    assert [True, True, False] == [spool.lead(), spool.lead(), other.lead()]
    spool.abandon()
    assert other.lead()


def test_a_forked_child_lets_go_of_its_parents_locks(spool: Spool, folder: Path) -> None:
    """It is no sign that the parent lives."""
    spool.checkpoint("one", b"1")

    def as_child() -> list[object]:
        spool.abandon()
        own = Spool(folder, 100_000, lambda *_: None)
        own.checkpoint("two", b"2")
        before = own.recover()  # the parent lives
        return [before, own.worker != spool.worker]

    assert [0, True] == in_child(as_child)
    assert 1 == spool.recover()  # of the child
    assert ["one.open"] == open_files(folder)


def full(path: Path, content: bytes) -> None:
    """Fail as a full disk does."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


def test_on_a_full_disk_profiles_wait_in_memory(
    spool: Spool, losses: Losses, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within a bound, the oldest go first; they are written when there is room."""
    with monkeypatch.context() as context:
        context.setattr(spools, "put", lambda _, target, content: full(target, content))
        for number in range(12):
            trouble = spool.close(f"p{number:02}", bytes(10_000))
            assert trouble is not None
            assert errno.ENOSPC == trouble.errno
        assert [f"p{number:02}" for number in range(2, 12)] == list(spool.waiting())
        assert {"disk": 2} == losses
        spool.put_down()
        assert bytes(10_000) == spool.content("p11")
        spool.sent("p11")
    spool.put_down()
    found = sorted(path.stem for path in (spool.folder / "waiting").iterdir())
    assert [f"p{number:02}" for number in range(2, 11)] == found == sorted(spool.waiting())


def test_the_end_leaves_an_empty_folder_to_nobody(spool: Spool, folder: Path) -> None:
    """And one with something in it to whoever comes next."""
    spool.checkpoint("one", b"1")
    spool.end()
    assert 1 == Spool(folder, 100_000, lambda *_: None).recover()
    spool.close("two", b"2")
    spool.end()
    assert ["waiting"] == [path.name for path in folder.iterdir()]


def test_a_folder_that_was_removed_is_made_again(spool: Spool, folder: Path) -> None:
    """With everything that was in it: somebody has tidied up."""
    spool.checkpoint("one", b"1")
    assert spool.lead()
    shutil.rmtree(folder)
    assert spool.close("two", b"2") is None
    assert spool.lead()
    assert ["two"] == list(spool.waiting())
    assert not Spool(folder, 100_000, lambda *_: None).lead()


def test_without_a_folder_each_process_sends_its_own(folder: Path, losses: Losses) -> None:
    """From memory: nobody else can have them."""
    folder.write_text("a file")
    spool = Spool(folder / "below", 100_000, losses.lost)
    assert isinstance(spool.close("one", b"1"), NotADirectoryError)
    assert spool.lead()
    assert ["one"] == list(spool.waiting())
    assert b"1" == spool.content("one")
    spool.sent("one")
    assert [] == list(spool.waiting())


def test_what_cannot_be_read_or_removed_keeps_no_other(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is passed over, and what was sent is not sent again."""
    for stem in ("one", "two"):
        spool.close(stem, stem.encode())
    with monkeypatch.context() as context:
        context.setattr(Path, "read_bytes", lambda path: full(path, b""))
        context.setattr(Path, "unlink", lambda path, **_: full(path, b""))
        assert spool.content("one") is None
        spool.sent("two")
    assert ["one"] == list(spool.waiting())

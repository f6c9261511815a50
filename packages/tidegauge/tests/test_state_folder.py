"""The folder of states: private, found without being told, never half a file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from tidegauge import state_folder
from tidegauge.configuration import CoreSettings
from tidegauge.runtime import shared

needs_users = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="the system has no users")

needs_root = pytest.mark.skipif(
    getattr(os, "geteuid", lambda: 1)() != 0, reason="only root gives files away"
)


def choose(monkeypatch: pytest.MonkeyPatch, folder: object = "") -> None:
    """Set the setting."""
    monkeypatch.setattr(shared, "settings", CoreSettings(state_dir=str(folder)))


def test_a_file_is_its_owners_and_whole(
    core: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder is made; what was killed while it wrote is no obstacle."""
    choose(monkeypatch, tmp_path / "a" / "b")
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / f".x.json.{os.getpid()}").write_text("half")
    for content in (b"1", b"22"):
        state_folder.write("x.json", content)
        assert (tmp_path / "a" / "b" / "x.json").read_bytes() == content

    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["x.json"]
    assert (tmp_path / "a" / "b" / "x.json").stat().st_mode & 0o777 == 0o600


@needs_users
def test_by_default_it_is_in_the_folder_of_temporary_files(
    core: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one that only this user can read; whoever looks for it looks there."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    choose(monkeypatch)
    assert tmp_path not in {path.parents[1] for path in state_folder.readable()}
    state_folder.write("x.json", b"1")

    mine = tmp_path / f"tidegauge-{os.geteuid()}"
    assert (mine / "state" / "x.json").read_bytes() == b"1"
    assert {folder.stat().st_mode & 0o777 for folder in (mine, mine / "state")} == {0o700}
    assert state_folder.readable()[:1] == [mine / "state"]


@needs_root
def test_other_users_folders_are_read_too(
    core: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After one's own; what somebody has made in another's name is none, and a link neither."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    choose(monkeypatch)

    def made(named: int, owner: int) -> Path:
        path = tmp_path / f"tidegauge-{named}" / "state"
        path.mkdir(parents=True)
        for each in (path.parent, path):
            os.chown(each, owner, -1)
        return path

    mine, other = made(0, 0), made(4242, 4242)
    made(4243, 4242)
    writable = made(4244, 4244)
    writable.chmod(0o777)
    (tmp_path / "tidegauge-4245").mkdir()
    os.chown(tmp_path / "tidegauge-4245", 4245, -1)
    (tmp_path / "tidegauge-4245" / "state").symlink_to(other)
    assert [mine, other] == [path for path in state_folder.readable() if tmp_path in path.parents]
    os.chown(mine.parent, 4242, -1)
    assert [other] == [path for path in state_folder.readable() if tmp_path in path.parents]


def test_what_was_written_is_read(
    core: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing where there is nothing; what cannot be read, or is far too large, is said."""
    choose(monkeypatch, tmp_path)
    state_folder.write("x", b"1")
    (tmp_path / "folder").mkdir()
    with (tmp_path / "large").open("wb") as file:
        file.truncate(2**28 + 1)
    os.mkfifo(tmp_path / "pipe")

    assert (state_folder.read("x"), state_folder.read("y")) == (b"1", None)
    for name in ("folder", "large", "pipe"):
        with pytest.raises(state_folder.StateFolderError, match=f"{name}'; expected a file"):
            state_folder.read(name)
    choose(monkeypatch, "none")
    assert state_folder.read("x") is None


@needs_users
def test_a_file_of_the_default_is_refused_where_others_can_write(
    core: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else may have put it there."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    choose(monkeypatch)
    state_folder.write("x", b"1")
    (tmp_path / f"tidegauge-{os.geteuid()}" / "state").chmod(0o777)

    with pytest.raises(state_folder.StateFolderError, match="expected a file that this service"):
        state_folder.read("x")


@needs_users
def test_the_default_is_refused_where_others_can_write(
    core: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody has made the folder first, and waits for what comes."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    choose(monkeypatch)
    mine = tmp_path / f"tidegauge-{os.geteuid()}"
    mine.mkdir()
    mine.chmod(0o777)
    with pytest.raises(state_folder.StateFolderError, match="others can write there"):
        state_folder.write("x.json", b"1")
    mine.rmdir()
    (tmp_path / "elsewhere").mkdir()
    mine.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(state_folder.StateFolderError):
        state_folder.write("x.json", b"1")
    assert not list((tmp_path / "elsewhere").rglob("*.json"))


def test_none_leaves_nothing(core: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever wants no files has none."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    choose(monkeypatch, "none")
    state_folder.write("x.json", b"1")
    state_folder.touch("x.json")

    assert list(tmp_path.iterdir()) == []
    assert state_folder.readable() == []


def test_what_cannot_be_written_is_said_with_what_to_do(
    core: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file stands where the folder should be."""
    (tmp_path / "file").write_text("")
    choose(monkeypatch, tmp_path / "file")
    with pytest.raises(state_folder.StateFolderError) as caught:
        state_folder.write("x.json", b"1")

    assert str(caught.value) == (
        f"TIDEGAUGE_STATE_DIR: got 'File exists' from {str(tmp_path / 'file')!r}; expected a "
        "folder that can be written. Choose another one, or 'none' to leave no files."
    )


def test_a_file_is_created_once(core: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who comes second is told so; nothing half-made stays."""
    choose(monkeypatch, tmp_path)

    assert state_folder.create("x", b"1")
    assert not state_folder.create("x", b"2")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("x", b"1")]
    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o600


def test_what_cannot_be_created_is_said(
    core: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Something else is in its place, or in that of the folder."""
    choose(monkeypatch, tmp_path)
    (tmp_path / "x").mkdir()
    with pytest.raises(state_folder.StateFolderError, match="got 'File exists' from"):
        state_folder.create("x", b"1")
    (tmp_path / "y").touch()
    choose(monkeypatch, tmp_path / "y")
    with pytest.raises(state_folder.StateFolderError, match="TIDEGAUGE_STATE_DIR: got"):
        state_folder.create("x", b"1")

    assert sorted(path.name for path in tmp_path.iterdir()) == ["x", "y"]


@needs_users
def test_the_folder_is_made_for_those_who_keep_files_of_their_own(
    core: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The chosen one, the default, or none; a file in its place is said."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    default = tmp_path / f"tidegauge-{os.geteuid()}" / "state"
    for chosen, place in ((tmp_path / "a", tmp_path / "a"), ("", default), ("none", None)):
        choose(monkeypatch, chosen)
        assert place == state_folder.made()
        assert place is None or place.is_dir()
    (tmp_path / "file").write_text("")
    choose(monkeypatch, tmp_path / "file")
    with pytest.raises(state_folder.StateFolderError, match="expected a folder that can be"):
        state_folder.made()


def test_a_file_that_is_touched_is_of_now(
    core: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is not there stays away."""
    choose(monkeypatch, tmp_path)
    state_folder.write("x", b"1")
    os.utime(tmp_path / "x", (0, 0))
    for name in ("x", "y"):
        state_folder.touch(name)
    assert ["x"] == [path.name for path in tmp_path.iterdir()]
    assert (tmp_path / "x").stat().st_mtime > 0


def test_what_cannot_be_listed_is_not_looked_into(
    core: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the chosen folder too."""
    choose(monkeypatch, tmp_path)
    assert [tmp_path] == state_folder.readable()
    (tmp_path / "file").write_text("")
    choose(monkeypatch, tmp_path / "file")
    assert [] == state_folder.readable()


def test_without_users_all_folders_are_this_ones(
    core: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Windows, where a temporary folder is a user's own."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.delattr(os, "geteuid", raising=False)
    choose(monkeypatch)
    place = tmp_path / "tidegauge-user" / "state"
    place.mkdir(parents=True)
    assert place in state_folder.readable()

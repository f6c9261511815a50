"""Where the group of a launch has its files: one folder a launch, in a folder that many share."""

from __future__ import annotations

import json
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from tidegauge.group.launch import Launch, look
from tidegauge.group.members import all_workers, is_alive

_IDENTITY_DIGITS = 12
_FACTS = "group.json"
# A launcher that the kernel does not know any more may have become a daemon under another pid, and
# its workers may all be between their end and their successor's first prediction.
_SWEEP_S = 600.0
# Of a launcher in another container nobody here knows whether it lives.
_SWEEP_FOREIGN_S = 86_400.0
_OTHERS_MAY_WRITE = 0o022


class FolderError(Exception):
    """The folder of a group is not to be used; the message says why, and what to do."""


class Layout:
    """The paths of one group."""

    __slots__ = ("archive", "facts", "kept", "leader", "root", "workers")

    def __init__(self, root: Path) -> None:
        self.root = root
        self.facts = root / _FACTS
        self.workers = root / "workers"
        self.kept = root / "kept"
        self.archive = root / "archive"
        self.leader = root / "leader.lock"


def base_folder(setting: str) -> Path:
    """Return the folder in which each launch has its own."""
    if setting:
        return Path(setting)
    return Path(tempfile.gettempdir(), f"tidegauge-{os.geteuid()}")


def make(base: Path, launch: Launch, *, private: bool) -> Layout:
    """Make the folder of a group, or find the one that another process has made.

    Raises
    ------
    FolderError
        It is another's, or another launch's.
    OSError
        It cannot be written.
    """
    base.mkdir(0o700, parents=True, exist_ok=True)
    if private:
        _check_owner(base)
    layout = Layout(base / launch.identity)
    layout.root.mkdir(0o700, exist_ok=True)
    _check_owner(layout.root)
    _state_facts(layout, launch)
    for folder in (layout.workers, layout.kept, layout.archive):
        folder.mkdir(0o700, exist_ok=True)
    return layout


def _check_owner(folder: Path) -> None:
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise FolderError(f"{folder} is not a folder of this user")
    if found.st_mode & _OTHERS_MAY_WRITE:
        raise FolderError(f"{folder} can be written by other users")


def _state_facts(layout: Layout, launch: Launch) -> None:
    """Write whose folder this is, once; refuse it where it is another's."""
    if not layout.facts.exists():
        new = layout.facts.with_suffix(f".{os.getpid()}")
        new.write_text(json.dumps(launch.facts()), "utf-8")
        with suppress(FileExistsError):
            layout.facts.hardlink_to(new)
        new.unlink()
    text = layout.facts.read_bytes()
    if _facts(text) != launch.facts():
        raise FolderError(f"{layout.facts} names another launch: {text[:200]!r}")


def _facts(text: bytes) -> Mapping[str, object] | None:
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def sweep(base: Path, launch: Launch) -> None:
    """Remove the folders of launches that are over."""
    for root in base.iterdir():
        if root.name != launch.identity and len(root.name) == _IDENTITY_DIGITS:
            with suppress(OSError):
                if _is_over(Layout(root), launch):
                    remove(root)


def remove(root: Path) -> None:
    """Remove the folder of a group; whoever looks meanwhile sees all of it or nothing."""
    gone = root.with_suffix(f".{os.getpid()}")
    with suppress(OSError):
        root.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)


def _is_over(layout: Layout, launch: Launch) -> bool:
    _check_owner(layout.root)
    facts = _facts(layout.facts.read_bytes())
    if facts is None:
        return False
    patience_s = _SWEEP_S
    if facts.get("boot") == launch.boot:
        if facts.get("pid_namespace") != launch.pid_namespace:
            patience_s = _SWEEP_FOREIGN_S
        else:
            launcher = look(int(str(facts.get("launcher_pid"))))
            if launcher is not None and launcher.start == facts.get("launcher_start"):
                return False
    return not living(layout) and time.time() - _last_written_s(layout) > patience_s


def living(layout: Layout) -> list[str]:
    """Return the processes of a group that live."""
    return [worker for worker in all_workers(layout.workers) if is_alive(layout.workers / worker)]


def _last_written_s(layout: Layout) -> float:
    return max(
        Path(folder, name).lstat().st_mtime
        for folder, folders, files in os.walk(layout.root)
        for name in (".", *folders, *files)
    )

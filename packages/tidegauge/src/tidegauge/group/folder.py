"""Where the group of a launch has its files: one folder a launch, in a folder that many share."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import stat
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from tidegauge.group.launch import Launch, lives
from tidegauge.group.members import all_workers, is_alive
from tidegauge.guard import once

_LAUNCH = re.compile(r"[0-9a-f]{12}")
_REMOVED = re.compile(r"[0-9a-f]{12}\.\d+")
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

    __slots__ = ("archive", "facts", "kept", "root", "workers")

    def __init__(self, root: Path) -> None:
        self.root = root
        self.facts = root / _FACTS
        self.workers = root / "workers"
        self.kept = root / "kept"
        self.archive = root / "archive"

    def make(self) -> None:
        """Make the folders in which processes write."""
        for folder in (self.workers, self.kept, self.archive):
            folder.mkdir(0o700, exist_ok=True)


def find(base: Path, launch: Launch, *, private: bool) -> Layout | None:
    """Return the folder of a group if it is there.

    Raises
    ------
    FolderError
        It is there, but it is another user's.
    """
    layout = Layout(base / launch.identity)
    try:
        _check_owner(layout.root, or_root=not private)
        if private:
            _check_owner(base)
    except OSError:
        return None
    return layout


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
    layout.make()
    return layout


def _check_owner(folder: Path, *, or_root: bool = False) -> None:
    found, user = folder.lstat(), os.geteuid()
    mine = found.st_uid == user or (or_root and not user)
    if not stat.S_ISDIR(found.st_mode) or not mine:
        raise FolderError(f"{folder} is not a folder of this user")
    if found.st_mode & _OTHERS_MAY_WRITE:
        raise FolderError(f"{folder} can be written by other users")


def age_s(layout: Layout) -> float:
    """Return for how long there has been a group."""
    return max(0.0, time.time() - layout.facts.stat().st_mtime)


def _state_facts(layout: Layout, launch: Launch) -> None:
    """Write whose folder this is, once; refuse it where it is another's."""
    if os.path.lexists(layout.facts):
        found = _read_facts(layout.facts)
        if found == launch.facts():
            return
        if found is not None:
            raise FolderError(f"{layout.facts} names another launch")
        once(
            "group.facts",
            "The file that names a launch is damaged and is written anew: %s. If this comes "
            "again, look at the disk, or at who else writes to this folder.",
            layout.facts,
            level=logging.ERROR,
        )
    # Two processes may do this at once: they write the same.
    new = layout.facts.with_suffix(f".{os.getpid()}")
    try:
        new.write_text(json.dumps(launch.facts()), "utf-8")
        new.rename(layout.facts)
    finally:
        new.unlink(missing_ok=True)


def _read_facts(path: Path) -> Mapping[str, object] | None:
    try:
        found = None if path.is_symlink() else json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def sweep(base: Path, launch: Launch) -> None:
    """Remove the folders of launches that are over."""
    for root in base.iterdir():
        with suppress(OSError, FolderError):
            if _REMOVED.fullmatch(root.name):
                _check_owner(root)
                shutil.rmtree(root, ignore_errors=True)
            elif _LAUNCH.fullmatch(root.name) and _is_over(Layout(root), launch):
                remove(root)


def remove(root: Path) -> None:
    """Remove the folder of a group; whoever looks meanwhile sees all of it or nothing."""
    gone = root.with_suffix(f".{os.getpid()}")
    with suppress(OSError):
        root.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)


def _is_over(layout: Layout, launch: Launch) -> bool:
    _check_owner(layout.root)
    facts = _read_facts(layout.facts)
    if facts is None or facts == launch.facts():
        return False
    patience_s = _SWEEP_S
    if facts.get("boot") == launch.boot:
        if facts.get("pid_namespace") != launch.pid_namespace:
            patience_s = _SWEEP_FOREIGN_S
        elif lives(facts.get("launcher_pid"), facts.get("launcher_start")):
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

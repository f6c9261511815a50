"""The files of a warm-up in the state folder: the parts of each process, and what comes of them."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING

from tidegauge import guard, state_folder
from tidegauge.runtime import shared
from tidegauge.settings import SettingError

from tidegauge_drift.profile import ProfileError
from tidegauge_drift.status_files import file_name
from tidegauge_drift.store import dumps
from tidegauge_drift.warmup_part import Head, PartError, read_head, read_profile

if TYPE_CHECKING:
    from pathlib import Path

    from tidegauge.batch import ModelKey

    from tidegauge_drift.profile import ReferenceProfile

SUFFIX = ".reference.json"
_PART = ".warmup"
# The first line has no more: a hundred intervals of service.
_HEAD_BYTES = 65_536
# More parts of a model than this are thinned: each may have a megabyte.
MAXIMUM_PARTS = 64


def check_folder() -> None:
    """Look whether what is learnt can be kept.

    Raises
    ------
    SettingError
        No folder was chosen: the default one is of temporary files.
    """
    place = state_folder.folder()
    if place is None or not shared.settings.state_dir:
        raise SettingError(
            f"TIDEGAUGE_STATE_DIR: got {shared.settings.state_dir!r} from the environment; "
            "expected a folder that outlives the service, as TIDEGAUGE_REFERENCE=warmup keeps "
            "there what it learns. Set it, or name a reference file."
        )


def part_name(head: Head) -> str:
    """Return the name of a part's file."""
    return file_name(head.model, f".{head.worker}{_PART}")


def write_part(head: Head, profile: ReferenceProfile) -> bool:
    """Write a part in place of the one before; tell whether that worked."""
    try:
        state_folder.write(part_name(head), head.to_bytes(profile))
    except state_folder.StateFolderError as error:
        guard.once(
            "drift.warmup.folder",
            "%s Until then the warm-up is in memory only; it is tried again.",
            error,
            level=logging.ERROR,
        )
        return False
    return True


def heads() -> list[Head]:
    """Return the first lines of all parts in the folder."""
    place = state_folder.folder()
    found: list[Head] = []
    for path in [] if place is None else sorted(place.glob(f"*{_PART}")):
        if path.name.startswith("."):
            continue  # just being written
        try:
            head = _read_head(path)
        except FileNotFoundError:
            continue
        except (OSError, PartError) as error:
            _say_left_out(path, error)
            continue
        if part_name(head) == path.name:
            found.append(head)
    return found


def _read_head(path: Path) -> Head:
    with path.open("rb") as file:
        return read_head(file.readline(_HEAD_BYTES))


def read_part(head: Head) -> tuple[Head, ReferenceProfile] | None:
    """Return a part as it is now; None where it has gone or is torn."""
    name = part_name(head)
    try:
        content = state_folder.read(name)
        if content is None:
            return None
        return read_head(content.partition(b"\n")[0]), read_profile(content)
    except (state_folder.StateFolderError, ProfileError, PartError) as error:
        place = state_folder.folder()
        if place is not None:
            _say_left_out(place / name, error)
        return None


def _say_left_out(path: Path, error: Exception) -> None:
    guard.once(
        "drift.warmup.part",
        "%s: got a file that is no part of a warm-up (%s); expected one that this version has "
        "written. It is left out; remove it.",
        path, type(error).__name__,
        level=logging.ERROR,
    )  # fmt: skip


def is_learnt(model: ModelKey) -> bool:
    """Tell whether a model has its reference."""
    place = state_folder.folder()
    return place is not None and (place / file_name(model, SUFFIX)).exists()


def claim(model: ModelKey, profile: ReferenceProfile) -> bool:
    """Write a model's reference unless it is there; tell whether it is there now."""
    name = file_name(model, SUFFIX)
    try:
        if not state_folder.create(name, dumps(profile)):
            return True
    except state_folder.StateFolderError as error:
        guard.once(
            "drift.warmup.claim",
            "%s The warm-up is complete; its reference is written as soon as that works.",
            error,
            level=logging.ERROR,
        )
        return False
    return True


def remove(parts: list[Head]) -> None:
    """Remove parts that are used up."""
    place = state_folder.folder()
    if place is None:
        return
    for head in parts:
        with suppress(OSError):
            (place / part_name(head)).unlink()

"""The status of each model as a file: ``<model>.<version>.status.json``."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import socket
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tidegauge import guard, state_folder
from tidegauge.batch import ModelKey
from tidegauge.command import CommandError

from tidegauge_drift.muting import describe
from tidegauge_drift.status import FORMAT, document

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tidegauge_drift.evaluator import Evaluator
    from tidegauge_drift.marks import Mark
    from tidegauge_drift.muting import Muting
    from tidegauge_drift.snapshot import Snapshot

SUFFIX = ".status.json"
#: A file of a living service is touched at least so often.
TOUCH_S = 60.0
# What could not be written is tried again so much later: a full disk is not full for ever.
_AGAIN_S = 10.0
# In names of files as they are; a dot in a model's name would end it.
_PLAIN = " ()[]@+=,"
_LONGEST = 150
# The thread that writes has rows to count too: windows of many models close at midnight.
_BUDGET_S = 0.05
# A status has about 200 KB at most.
_MAXIMUM_BYTES = 10_000_000


def file_name(model: ModelKey, suffix: str = SUFFIX) -> str:
    """Return the name of a model's file: of no two models the same, and safe in any folder."""
    name = quote(model.name, _PLAIN, errors="surrogatepass")
    name = name.replace(".", "%2E").replace("~", "%7E")
    version = quote(model.version, _PLAIN, errors="surrogatepass")
    whole = f"{name}.{version}" if version else name
    if len(whole) > _LONGEST or not name:
        said = f"{len(model.name)}:{model.name}{model.version}"
        digest = hashlib.blake2b(said.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
        whole = f"%{digest}{whole[:_LONGEST]}"
    return f"{whole}{suffix}"


@dataclass(slots=True)
class _File:
    snapshot: Snapshot
    rows: dict[str, int]
    touched_s: float
    due: bool = True
    failed_s: float = float("-inf")
    marks: tuple[Mark, ...] = ()


@dataclass(slots=True)
class StatusFiles:
    """Writes what has changed; ``note`` under the drain lock, ``write`` without it."""

    _files: dict[ModelKey, _File] = field(default_factory=dict)

    def note(self, evaluator: Evaluator) -> None:
        """Take what is to be written of a model whose state has just been kept."""
        now = evaluator.snapshot
        known = self._files.get(now.model)
        if known is not None and known.snapshot is now and now.closed:
            return  # only an open window has grown
        rows = {
            spec.label: tumbler.rows
            for spec, tumbler in zip(evaluator.windows, evaluator.tumblers, strict=False)
        }
        self._files.pop(now.model, None)  # last in, last to be written
        self._files[now.model] = _File(now, rows, float("-inf"))

    def write(self, windows: Any, now_s: float, muting: Muting) -> None:
        """Write the statuses that are due; touch those that have not been for a minute.

        One is due when a window has closed, and when something is muted or is no longer.

        What does not fit into the time waits for the next call, the one noted first goes first.
        A file that could not be written is not touched either: what it says is over.
        """
        started = time.perf_counter()
        for model, file in list(self._files.items()):
            if time.perf_counter() - started > _BUDGET_S:
                return
            with guard.guarded("drift.status"):
                marks = muting.marks(file.snapshot)
                if file.due or marks != file.marks:
                    file.due, file.marks = True, marks
                    if 0 <= now_s - file.failed_s < _AGAIN_S:
                        continue
                    file.failed_s = now_s
                    status = document(file.snapshot, windows, file.rows)
                    if write(model, status | {"marks": describe(marks)}, now_s):
                        file.due, file.touched_s, file.failed_s = False, now_s, float("-inf")
                elif not 0 <= now_s - file.touched_s < TOUCH_S:
                    file.touched_s = now_s
                    state_folder.touch(file_name(model))


def write(model: ModelKey, status: Any, now_s: float) -> bool:
    """Write a model's status, with who wrote it; False where it cannot be, which is logged once."""
    status |= {"written_s": round(now_s, 3), "pid": os.getpid(), "host": socket.gethostname()}
    content = json.dumps(status, allow_nan=False, separators=(",", ":"))
    try:
        state_folder.write(file_name(model), content.encode("utf-8", "backslashreplace"))
    except state_folder.StateFolderError as error:
        guard.once(
            "drift.status.folder",
            "%s Until then `tidegauge explain` has nothing new to show; all else goes on.",
            error,
            level=logging.ERROR,
        )
        return False
    return True


@dataclass(frozen=True, slots=True)
class Found:
    """A status that was read, when its file was last touched, and where it is."""

    status: dict[str, Any]
    touched_s: float
    path: Path


class StatusError(ValueError):
    """A file that is no status of this version; the message says what it is."""


def names(folder: Path) -> list[Path]:
    """Return the files that are statuses by their names."""
    return sorted(path for path in folder.glob(f"*{SUFFIX}") if not path.name.startswith("."))


def read(path: Path) -> Found:
    """Read a status.

    Raises
    ------
    StatusError
        It cannot be read, or is none.
    """
    try:
        if path.stat().st_size > _MAXIMUM_BYTES:
            raise StatusError(f"{path}: got a file too large for a status.")
        touched_s = path.stat().st_mtime
        status = json.loads(state_folder.content(path, _MAXIMUM_BYTES))
    except OSError as error:
        raise StatusError(f"{path}: got {error.strerror!r} from the file system.") from error
    except (ValueError, RecursionError) as error:
        raise StatusError(f"{path}: got no complete JSON.") from error
    if not isinstance(status, dict) or not {"model", "version", "windows"} <= status.keys():
        raise StatusError(f"{path}: got JSON of something else.")
    if status.get("format") != FORMAT:
        raise StatusError(f"{path}: got the status of another version of tidegauge-drift.")
    return Found(status, touched_s, path)


def read_all(folders: list[Path]) -> Iterator[Found | StatusError]:
    """Yield every status in the folders, and why a file is none."""
    for folder in folders:
        for path in names(folder):
            try:
                yield read(path)
            except StatusError as error:
                yield error


def folders(given: str | None) -> list[Path]:
    """Return the folders in which services may have left something.

    Raises
    ------
    CommandError
        The one that was given is none.
    """
    if given is None:
        return state_folder.readable()
    if not Path(given).is_dir():
        raise CommandError(
            f"--state-dir: got {given!r} from the argument; expected a folder. Pass the "
            "TIDEGAUGE_STATE_DIR of the service."
        )
    return [Path(given)]

"""What survives a restart: alerts, what was said of them, what is still to be sent, and samples."""

from __future__ import annotations

import base64
import contextlib
import json
import logging
import os
import stat
import zlib
from array import array
from pathlib import Path
from typing import IO, Any, Self

from tidegauge_alerting.watch.history import History, Track
from tidegauge_alerting.watch.register import labels_from

try:
    import fcntl
except ImportError:  # not Unix: nobody looks whether there is another watcher
    fcntl = None  # type: ignore[assignment]

_logger = logging.getLogger("tidegauge.watch")

_STATE = "alerts-watch.json"
_HISTORY = "alerts-watch.history"
_LOCK = "alerts-watch.lock"
_VERSION = 1
_OTHERS_MAY_WRITE = 0o022
# What is larger is not ours.
_LARGEST_BYTES = 2**30


class StateError(Exception):
    """The folder cannot be used; the message says why and what to do."""


class StateFiles:
    """The files of one watcher in one folder; a context manager that holds the folder's lock.

    Each file is replaced whole: a watcher that is killed leaves the old one or the new one.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock: IO[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self._folder.mkdir(0o700, parents=True, exist_ok=True)
            found = self._folder.stat()
            mine = getattr(os, "geteuid", lambda: found.st_uid)()
            if found.st_uid != mine or (fcntl is not None and found.st_mode & _OTHERS_MAY_WRITE):
                # Whoever could write there could have any text sent to the channels.
                raise PermissionError(1, "others can write there")
            if not stat.S_ISDIR(found.st_mode):
                raise NotADirectoryError(20, "no folder")
            self._lock = (self._folder / _LOCK).open("ab")
            if fcntl is not None:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self.__exit__()
            raise StateError(
                f"--state: got {str(self._folder)!r}, which another watcher uses; expected a "
                "folder for each. Stop the other one, or choose another folder."
            ) from error
        except OSError as error:
            self.__exit__()
            raise self._cannot(error) from error
        return self

    def __exit__(self, *_: object) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def save(self, state: dict[str, Any]) -> None:
        """Replace the state.

        Raises
        ------
        StateError
            It cannot be written.
        """
        self._write(_STATE, json.dumps({"version": _VERSION, **state}).encode())

    def load(self) -> dict[str, Any]:
        """Return the state that was saved, empty where there is none or it cannot be used."""
        raw = self._read(_STATE)
        if raw is None:
            return {}
        try:
            found = json.loads(raw)
            if found["version"] == _VERSION:
                return dict(found)
        except (ValueError, TypeError, KeyError):
            pass
        self._put_aside()
        return {}

    def put_aside(self) -> None:
        """Keep a state that cannot be used under another name, and say so."""
        self._put_aside()

    def save_history(self, history: History) -> None:
        """Replace the samples.

        Raises
        ------
        StateError
            They cannot be written.
        """
        self._write(_HISTORY, zlib.compress(_packed(history), 1))

    def load_history(self, history: History, now_s: float) -> None:
        """Take back the samples that are still of use."""
        raw = self._read(_HISTORY)
        if raw is None:
            return
        try:
            _unpack(zlib.decompress(raw), history, now_s)
        except (ValueError, TypeError, KeyError, zlib.error):
            _logger.warning(
                "%s: got no samples that can be read; expected those of the last run. Windows "
                "begin anew.",
                self._folder / _HISTORY,
            )

    def _put_aside(self) -> None:
        aside = self._folder / f"{_STATE}.unreadable"
        with contextlib.suppress(OSError):
            (self._folder / _STATE).replace(aside)
        _logger.error(
            "%s: got nothing that can be read; expected the state of the last run. It is kept as "
            "%s; what fires now is said again.",
            self._folder / _STATE,
            aside.name,
        )

    def _read(self, name: str) -> bytes | None:
        path = self._folder / name
        try:
            if path.stat().st_size > _LARGEST_BYTES:
                return b""
            return path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._cannot(error) from error

    def _write(self, name: str, content: bytes) -> None:
        new = self._folder / f".{name}.new"
        try:
            handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            new.replace(self._folder / name)
        except OSError as error:
            raise self._cannot(error) from error

    def _cannot(self, error: OSError) -> StateError:
        return StateError(
            f"--state: got {str(self._folder)!r} ({error.strerror}); expected a folder that you "
            "own and may write to, and nobody else. Choose another one."
        )


def _packed(history: History) -> bytes:
    head = {
        "version": _VERSION,
        "since_s": history.since_s,
        "last_s": history.last_s,
        "known": sorted(history.known),
    }
    lines = [json.dumps(head)]
    for name in history.names:
        lines += (
            json.dumps(
                [name, track.labels, track.target, _coded(track.times), _coded(track.values)]
            )
            for track in history.tracks(name)
        )
    return "\n".join(lines).encode()


def _unpack(raw: bytes, history: History, now_s: float) -> None:
    first, *rest = raw.decode().split("\n")
    head = json.loads(first)
    # A clock that was set back would leave samples of the future.
    if head["version"] != _VERSION or not head["last_s"] <= now_s:
        return
    for line in rest:
        name, labels, target, times, values = json.loads(line)
        if name in history.names:
            history.put_track(
                name,
                Track(labels_from(labels), labels_from(target), _decoded(times), _decoded(values)),
            )
    history.since_s, history.last_s = head["since_s"], head["last_s"]
    history.known = {labels_from(labels) for labels in head["known"]}


def _coded(values: array[float]) -> str:
    return base64.b64encode(values.tobytes()).decode()


def _decoded(text: str) -> array[float]:
    found = array("d")
    found.frombytes(base64.b64decode(text))
    return found

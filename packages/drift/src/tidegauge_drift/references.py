"""Where references come from: one file for all models, or a folder of one a model; watched."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tidegauge.batch import ModelKey
from tidegauge.features import chosen
from tidegauge.misconfiguration import misconfigured

from tidegauge_drift.layout import Layout
from tidegauge_drift.profile import LeftOut, ProfileError, ReferenceProfile
from tidegauge_drift.status_files import file_name
from tidegauge_drift.store import load
from tidegauge_drift.wanted import DEFAULT, Wanted

if TYPE_CHECKING:
    from collections.abc import Sequence

_logger = logging.getLogger("tidegauge.drift")

SUFFIX = ".reference.json"
# A file is looked at no more often than this.
WATCH_S = 5.0

_Stamp = tuple[int, int, int] | None


class References:
    """Loads references, keeps the last good one of each file, and notices changed files.

    ``learnt`` says that the path is a folder in which each version of a model gets its own.
    """

    def __init__(
        self,
        path: str,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        wanted: Wanted = DEFAULT,
        *,
        learnt: bool = False,
    ) -> None:
        self._wanted = wanted
        self._learnt = learnt
        self._path = Path(path)
        self._include = include
        self._exclude = exclude
        self._files: dict[ModelKey, Path] = {}
        self._layouts: dict[Path, Layout] = {}
        self._stamps: dict[Path, _Stamp] = {}
        self._broken: set[Path] = set()
        self._unnamed = False
        self._looked: float | None = None

    def check(self) -> None:
        """Read a single file now, so that what is wrong with it is said at the start."""
        if not (self._learnt or _is_folder(self._path)):
            self.get(ModelKey(""))

    def get(self, model: ModelKey) -> Layout | None:
        """Return the reference of a model, or None: missing files have been logged once."""
        file = self._file(model)
        if file not in self._stamps:
            self._read(file)
        return self._layouts.get(file)

    def changed(self, now_s: float) -> bool:
        """Look at the files every 5 s and tell whether a reference was loaded anew.

        At multiples of 5 s, so that all processes of a launch notice a change before the same pane.
        """
        turn = now_s // WATCH_S
        if turn == self._looked:
            return False
        self._looked = turn
        return self.look()

    def look(self) -> bool:
        """Look at the files now."""
        found = False
        for file, stamp in list(self._stamps.items()):
            if _stamp(file) != stamp:
                found = self._read(file) or found
        return found

    def _file(self, model: ModelKey) -> Path:
        if self._learnt:
            file = self._files.get(model)
            if file is None:
                file = self._files[model] = self._path / file_name(model, SUFFIX)
            return file
        if not _is_folder(self._path):
            return self._path
        name = model.name.replace("/", "_").replace("\\", "_").replace("\0", "_")
        return self._path / f"{name}{SUFFIX}"

    def _read(self, file: Path) -> bool:
        self._stamps[file] = _stamp(file)
        before = self._layouts.get(file)
        try:
            layout = Layout(self._selected(load(file)), self._wanted)
        except ProfileError as error:
            waited_for = self._learnt and self._stamps[file] is None and before is None
            if file not in self._broken and not waited_for:
                self._broken.add(file)
                kept = "the reference before stays" if file in self._layouts else "no drift"
                # In a folder a model without a reference is no fault, unless none has one yet: then
                # files and models may have other names.
                absent = self._stamps[file] is None and file != self._path and before is None
                if not absent:
                    misconfigured(_logger, str(file), f"{error} ({kept} until the file is right)")
                elif self._layouts or self._unnamed:
                    _logger.info("%s (%s until it is there)", error, kept)
                else:
                    self._unnamed = True
                    self._say_names(file)
            return False
        self._broken.discard(file)
        self._layouts[file] = layout
        if self._wanted.correlation and layout.correlated is None:
            misconfigured(
                _logger,
                str(file),
                f"{file}: got no correlations from the file, and TIDEGAUGE_DRIFT_CORRELATION=true; "
                "expected those of two numeric features. Build it with 'tidegauge reference build "
                "--correlation'. All else is compared.",
            )
        return before is None or before.digest != layout.digest

    def _say_names(self, file: Path) -> None:
        there = sorted(repr(found.name) for found in self._path.glob(f"*{SUFFIX}"))
        _logger.warning(
            "%s: got no %r from the folder; expected a reference named after each model. There %s. "
            "Without it the model has no drift: rename a file, or name the model "
            "(TIDEGAUGE_MODEL_NAME).",
            self._path, file.name,
            "is " + ", ".join(there[:5]) + (" ..." if there[5:] else "") if there else "is none",
        )  # fmt: skip

    def _selected(self, profile: ReferenceProfile) -> ReferenceProfile:
        """Leave out the features that the settings exclude."""
        kept, out = [], list(profile.left_out)
        for feature in profile.features:
            if chosen(feature.name, self._include, self._exclude):
                kept.append(feature)
            else:
                out.append(LeftOut(feature.name, feature.position, "excluded by name"))
        if not kept:
            raise ProfileError(
                "TIDEGAUGE_FEATURES_INCLUDE, TIDEGAUGE_FEATURES_EXCLUDE: got globs that leave no "
                "feature from the environment; expected at least one. Correct the globs."
            )
        if len(kept) == len(profile.features):
            return profile
        return replace(profile, features=tuple(kept), left_out=tuple(out))


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # it is out of reach: whoever reads it says why
        return False


def _stamp(file: Path) -> _Stamp:
    try:
        found = file.stat()
    except (OSError, ValueError):
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino

"""What the file that a model was loaded from says of its name."""

from __future__ import annotations

import os
import re
from pathlib import PurePath

# Of an archive the name within is what matters: fraud.joblib.gz is fraud.joblib, compressed.
_COMPRESSED = frozenset({".gz", ".bz2", ".xz", ".lzma", ".zst", ".z", ".lz4", ".zip"})

# What files are called that are named by their folder, and folders are not looked at. Two models
# with such a name would be one in every chart.
_NO_NAMES = frozenset(
    {
        "best", "checkpoint", "clf", "data", "estimator", "final", "latest", "model", "pipeline",
        "output",  # what joblib keeps of a function that it remembers
    }
)  # fmt: skip
# A file that somebody downloads to has another name each time: Python's temporary ones, and ids.
_RANDOM = re.compile(r"tmp[a-z0-9_]{8}|[0-9a-f]{32,64}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def base_name(file: object) -> str:
    """Return a file's name without its folders; empty where it has none.

    ``file`` is what a loader is given: a path, or an open file with a ``name``.
    """
    path = file if isinstance(file, str | os.PathLike) else getattr(file, "name", "")
    if isinstance(path, os.PathLike):
        path = os.fspath(path)
    # Of either system: a path of Windows may be in a model that was made there.
    return PurePath(path.replace("\\", "/")).name if isinstance(path, str) else ""


def model_name(file: str) -> str:
    """Return the name that a file's base name gives a model; empty where it says nothing."""
    stem = _unpacked(file).stem
    return "" if stem.lower() in _NO_NAMES or _RANDOM.fullmatch(stem.lower()) else stem


def part_of(file: str, part: str) -> str:
    """Return what the base name of a file would be that held one part of it alone."""
    if not file or not part:
        return file
    path = _unpacked(file)
    # What follows the last dot is no part of a name, so there is always something.
    return f"{path.stem}.{base_name(part)}{path.suffix or '.part'}"


def same(pattern: str, file: str) -> bool:
    """Say whether a user means a file: by its base name, with or without what follows the dot."""
    path = PurePath(file)
    return bool(file) and pattern in {path.name, path.stem, _unpacked(file).stem}


def _unpacked(file: str) -> PurePath:
    path = PurePath(file)
    return path.with_suffix("") if path.suffix.lower() in _COMPRESSED else path

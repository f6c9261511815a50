"""What the file that a model was loaded from says of its name."""

from __future__ import annotations

import os
from pathlib import PurePath

# Of an archive the name within is what matters: fraud.joblib.gz is fraud.joblib, compressed.
_COMPRESSED = frozenset({".gz", ".bz2", ".xz", ".lzma", ".zst", ".z", ".lz4", ".zip"})

# What files are called that are named by their folder, and folders are not looked at. Two models
# with such a name would be one in every chart.
_NO_NAMES = frozenset(
    {"best", "checkpoint", "clf", "data", "estimator", "final", "latest", "model", "pipeline"}
)


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
    path = PurePath(file)
    if path.suffix.lower() in _COMPRESSED:
        path = path.with_suffix("")
    return "" if path.stem.lower() in _NO_NAMES else path.stem


def same(pattern: str, file: str) -> bool:
    """Say whether a user means a file: by its base name, with or without what follows the dot."""
    path = PurePath(file)
    stems = {path.name, path.stem}
    if path.suffix.lower() in _COMPRESSED:
        stems.add(path.with_suffix("").stem)
    return bool(file) and pattern in stems

"""Both sides of a report out of files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidegauge.plugins import load_reference_readers

from tidegauge_drift.columns import TEXT, read
from tidegauge_drift.profile import CategoricalFeature, ProfileError, ReferenceProfile
from tidegauge_drift.report.options import CompareSettings
from tidegauge_drift.report.tables import Rows
from tidegauge_drift.store import load
from tidegauge_drift.tables import open_table

if TYPE_CHECKING:
    from collections.abc import Collection

    from tidegauge_drift.scan import Track

# A reference file may have any name, but no table ends so.
_PROFILE = ".json"
# What booleans are counted as: their text in a file is another one.
_BOOLEANS = {"0", "1"}


def read_reference(path: str, track: Track) -> ReferenceProfile | Rows:
    """Read a reference profile, or a table.

    Raises
    ------
    ProfileError
        The file cannot be read.
    """
    return load(path) if path.lower().endswith(_PROFILE) else read_rows(path, (), track)


def read_current(path: str, reference: ReferenceProfile | Rows, track: Track) -> Rows:
    """Read the rows in question; a sketch's outputs are named as the reference names them.

    Raises
    ------
    ProfileError
        The file cannot be read.
    """
    found = read_rows(path, texts_of(reference), track)
    if found.sketch is None or isinstance(reference, Rows):
        return found
    known = [feature.name for feature in reference.outputs]
    own = found.sketch.outputs
    if len(known) == len(own) == 1:  # whatever it is called
        own = dict.fromkeys(own, known[0])
    names = tuple(own[name] if own.get(name) in known else name for name in found.names)
    return replace(found, names=names)


def with_outputs(settings: CompareSettings, reference: ReferenceProfile | Rows) -> CompareSettings:
    """Return the settings with the outputs that a sketch knows, unless they name some."""
    if settings.outputs or isinstance(reference, ReferenceProfile) or reference.sketch is None:
        return settings
    return replace(settings, outputs=tuple(reference.sketch.outputs))


def texts_of(reference: ReferenceProfile | Rows) -> set[str]:
    """Return the columns whose values are to be read as they are written: 007 is not 7."""
    if isinstance(reference, Rows):
        pairs = zip(reference.names, reference.columns, strict=True)
        return {name for name, values in pairs if read(values).kind == TEXT}
    return {
        feature.name
        for feature in (*reference.features, *reference.outputs)
        if isinstance(feature, CategoricalFeature) and not set(feature.top) <= _BOOLEANS
    }


def read_rows(path: str, as_text: Collection[str], track: Track) -> Rows:
    """Read a CSV or Parquet file into memory, or a file that a plugin knows.

    Raises
    ------
    ProfileError
        The file cannot be read.
    """
    sketched = _sketched(path)
    if sketched is not None:
        return sketched
    table = open_table(path)
    found = list(
        track(table.parts(table.names, as_text), f"reading {Path(path).name}", table.total())
    )
    # A column whose parts were read as different types is text, and is read as it is written.
    mixed = {
        name
        for name in table.names
        if len({str(part[name].dtype) for part in found}) > 1
        and any(read(part[name]).kind == TEXT for part in found)
    }
    if mixed - set(as_text):
        found = list(table.parts(table.names, {*as_text, *mixed}))
    columns = tuple(_joined([part[name] for part in found]) for name in table.names)
    return Rows(tuple(table.names), columns, len(columns[0]) if columns else 0, named=True)


def _sketched(path: str) -> Rows | None:
    """Read a file that a plugin knows; None where none does."""
    for reader in load_reference_readers():
        if path.lower().endswith(tuple(reader.suffixes)):
            try:
                found = reader.read(Path(path))
            except ValueError as error:
                raise ProfileError(str(error)) from error
            columns = tuple(found.columns.values())
            return Rows(tuple(found.columns), columns, found.values, named=True, sketch=found)
    return None


def _joined(parts: list[Any]) -> Any:
    import pandas as pd  # noqa: PLC0415 - an extra: open_table has said what is missing

    if not parts:
        return pd.Series([], dtype=object)
    return parts[0] if len(parts) == 1 else pd.concat(parts, ignore_index=True)

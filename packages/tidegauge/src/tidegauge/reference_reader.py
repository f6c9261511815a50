"""Files in which somebody else has summed up a table, for whoever compares tables.

Found by the entry point group ``tidegauge_reference_reader``, and chosen by how a file's name ends.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class SketchedTable:
    """Columns of values that stand for the rows of a table which are no longer there.

    They have one length, and their order means nothing: nobody knows which values were one row.
    There are at most as many as the sketch is exact for, so that whoever tests them is as sure as
    it may be. ``rows`` is how many rows the table had. ``outputs`` are the columns that a model has
    answered, with their names there; ``left_out`` are those that stand for nothing, and why.
    """

    kind: str
    rows: int
    columns: Mapping[str, NDArray[Any]]
    outputs: Mapping[str, str] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)

    @property
    def values(self) -> int:
        """How many values stand for the rows."""
        return next((len(column) for column in self.columns.values()), 0)


class ReferenceReader(Protocol):
    """Reads such files. Built with no arguments; the constructor never raises."""

    #: How the names of its files end, in lower case: ``.bin``.
    suffixes: tuple[str, ...]

    def read(self, path: Path) -> SketchedTable:
        """Read a file.

        Raises
        ------
        ValueError
            It cannot be read; the message says what to do.
        """
        ...

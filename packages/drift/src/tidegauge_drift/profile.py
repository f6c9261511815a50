"""A reference profile: what is known of the rows a model was made for, without the rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tidegauge_drift.correlation import Correlation
    from tidegauge_drift.grid import Edges, Floats

# 1 had no leaves, design effects, seasons or times; 2 no counts on bins of equal width and no
# correlations.
FORMAT = 3
OLDEST = 1
# Categories that get a cell of their own; the others share one.
TOP = 100
# Distinct categories of which hashes are kept; above there is no telling what is new.
KNOWN = 10_000
IN_TIME, UNKNOWN = "time", "unknown"


class ProfileError(ValueError):
    """A reference cannot be built, read or used; the message says what to do."""


@dataclass(frozen=True, slots=True, eq=False)
class NumericFeature:
    """One numeric column.

    ``counts`` are those of -inf, below the minimum, the cells in ascending order, above the
    maximum, +inf, missing (NaN) and type errors: every row is in exactly one. ``bins`` gives for
    all but the last two the bin of ``drift.psi.value``: tenths by the decile edges, atoms apart.
    ``sums`` are the sums of the values in each cell. ``deff`` is how many rows are worth one
    independent row, 1 where the order is unknown. ``leaves`` is the histogram that profiles are
    merged by, empty in files of format 1. ``by_slot`` are the counts in each slot of the season.
    ``unit`` is what the numbers are seconds of: ``spans``, ``times``, or empty. ``wide`` are the
    counts on ten bins of equal width; None in files of older formats and in merged profiles, whose
    rows are not at hand. ``by_segment`` are the counts of the rows of each segment, None without.
    """

    name: str
    position: int
    edges: Edges
    counts: NDArray[np.int64]
    bins: NDArray[np.uint8]
    atoms: tuple[int, ...]
    sums: Floats
    minimum: float
    maximum: float
    mean: float
    sd: float
    quartiles: tuple[float, float, float]
    ks_error: float
    ks_error_bound: float
    deff: float = 1.0
    leaves: str = ""
    by_slot: NDArray[np.int64] | None = None
    unit: str = ""
    wide: NDArray[np.int64] | None = None
    by_segment: NDArray[np.int64] | None = None

    @property
    def rows(self) -> int:
        """All rows, missing ones included."""
        return int(self.counts.sum())

    @property
    def missing(self) -> int:
        """Rows without a value."""
        return int(self.counts[-2])

    @property
    def cells(self) -> int:
        """Cells between the minimum and the maximum."""
        return self.edges.values.size + 1


@dataclass(frozen=True, slots=True, eq=False)
class CategoricalFeature:
    """One column of categories.

    ``counts`` are those of ``top``, of the other known categories, of new ones (0 in a reference),
    missing and type errors. ``known`` are the sorted 64-bit hashes of all categories, empty
    above 10,000, and ``known_counts`` how often each was seen. ``singletons`` is the number of
    categories seen once: its share of the rows estimates how many clean rows are new. ``deff``,
    ``by_slot`` and ``by_segment`` are as for numeric features.
    """

    name: str
    position: int
    top: tuple[str, ...]
    top_hashes: NDArray[np.uint64]
    known: NDArray[np.uint64]
    counts: NDArray[np.int64]
    distinct: int
    singletons: int
    known_counts: NDArray[np.int64] | None = None
    deff: float = 1.0
    by_slot: NDArray[np.int64] | None = None
    by_segment: NDArray[np.int64] | None = None

    @property
    def rows(self) -> int:
        """All rows, missing ones included."""
        return int(self.counts.sum())

    @property
    def missing(self) -> int:
        """Rows without a value."""
        return int(self.counts[-2])

    @property
    def cells(self) -> int:
        """Cells of categories: the top ones, the rest, new ones."""
        return len(self.top) + 2

    @property
    def high_cardinality(self) -> bool:
        """Whether there are too many categories to tell a new one."""
        return self.distinct > KNOWN


Feature: TypeAlias = NumericFeature | CategoricalFeature


@dataclass(frozen=True, slots=True, eq=False)
class Segments:
    """The parts of a model's rows that are looked at by themselves.

    They are the rows that have one of ``texts``, the most frequent ones, in the column ``name`` at
    ``position``; ``hashes`` are those of the texts. All other rows are of no segment.
    """

    name: str
    position: int
    texts: tuple[str, ...]
    hashes: NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A column that takes no part in drift, and why."""

    name: str
    position: int
    note: str


@dataclass(frozen=True, slots=True, eq=False)
class ReferenceProfile:
    """Counts, edges and summaries of a reference, in the order of its columns.

    ``named`` is False where the columns had no names (a bare array). ``order`` is
    ``time`` where the rows are in the order of ``time_column``, else ``unknown``: then no design
    effect is known.
    ``deff`` is the largest one of all features. ``span`` are the first and the last time (ISO 8601,
    UTC), ``season`` names the slots of ``by_slot``, ``segments`` are those of ``by_segment``.
    ``merged`` is the number of profiles that this one was made of, 0 where it was built from rows.
    ``correlation`` is None unless asked for.
    """

    rows: int
    columns: int
    named: bool
    features: tuple[Feature, ...]
    outputs: tuple[Feature, ...]
    left_out: tuple[LeftOut, ...]
    source: str
    built: str
    order: str = UNKNOWN
    deff: float = 1.0
    time_column: str = ""
    span: tuple[str, str] | None = None
    season: str = ""
    merged: int = 0
    correlation: Correlation | None = None
    format: int = FORMAT
    segments: Segments | None = None

"""The counts of a few seconds: what processes share, and all that windows are made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from tidegauge.batch import ModelKey

from tidegauge_drift.extras import added, arrays, names, restored
from tidegauge_drift.packing import PackingError, digest, narrow, pack, unpack
from tidegauge_drift.schema import joined

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tidegauge_drift.extras import Extra
    from tidegauge_drift.packing import Cells
    from tidegauge_drift.schema import Note

_MAGIC = b"tgpane03"


class PaneError(ValueError):
    """Bytes that are no whole pane, or panes that do not belong together."""


def model_digest(model: ModelKey) -> str:
    """Return what stands for a model in the names of records."""
    return digest(f"{len(model.name)}:{model.name}{model.version}")


@dataclass(slots=True, eq=False)
class Pane:
    """Counts of one model's rows against one reference in ``[index, index + 1) * length_s``.

    ``operation`` is the one whose rows these are; ``layout`` the digest of what they are counted
    on. ``counts`` are as wide as ``rows`` asks for. ``stride_min`` and ``stride_max`` are the
    thinning of its rows: one row in so many was kept. ``extra`` are further arrays, by name, which
    are merged by addition too; none by default. ``notes`` say how columns differ from the
    reference's; a pane of rows that cannot be compared has nothing else.
    """

    model: ModelKey
    operation: str
    layout: str
    index: int
    length_s: int
    counts: Cells = field(repr=False)
    rows: int = 0
    stride_min: int = 0
    stride_max: int = 0
    extra: Extra = field(default_factory=dict, repr=False)
    notes: tuple[Note, ...] = ()

    @property
    def start_s(self) -> int:
        """Unix seconds of its beginning."""
        return self.index * self.length_s

    @property
    def name(self) -> str:
        """Return the name of its record, unique among the panes of one process.

        The index comes first: a reader that is due at one index names all panes of it.
        """
        head = f"{prefix(self.index)}{model_digest(self.model)}"
        return f"{head}.{self.layout}.{digest(self.operation)}"

    def add(self, start: int, counted: NDArray[np.intp]) -> None:
        """Add counts at a place; ``rows`` must already include theirs."""
        self.counts = narrow(self.counts, self.rows)
        place = self.counts[start : start + counted.size]
        np.add(place, counted, out=place, casting="unsafe")

    def add_extra(self, more: Extra) -> None:
        """Add to the arrays beside the counts; a new one begins with zeros."""
        self.extra = added(self.extra, more)

    def note(self, more: tuple[Note, ...]) -> None:
        """Add notes."""
        if more:
            self.notes = joined(self.notes, more)

    def saw_stride(self, smallest: int, largest: int) -> None:
        """Widen the range of strides."""
        self.stride_min = min(smallest, self.stride_min or smallest)
        self.stride_max = max(largest, self.stride_max)

    def key(self) -> tuple[ModelKey, str, str, int, int, int]:
        """Return what must be equal for two panes to be merged."""
        return (
            self.model, self.operation, self.layout, self.index, self.length_s, self.counts.size
        )  # fmt: skip

    def merge(self, other: Pane) -> Pane:
        """Return the pane of both panes' rows; associative and commutative.

        Raises
        ------
        PaneError
            They are of another model, operation, reference, time or layout.
        """
        try:
            extra = added(self.extra, other.extra)
        except ValueError:
            extra = None
        if self.key() != other.key() or extra is None:
            raise PaneError(
                "pane: got one of another model, reference or time from the argument; expected "
                "equal keys. Merge panes of one key only."
            )
        rows = self.rows + other.rows
        counts = narrow(self.counts, rows) + other.counts
        said = joined(self.notes, other.notes)
        # Where processes disagree about the role: one of theirs, whichever pane is merged first.
        model = min(self.model, other.model, key=lambda each: each.role)
        merged = Pane(model, *self.key()[1:5], counts=counts, rows=rows, extra=extra, notes=said)
        for pane in (self, other):
            if pane.rows:
                merged.saw_stride(pane.stride_min, pane.stride_max)
        return merged

    def to_bytes(self) -> bytes:
        """Return the pane in its one form, which says by itself whose it is."""
        header = {
            "model": [self.model.name, self.model.version, self.model.role],
            "operation": self.operation,
            "layout": self.layout,
            "index": self.index,
            "length_s": self.length_s,
            "rows": self.rows,
            "strides": [self.stride_min, self.stride_max],
            "extra": names(self.extra),
            "notes": self.notes,
        }
        return pack(_MAGIC, header, [self.counts, *arrays(self.extra)])

    @classmethod
    def from_bytes(cls, content: bytes) -> Pane:
        """Read a pane.

        Raises
        ------
        PaneError
            The bytes are torn or changed, or of another format.
        """
        try:
            header, (counts, *extra) = unpack(_MAGIC, content)
            smallest, largest = header["strides"]
            return cls(
                ModelKey(*header["model"]), header["operation"], header["layout"],
                int(header["index"]), int(header["length_s"]), counts, int(header["rows"]),
                smallest, largest, restored(header["extra"], extra),
                tuple((str(kind), str(text)) for kind, text in header["notes"]),
            )  # fmt: skip
        except PackingError as error:
            raise PaneError(str(error)) from error
        except (ValueError, TypeError, KeyError) as error:
            raise PaneError(
                "pane: got a header of another format from the record; expected this version's. "
                "Leave the record out."
            ) from error


def prefix(index: int) -> str:
    """Return how the names of all panes of one index begin."""
    return f"pane.{index}."

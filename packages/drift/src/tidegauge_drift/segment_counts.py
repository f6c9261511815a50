"""Live rows of each segment, counted on the reference's cells beside the counts of all rows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from tidegauge.batch import Table

from tidegauge_drift.matching import ABSENT, match
from tidegauge_drift.packing import narrow
from tidegauge_drift.segments import Sorter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tidegauge_drift.block import Block, Slot
    from tidegauge_drift.extras import Extra
    from tidegauge_drift.layout import Layout
    from tidegauge_drift.profile import Feature, Segments
    from tidegauge_drift.window import ClosedWindow

#: What panes call them, after their family; and the pairs of rows of one call in each segment.
COUNTS, PAIRS = "segments", "segments.pairs"
# Values a step: their places are kept at the same time.
_STEP = 32_768


class SegmentCounts:
    """The segments of a reference, made ready: its own counts, and the counter of live rows."""

    def __init__(
        self, segments: Segments, features: Sequence[Feature], *, named: bool, width: int
    ) -> None:
        self.name = segments.name
        self.texts = segments.texts
        # Of each feature the counts of each segment, None where the reference has none.
        found = [feature.by_segment for feature in features]
        self.reference = [
            None if counts is None else narrow(counts, int(counts.max(initial=0)))
            for counts in found
        ]
        #: The reference's rows of each segment.
        self.rows = np.max(
            [counts.sum(axis=1, dtype=np.int64) for counts in found if counts is not None], axis=0
        )
        self._column = ((segments.name if named else "", segments.position),)
        self._width = width
        self._sorter = Sorter(segments.hashes)

    def column(self, table: Table) -> int:
        """Return the live column that says which segment a row is of, -1 if there is none."""
        width = len(table.columns or ()) if table.matrix is None else table.matrix.shape[1]
        return match(self._column, frozenset(), self._width, table.names, width).columns[0]

    def places(self, table: Table) -> NDArray[np.intp] | None:
        """Return the segment of each row, their number for none; None without the column."""
        column = self.column(table)
        if column == ABSENT:
            return None
        if table.matrix is not None:
            return self._sorter.places(np.asarray(table.matrix[:, column]))
        return self._sorter.places(np.asarray((table.columns or ())[column]))

    def count(
        self, block: Block, table: Table, columns: tuple[int, ...], places: NDArray[np.intp]
    ) -> Extra:
        """Return the counts of a table's rows by segment, one segment after the other."""
        number = len(self.texts)
        found = np.zeros(number * block.size, np.intp)
        step = max(1, _STEP // max(1, len(block.slots)))
        for start in range(0, table.rows, step):
            part = slice(start, start + step)
            ours = places[part] < number
            cells = block.places(_part(table, part), columns)[ours]
            cells += (places[part][ours] * block.size)[:, None]
            found += np.bincount(cells.ravel(), minlength=found.size)
        by_segment = found.reshape(number, block.size)
        for slot, column in zip(block.slots, columns, strict=True):
            if column == ABSENT:
                by_segment[:, slot.start - block.start : slot.stop - block.start] = 0
        return {f"{block.family}.{COUNTS}": narrow(found, int(found.max(initial=0)))}

    def pairs(self, places: NDArray[np.intp], sizes: NDArray[np.integer[Any]]) -> Extra:
        """Return in each segment the ordered pairs of different rows of one call.

        ``sizes`` are those of the calls that the rows are of, one after the other.
        """
        number = len(self.texts)
        call = np.repeat(np.arange(sizes.size), sizes)
        table = np.bincount(
            call * (number + 1) + places, minlength=sizes.size * (number + 1)
        ).reshape(-1, number + 1)[:, :number]
        found = (table * (table - 1)).sum(axis=0)
        return {PAIRS: narrow(found, int(found.max(initial=0)))}


def sliced(layout: Layout, i: int, segment: int) -> tuple[Slot, NDArray[np.int64]] | None:
    """Return the ``i``-th feature and its reference counts among the rows of one segment.

    It has that share of the rare categories. None where the reference has no counts by segment.
    """
    slot, known = layout.slots[i], layout.segments
    found = None if known is None else known.reference[i]
    if found is None:
        return None
    counts = found[segment].astype(np.int64)
    share = float(counts.sum()) / max(1, int(layout.counts[slot.start : slot.stop].sum()))
    once, twice = round(slot.singletons * share), round(slot.doubletons * share)
    return replace(slot, singletons=once, doubletons=twice), counts


def live(window: ClosedWindow, block: Block, number: int) -> NDArray[Any] | None:
    """Return what a window has of each segment, on the cells of one block."""
    found = window.extra.get(f"{block.family}.{COUNTS}")
    return None if found is None else found.reshape(number, block.size)


def without(window: ClosedWindow) -> ClosedWindow:
    """Return a window that has been judged without its counts by segment: nobody reads them."""
    kept = {name: array for name, array in window.extra.items() if COUNTS not in name}
    return window if len(kept) == len(window.extra) else replace(window, extra=kept)


def _part(table: Table, part: slice) -> Table:
    rows = len(range(*part.indices(table.rows)))
    if table.matrix is not None:
        return Table(rows, table.names, matrix=table.matrix[part])
    columns = tuple(np.asarray(column)[part] for column in table.columns or ())
    return Table(rows, table.names, columns=columns)

"""The worker's side of one model: rows into panes."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from tidegauge import guard
from tidegauge.batch import Batch, ModelKey, Table

from tidegauge_drift.block import INPUTS, OUTPUTS
from tidegauge_drift.calls import CALLS, unseen, whole
from tidegauge_drift.pane import Pane
from tidegauge_drift.schema import notes
from tidegauge_drift.terminal_words import cut, text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from tidegauge_drift.block import Block
    from tidegauge_drift.extras import Extra
    from tidegauge_drift.layout import Layout
    from tidegauge_drift.matching import Match
    from tidegauge_drift.schema import Note

    # Rows of a pane, and the columns of them that are features.
    Part: TypeAlias = tuple[Block, Table, tuple[int, ...]]

_logger = logging.getLogger("tidegauge.drift")

# A pane stays open so long after its end for calls that are still in the buffer.
GRACE_S = 3
# A clock that went back further than this was set: panes and windows start anew at the new time.
_BACKWARDS_S = 60
# Models of one process, or of one group, that are compared.
MAXIMUM_MODELS = 1000
# So many panes of a model wait for the leader; then the oldest are given up.
MAXIMUM_PANES = 16

# Columns in a line of the log.
_NAMED = 5

_NO_CALLS: NDArray[np.int64] = np.empty(0, np.int64)
_NO_ROWS: NDArray[np.bool_] = np.empty(0, np.bool_)

_Key: TypeAlias = tuple[int, str]


def first_open(now_s: float, pane_s: int) -> int:
    """Return the first pane that is not closed at this time."""
    return int((now_s - GRACE_S) // pane_s)


def went_back(before: int, limit: int, pane_s: int) -> bool:
    """Tell a clock that was set back from one that a time server slowed down."""
    return (before - limit) * pane_s > _BACKWARDS_S + pane_s


class PaneCounter:
    """Counts one model's rows in panes of the wall clock; all methods on one thread.

    Parameters
    ----------
    model : ModelKey
        Whose rows these are.
    layout : Layout
        The reference, made ready.
    pane_s : int
        Length of a pane.
    """

    def __init__(self, model: ModelKey, layout: Layout, pane_s: int) -> None:
        self.model = model
        self.layout = layout
        self._pane_s = pane_s
        self._next: tuple[Layout, int] | None = None
        self._closed: int | None = None  # the first pane that is not closed yet
        self._panes: dict[_Key, Pane] = {}
        self._matches: dict[str, tuple[object, Match, tuple[Note, ...]]] = {}
        self._said: set[str] = set()
        self.late_rows = 0
        self.dropped_rows = 0

    def __len__(self) -> int:
        """Return the number of panes that are open or wait to be folded."""
        return len(self._panes)

    def __iter__(self) -> Iterator[Pane]:
        """Yield the panes that are open or wait to be folded."""
        yield from self._panes.values()

    def take(self, batch: Batch) -> None:
        """Count a batch's rows in the panes of their end times."""
        if batch.features is None and batch.outputs is None:
            return
        times = np.asarray(batch.end_times, np.float64)
        if times.size == 0 or not np.isfinite(times).all():
            return
        index = np.floor(times / self._pane_s).astype(np.int64)
        one = index[0] == index[-1] and bool((index == index[0]).all())  # nearly always
        for pane in (index[:1] if one else np.unique(index)).tolist():
            chosen = None if one else index == pane
            rows = times.size if chosen is None else int(chosen.sum())
            if self._closed is not None and pane < self._closed:
                self.late_rows += rows
                guard.once(
                    "drift.late",
                    "rows arrived more than %s s after their pane's end: they are not in drift",
                    GRACE_S,
                )
                continue
            self._count(batch, pane, rows, chosen)

    def _count(self, batch: Batch, index: int, rows: int, chosen: NDArray[np.bool_] | None) -> None:
        layout = self._at(index)
        found: list[tuple[Block, NDArray[np.intp], Extra]] = []
        said: tuple[Note, ...] = ()
        sizes, several = _calls(batch, rows, chosen)
        parts: list[Part] = []
        alike = {block: unseen(len(block.slots)) for block in (layout.inputs, layout.outputs)}
        for side, table in ((INPUTS, batch.features), (OUTPUTS, batch.outputs)):
            block = layout.inputs if side == INPUTS else layout.outputs
            if table is None or not block.slots:
                continue
            matched, new = self._match(layout, side, table)
            said += new
            if matched.reason and side == INPUTS:
                # Another model's rows: its outputs are not comparable either.
                self._pane(batch, index, layout).note(new)
                return
            if not matched.reason:
                part = table if chosen is None else _rows(table, chosen, rows)
                found.append((block, *block.measure(part, matched.columns)))
                parts.append((block, part, matched.columns))
                if sizes.size:
                    part = _rows(part, several, int(sizes.sum()))
                    alike[block] = block.count_calls(part, matched.columns, sizes)
        if not found and not said:
            return
        pane = self._pane(batch, index, layout)
        pane.note(said)
        if not found:
            return
        by_segment = self._by_segment(layout, parts, sizes, several)
        pane.rows += rows
        for block, counted, extra in found:
            pane.add(block.start, counted)
            pane.add_extra(extra)
        if sizes.size:
            pane.add_extra({CALLS: whole(sizes, list(alike.values()))})
        pane.add_extra(by_segment)
        pane.saw_stride(batch.stride, batch.stride)

    def _pane(self, batch: Batch, index: int, layout: Layout) -> Pane:
        key = (index, batch.operation)
        pane = self._panes.get(key)
        if pane is None or pane.layout != layout.digest:
            counts = np.zeros(layout.size, np.uint8)
            pane = Pane(batch.model, batch.operation, layout.digest, index, self._pane_s, counts)
            self._panes[key] = pane
        return pane

    def _by_segment(
        self,
        layout: Layout,
        parts: Sequence[Part],
        sizes: NDArray[np.int64],
        several: NDArray[np.bool_],
    ) -> Extra:
        """Return the counts of each segment, where there are any: the first part has its column."""
        segments = layout.segments
        if segments is None or parts[0][0].family != INPUTS:
            return {}
        places = segments.places(parts[0][1])
        if places is None:
            self._once(
                f"{layout.reference}.segments",
                f"no segments: the column {segments.name!r} is not among the live ones.",
            )
            return {}
        extra: Extra = {}
        for block, table, columns in parts:
            extra.update(segments.count(block, table, columns, places))
        if sizes.size:
            extra.update(segments.pairs(places[several], sizes))
        return extra

    def _at(self, index: int) -> Layout:
        if self._next is not None and index >= self._next[1]:
            return self._next[0]
        return self.layout

    def _match(self, layout: Layout, side: str, table: Table) -> tuple[Match, tuple[Note, ...]]:
        width = table.matrix.shape[1] if table.matrix is not None else len(table.columns or ())
        key = (layout, table.names, width)
        kept = self._matches.get(side)
        if kept is not None and kept[0] == key:
            return kept[1:]
        found = layout.match_inputs(table) if side == INPUTS else layout.match_outputs(table)
        said = notes(side, found)
        self._matches[side] = (key, found, said)
        self._say(layout, side, found)
        return found, said

    def _say(self, layout: Layout, side: str, found: Match) -> None:
        if found.reason:
            self._once(
                f"{layout.reference}.{side}.reason",
                f"no drift of its {side}: {found.reason}. Build the reference from rows as the "
                "model gets them.",
            )
            return
        if found.missing:
            self._once(
                f"{layout.reference}.{side}.missing",
                f"{len(found.missing)} of the reference's features are not in the model's rows "
                f"({_names(found.missing)}); the others are compared. If the model gets no such "
                "column, build the reference without it (--drop).",
            )
        if found.extra:
            self._once(
                f"{layout.reference}.{side}.extra",
                f"{len(found.extra)} columns are not in the reference ({_names(found.extra)}) and "
                "not compared.",
            )

    def _once(self, cause: str, message: str) -> None:
        if cause not in self._said:
            self._said.add(cause)
            _logger.warning("%s: %s", self.model, message)

    @property
    def newest(self) -> Layout:
        """The reference in use, or the one that the next pane begins with."""
        return self._next[0] if self._next is not None else self.layout

    def replace(self, layout: Layout, index: int) -> None:
        """Compare with another reference from a pane on."""
        self._next = (layout, index)

    def close(self, limit: int) -> None:
        """Close the panes below ``limit``: rows of theirs that come now are late."""
        if self._closed is not None and went_back(self._closed, limit, self._pane_s):
            self._panes.clear()
            self._closed = limit
        self._closed = limit if self._closed is None else max(limit, self._closed)
        if self._next is not None and limit >= self._next[1]:
            self.layout, _ = self._next
            self._next = None
            self._said.clear()
            self._matches.clear()

    def pop(self, limit: int) -> list[Pane]:
        """Give the panes below ``limit`` away."""
        keys = sorted(key for key in self._panes if key[0] < limit)
        return [self._panes.pop(key) for key in keys]

    def bound(self) -> None:
        """Give up the oldest panes where too many wait: nobody has folded them."""
        for key in sorted(self._panes)[: max(0, len(self._panes) - MAXIMUM_PANES)]:
            self.dropped_rows += self._panes.pop(key).rows
            guard.once(
                "drift.waiting",
                "%s panes of a model wait to be judged and none was: the oldest are given up, "
                "their rows are not in drift. See the messages before this one.",
                MAXIMUM_PANES,
                level=logging.ERROR,
            )


def _names(names: Sequence[str]) -> str:
    """Name some columns as the log may have them: keys of a request, perhaps, hold anything."""
    return ", ".join(cut(text(name)) for name in names[:_NAMED])


def _calls(
    batch: Batch, rows: int, chosen: NDArray[np.bool_] | None
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the sizes of a pane's calls of several rows, and which of its rows are theirs."""
    if batch.calls is None:
        return _NO_CALLS, _NO_ROWS
    sizes = batch.calls[batch.calls > 0]
    if chosen is not None:
        sizes = sizes[chosen[np.cumsum(sizes) - sizes]]
    if int(sizes.sum()) != rows:  # whoever made the batch has calls that end at two times
        return _NO_CALLS, _NO_ROWS
    return sizes[sizes > 1], np.repeat(sizes > 1, sizes)


def _rows(table: Table, chosen: NDArray[np.bool_], rows: int) -> Table:
    if table.matrix is not None:
        return Table(rows, table.names, matrix=table.matrix[chosen])
    columns = tuple(np.asarray(column)[chosen] for column in table.columns or ())
    return Table(rows, table.names, columns=columns)

"""The last round over a table: every row is counted on the cells that the others have found."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from tidegauge_drift.accuracy import ROWS, worst_ks_error
from tidegauge_drift.bins import quantile_bins
from tidegauge_drift.category import hash64, is_missing, text
from tidegauge_drift.cells import NumericCounter
from tidegauge_drift.columns import UNITS
from tidegauge_drift.edges import count
from tidegauge_drift.following import EVENTS, Following
from tidegauge_drift.grid import ATOM, Edges, Floats, edges
from tidegauge_drift.leaves import Leaves
from tidegauge_drift.profile import KNOWN, TOP, CategoricalFeature, NumericFeature
from tidegauge_drift.wide import wide_edges

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from tidegauge_drift.columns import Part
    from tidegauge_drift.scan import Scan

# Cells of a numeric feature beside those between its minimum and maximum: below and -inf before,
# above, +inf, missing and type errors behind.
_BEFORE, _BEHIND = 2, 4


class Numbers:
    """Counts all numeric columns of a table at once.

    Parameters
    ----------
    scans : sequence of Scan
        What is known of the columns.
    ordered : bool
        Whether rows come in the order of time.
    slots : int
        Slots of the season, 0 without one.
    segments : int
        Segments that rows are of, 0 without.
    """

    def __init__(
        self, scans: Sequence[Scan], *, ordered: bool, slots: int, segments: int = 0
    ) -> None:
        self._scans = scans
        sketches = [scan.sketch for scan in scans]
        chosen = [edges(sketch) for sketch in sketches]
        self._edges: list[Edges] = [found for found, _ in chosen]
        self._deciles = [deciles for _, deciles in chosen]
        self._quartiles = [sketch.quantiles((0.25, 0.5, 0.75)) for sketch in sketches]
        sizes = [found.values.size + 1 + _BEFORE + _BEHIND for found in self._edges]
        self._starts = np.cumsum([0, *sizes])[:-1]
        self._size = sum(sizes)
        self._counter = NumericCounter(
            self._edges, [s.low for s in sketches], [s.high for s in sketches],
            self._starts.tolist(), self._size,
        ) if scans else None  # fmt: skip
        self._counts = np.zeros(self._size, np.int64)
        self._by_slot = np.zeros((slots, self._size), np.int64)
        self._by_segment = np.zeros((segments, self._size), np.int64)
        self._sums = [np.zeros(found.values.size + 1) for found in self._edges]
        self._wide_edges = [wide_edges(s.low, s.high) for s in sketches]
        self._wide = [np.zeros(edges.size + 1, np.int64) for edges in self._wide_edges]
        self._moments = np.zeros((2, len(scans)))  # about the median
        self._tenths = [sketch.quantiles(np.arange(1, 10) / 10) for sketch in sketches]
        self._following = [Following(s.size, slots) for s in sketches] if ordered else []

    def add(
        self,
        parts: Mapping[str, Part],
        slots: NDArray[np.int64] | None,
        segments: NDArray[np.intp] | None = None,
    ) -> None:
        """Count rows, by the slot of the season and the segment that each is in."""
        if self._counter is None:
            return
        columns = [numbers(parts[scan.name]) for scan in self._scans]
        matrix = np.column_stack(columns)
        if segments is not None:
            for segment in range(len(self._by_segment)):
                self._by_segment[segment] += self._counter.count(matrix[segments == segment])
        if slots is None:
            counted = self._counter.count(matrix)
        else:
            before = self._by_slot.sum(axis=0)
            for slot in np.unique(slots).tolist():
                self._by_slot[slot] += self._counter.count(matrix[slots == slot])
            counted = self._by_slot.sum(axis=0) - before
        self._counts += counted
        for j, column in enumerate(columns):
            finite = column[np.isfinite(column)]
            self._sum(j, finite, counted)
            self._wide[j] += count(finite, self._wide_edges[j]).astype(np.int64)
            if self._following:
                self._following[j].add(*self._events(j, column, slots))

    def again(self, parts: Mapping[str, Part], slots: NDArray[np.int64]) -> None:
        """Take rows once more, to see how they depend on each other within a season."""
        for j, scan in enumerate(self._scans):
            happened, found = self._events(j, numbers(parts[scan.name]), slots)
            if found is not None:
                self._following[j].again(happened, found)

    def _events(
        self, j: int, column: Floats, slots: NDArray[np.int64] | None
    ) -> tuple[NDArray[np.bool_], NDArray[np.int64] | None]:
        kept = np.isfinite(column)
        happened = column[kept, None] <= self._tenths[j]
        return happened, None if slots is None else slots[kept]

    def _sum(self, j: int, finite: Floats, counted: NDArray[np.integer[Any]]) -> None:
        start = self._starts[j] + _BEFORE
        cells = counted[start : start + self._sums[j].size]
        starts = np.concatenate(([0], np.cumsum(cells)[:-1]))
        with np.errstate(all="ignore"):  # sums above 1.8e308 are stored as unknown
            ordered = np.concatenate((np.sort(finite), [0.0]))
            self._sums[j] += np.where(cells > 0, np.add.reduceat(ordered, starts), 0)
            away = finite - self._quartiles[j][1]
            self._moments[:, j] += away.sum(), (away * away).sum()

    def feature(self, name: str, position: int, shown: str) -> NumericFeature:
        """Return what was found of a column, under the name that is shown."""
        j = [scan.name for scan in self._scans].index(name)
        sketch, chosen = self._scans[j].sketch, self._edges[j]
        place = slice(self._starts[j], self._starts[j] + chosen.values.size + 1 + 6)
        counts = self._counts[place].copy()
        cells = counts[_BEFORE:-_BEHIND]
        counter = NumericCounter([chosen], [sketch.low], [sketch.high], [0], counts.size)

        def on_cells(some: Floats) -> NDArray[np.int64]:
            return counter.count(some[:, None]).astype(np.int64)

        frequent = sketch.frequent(ATOM) if chosen.ticks is None else ()
        atoms = [int(np.flatnonzero(on_cells(np.array([v])))[0]) - _BEFORE for v in frequent]
        shared = np.delete(cells, atoms) if atoms else cells
        median = float(self._quartiles[j][1])
        with np.errstate(all="ignore"):
            away, squares = (self._moments[:, j] / sketch.size).tolist()
            mean, sd = median + away, float(np.sqrt(np.maximum(squares - away * away, 0)))
        q25, q50, q75 = self._quartiles[j].tolist()
        return NumericFeature(
            name=shown,
            position=position,
            edges=chosen,
            counts=counts,
            bins=quantile_bins(chosen.values, sketch.low, self._deciles[j], cells, atoms),
            atoms=tuple(atoms),
            sums=self._sums[j],
            minimum=sketch.low,
            maximum=sketch.high,
            mean=mean,
            sd=0.0 if sketch.low == sketch.high else sd,
            quartiles=(q25, q50, q75),
            ks_error=worst_ks_error(sketch.sample(ROWS), on_cells),
            ks_error_bound=float(shared.max() / sketch.size) if shared.size else 0.0,
            deff=self._following[j].design_effect() if self._following else 1.0,
            leaves=Leaves.of(sketch).pack(),
            by_slot=self._by_slot[:, place].copy() if len(self._by_slot) else None,
            unit=UNITS[self._scans[j].kind],
            wide=self._wide[j],
            by_segment=self._by_segment[:, place].copy() if len(self._by_segment) else None,
        )


def numbers(part: Part) -> Floats:
    """Return a part's numbers; one without a value may be of another type."""
    if part.values.dtype == np.float64:
        return part.values
    return np.full(part.values.size, np.nan)


class Categories:
    """Counts the categories of one column; the parameters are those of ``Numbers``."""

    def __init__(
        self, scan: Scan, *, ordered: bool, slots: int, hashed: bool, segments: int = 0
    ) -> None:
        self._scan = scan
        codes, times = scan.tally.ordered()
        few = scan.tally.distinct <= KNOWN
        order = np.argsort(codes) if few else np.empty(0, np.intp)
        self._known, self._known_counts = codes[order], times[order]
        self._top = codes[:TOP]
        self._rest = self._top.size
        self._place = {code: cell for cell, code in enumerate(self._top.tolist())}
        self._shown = {} if not hashed else {c: f"#{c:016x}" for c in self._place}
        self._counts = np.zeros(self._rest + 4, np.int64)
        self._by_slot = np.zeros((slots, self._counts.size), np.int64)
        self._by_segment = np.zeros((segments, self._counts.size), np.int64)
        self._following = Following(scan.tally.present, slots) if ordered else None

    def add(
        self,
        part: Part,
        slots: NDArray[np.int64] | None,
        segments: NDArray[np.intp] | None = None,
    ) -> None:
        """Count rows, by the slot of the season and the segment that each is in."""
        found = Counter(part.values.tolist())
        cells = {value: self._cell(value) for value in found}
        np.add.at(self._counts, [*cells.values()], [*found.values()])
        if slots is None and segments is None and self._following is None:
            return
        row = self._rows(part, cells)
        if segments is not None:
            ours = segments < len(self._by_segment)
            np.add.at(self._by_segment, (segments[ours], row[ours]), 1)
        if slots is not None:
            np.add.at(self._by_slot, (slots, row), 1)
        if self._following is not None:
            self._following.add(*self._events(row, slots))

    def again(self, part: Part, slots: NDArray[np.int64]) -> None:
        """Take rows once more, to see how they depend on each other within a season."""
        cells = {value: self._cell(value) for value in set(part.values.tolist())}
        happened, found = self._events(self._rows(part, cells), slots)
        if self._following is not None and found is not None:
            self._following.again(happened, found)

    def _cell(self, value: Any) -> int:
        if is_missing(value):
            return self._rest + 2
        shown = text(value)
        code = hash64(shown)
        cell = self._place.get(code)
        if cell is None:
            return self._rest
        self._shown.setdefault(code, shown)
        return cell

    def _rows(self, part: Part, cells: dict[Any, int]) -> NDArray[np.intp]:
        return np.fromiter(map(cells.__getitem__, part.values.tolist()), np.intp, part.values.size)

    def _events(
        self, cells: NDArray[np.intp], slots: NDArray[np.int64] | None
    ) -> tuple[NDArray[np.bool_], NDArray[np.int64] | None]:
        kept = cells <= self._rest
        happened = cells[kept, None] == np.arange(EVENTS)
        return happened, None if slots is None else slots[kept]

    def feature(self, position: int, shown: str) -> CategoricalFeature:
        """Return what was found of the column, under the name that is shown."""
        return CategoricalFeature(
            name=shown,
            position=position,
            top=tuple(self._shown[code] for code in self._top.tolist()),
            top_hashes=self._top,
            known=self._known,
            counts=self._counts,
            distinct=self._scan.tally.distinct,
            singletons=self._scan.tally.singletons,
            known_counts=self._known_counts,
            deff=1.0 if self._following is None else self._following.design_effect(worst=True),
            by_slot=self._by_slot if len(self._by_slot) else None,
            by_segment=self._by_segment if len(self._by_segment) else None,
        )

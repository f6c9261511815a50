"""The cells of a numeric feature: where its edges are and how a value finds its cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tidegauge_drift.single import alike_edges, alike_ends, rounded, shortest

if TYPE_CHECKING:
    from tidegauge_drift.sketch import Sketch

Floats = NDArray[np.float64]

GRID = 512  # grid cells a feature: KS within .005 at n = 1e4, and a table of 512 bytes
QUANTILES = 60  # 6 a decile, 15 a quartile
# A cell with more of the reference than this is too coarse: twice its due.
COARSE = 2 / QUANTILES
# An atom is a single value with more of the reference than this.
ATOM = 1 / 20
# A value with more of the reference than this has one cell in single and in double precision; less
# is what the cells may be off in KS.
STEADY = 1 / 200
# The middle of a heavy-tailed feature is linear over about +-2 % of its interquartile range.
ASINH_WIDTH = 0.02


@dataclass(frozen=True, slots=True)
class Grid:
    """A monotone map of a feature's range onto [0, 512].

    Linear: ``(x - shift) * scale``. With ``per > 0``:
    ``(arcsinh((x - shift) * scale) - low) * per``.
    """

    shift: float
    scale: float
    low: float = 0.0
    per: float = 0.0

    def position(self, values: Floats) -> Floats:
        """Return where values lie on the grid; outside of [0, 512] where they leave the range."""
        with np.errstate(all="ignore"):
            t = (values - self.shift) * self.scale
            if self.per > 0:
                t = (np.arcsinh(t) - self.low) * self.per
        return t

    def value(self, ticks: NDArray[np.int64]) -> Floats:
        """Return the value at the left end of grid cells."""
        if self.per > 0:
            return np.asarray(self.shift + np.sinh(self.low + ticks / self.per) / self.scale)
        return np.asarray(self.shift + ticks / self.scale)

    def ticks(self, values: Floats) -> NDArray[np.int64]:
        """Return the grid cell of each value, those outside of the range in the outermost ones."""
        t = np.minimum(np.fmax(self.position(values), 0), GRID - 1)
        return t.astype(np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Edges:
    """The inner edges of a feature's cells: cell ``i`` is [edge i-1, edge i).

    ``ticks`` is None where values are compared with ``values`` exactly; otherwise an edge lies at
    the left end of grid cell ``ticks[i]`` and ``values`` tells where that is. With ``single`` what
    rounds to one float32 is one value.
    """

    grid: Grid
    values: Floats
    ticks: NDArray[np.int64] | None
    single: bool = False

    def told(self, low: float, high: float) -> Edges:
        """Return the edges that the values of a range are compared with."""
        moved = alike_edges(low, high, self.values) if self.single else None
        return self if moved is None else Edges(self.grid, moved, None)

    def ends(self, low: float, high: float) -> tuple[float, float]:
        """Return the ends of a range, beyond which values are out of it.

        Where float32 may be too coarse for the range, they are wider by less than a cell's due.
        """
        first, last = alike_ends(low, high)
        with np.errstate(all="ignore"):
            width = np.float64(high) - np.float64(low)
            fine = (low - first) + (last - high) <= width / QUANTILES
        return (first, last) if self.single or fine else (low, high)

    def table(self) -> NDArray[np.uint8]:
        """Return for each grid cell the number of edges that are surely not above its values."""
        cells = np.arange(GRID)
        if self.ticks is not None:
            return np.searchsorted(self.ticks, cells, "right").astype(np.uint8)
        return np.searchsorted(self.grid.ticks(self.values), cells, "left").astype(np.uint8)

    def steps(self) -> int:
        """Return how many halvings find the place among the edges that share a grid cell."""
        if self.ticks is not None or self.values.size == 0:
            return 0
        return int(np.bincount(self.grid.ticks(self.values)).max()).bit_length()


def atoms(values: Floats, share: float = ATOM) -> Floats:
    """Return the values that hold more than a share of sorted values each."""
    starts = np.flatnonzero(np.concatenate(([True], values[1:] != values[:-1])))
    sizes = np.diff(np.concatenate((starts, [values.size])))
    return values[starts[sizes > share * values.size]]


def edges(sketch: Sketch) -> tuple[Edges, Floats]:
    """Choose the edges for values (at least one), and return the decile edges too.

    Snapped to a linear grid if no cell gets coarse and no frequent value is in another one when it
    is rounded, else to an asinh grid, else exact; exact also where the feature has atoms, which are
    cells of their own.
    """
    low, high = sketch.low, sketch.high
    wanted = sketch.quantiles(np.arange(1, QUANTILES) / QUANTILES)
    with np.errstate(all="ignore"):  # a range above 1.8e308 has no width: it gets fewer edges
        width = low + (high - low) * np.arange(1, 10) / 10
    deciles = wanted[5::6]
    wanted, deciles, width = (e[np.isfinite(e)] for e in (wanted, deciles, width))
    found = sketch.frequent(ATOM)
    grids = _grids(sketch)
    if found.size == 0:
        values, counts = sketch.values, sketch.counts
        for grid in grids:
            if grid.scale == 0:  # the range is too wide or too narrow for a width of its cells
                continue
            snapped = _snap(grid, np.concatenate((wanted, width)))
            cells = np.bincount(snapped.table()[grid.ticks(values)], counts)
            if cells.max() <= COARSE * sketch.size and _steady(snapped, sketch.frequent(STEADY)):
                return snapped, grid.value(np.unique(_nearest(grid, deciles)))
    with np.errstate(over="ignore"):  # the largest float has no next one
        after = np.nextafter(found, np.inf)
    kept = np.concatenate((wanted, width, found, after))
    kept = np.unique(kept[(kept > low) & (kept <= high)])
    single = alike_edges(low, high, kept) is not None
    return exact(kept, grids, single=single), np.unique(deciles)


def exact(kept: Floats, grids: list[Grid], *, single: bool) -> Edges:
    """Return edges that values are compared with, on the grid that tells most of them apart."""
    return min((Edges(grid, kept, None, single) for grid in grids), key=Edges.steps)


def _grids(sketch: Sketch) -> list[Grid]:
    q25, median, q75 = (float(q) for q in sketch.quantiles((0.25, 0.5, 0.75)))
    return grids_of(sketch.low, sketch.high, (q25, median, q75))


def grids_of(low: float, high: float, quartiles: tuple[float, float, float]) -> list[Grid]:
    """Return the grids for a range: linear, and where that has a width, asinh."""
    q25, median, q75 = quartiles
    with np.errstate(all="ignore"):
        scale = float(GRID / np.float64(high - low)) if high > low else 0.0
    linear = Grid(low, scale if np.isfinite(scale) else 0.0)
    if not 0 < ASINH_WIDTH * (q75 - q25) < np.inf or linear.scale == 0:
        return [linear]
    scale = 1 / (ASINH_WIDTH * (q75 - q25))
    with np.errstate(all="ignore"):
        ends = np.arcsinh((np.array((low, high)) - median) * scale)
    if not np.isfinite(ends).all():
        return [linear]
    return [linear, Grid(median, scale, float(ends[0]), float(GRID / (ends[1] - ends[0])))]


def _nearest(grid: Grid, values: Floats) -> NDArray[np.int64]:
    return np.clip(np.rint(grid.position(values)), 1, GRID - 1).astype(np.int64)


def _snap(grid: Grid, wanted: Floats) -> Edges:
    ticks = np.unique(_nearest(grid, wanted))
    return Edges(grid, grid.value(ticks), ticks)


def _steady(snapped: Edges, values: Floats) -> bool:
    """Tell whether values are in the same cells when they come in the other precision."""
    table, grid = snapped.table(), snapped.grid
    cells = table[grid.ticks(values)]
    forms = (rounded(values), shortest(values))
    return all(bool((table[grid.ticks(form)] == cells).all()) for form in forms)

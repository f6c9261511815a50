"""The bins of ``drift.psi.value``: tenths of the reference, its atoms apart; top categories."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tidegauge_drift.block import Slot
    from tidegauge_drift.counts import Counts
    from tidegauge_drift.grid import Floats

# Categories that have a bin of their own.
TOP_CATEGORIES = 10


def quantile_bins(
    edges: Floats, minimum: float, deciles: Floats, cells: NDArray[np.int64], atoms: Sequence[int]
) -> NDArray[np.uint8]:
    """Return the bin of each ordered cell: -inf, below, the cells, above, +inf.

    A cell belongs to the tenth in which it begins; an atom is a bin of its own. The outer cells
    join the outermost tenths, or are bins of their own next to an atom, so that a constant has the
    bins less, equal, more. All other bins without a row in the reference are one: a value between
    two integers is as new as any other.
    """
    left = np.concatenate(([minimum], edges))
    tenth = np.searchsorted(deciles, left, "right")
    keys: list[object] = [f"tenth {t}" for t in tenth]
    for atom in atoms:
        keys[atom] = f"atom {atom}"
    rows: dict[object, int] = {}
    for key, count in zip(keys, cells, strict=True):
        rows[key] = rows.get(key, 0) + int(count)
    keys = [key if rows[key] else "gap" for key in keys]
    low = "less" if 0 in atoms else keys[0]
    high = "more" if len(keys) - 1 in atoms else keys[-1]
    ordered = [low, low, *keys, high, high]
    place = {key: i for i, key in enumerate(dict.fromkeys(ordered))}
    return np.array([place[key] for key in ordered], np.uint8)


def category_bins(cells: int) -> NDArray[np.uint8]:
    """Return the bin of each cell of categories: the top ten, the other known ones, new ones.

    The last two cells are those of the known ones beyond the hundred, and of new ones.
    """
    rest = min(TOP_CATEGORIES, cells - 2)
    bins = np.minimum(np.arange(cells), rest)
    bins[-1] = rest + 1
    return bins.astype(np.uint8)


def bin_names(slot: Slot, bins: NDArray[np.uint8]) -> list[str]:
    """Return the names of a feature's bins: places from 0 on, ``rest`` and ``new``."""
    names = [str(i) for i in range(int(bins.max()) + 1)]
    if not slot.numeric:
        names[-2:] = ["rest", "new"]
    return names


def in_bins(counts: NDArray[np.integer], bins: NDArray[np.uint8]) -> Counts:
    """Return counts of cells, missing values and type errors left out, as counts of bins."""
    return np.bincount(bins, counts).astype(np.float64)


def reference_in_bins(slot: Slot, counts: NDArray[np.integer], bins: NDArray[np.uint8]) -> Counts:
    """Return what a reference counted in each bin.

    Of categories, as many are taken for new ones as clean rows would have.
    """
    found = in_bins(counts, bins)
    if not slot.numeric and not slot.high_cardinality:
        found[-1] = min(float(slot.singletons), found[-2])
        found[-2] -= found[-1]
    return found

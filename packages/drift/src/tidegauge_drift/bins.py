"""The bins of ``drift.psi.value``: tenths of the reference, its atoms apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tidegauge_drift.grid import Floats


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

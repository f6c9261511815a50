"""Arrays beside the counts of a pane or a window, by name; merged by addition."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from tidegauge_drift.packing import narrow

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

#: Whole numbers and sums of one dimension; replaced when they grow, never changed in place.
Extra: TypeAlias = "dict[str, NDArray[Any]]"


def added(extra: Extra, more: Mapping[str, NDArray[Any]]) -> Extra:
    """Return the sums of the arrays of each name; what one side lacks counts as zeros.

    Counts (unsigned) are as narrow as the sums allow and others as wide as they were, so that the
    result depends on the sums alone. Whole numbers add up to the same in any order; floating ones
    do so to 1e-12 only: whatever a verdict is made of should be whole.

    Raises
    ------
    ValueError
        Arrays of one name differ in size.
    """
    if not more:
        return extra
    found = dict(extra)
    for name, array in more.items():
        found[name] = _sum(found[name], array) if name in found else array
    return found


def _sum(one: NDArray[Any], other: NDArray[Any]) -> NDArray[Any]:
    if one.shape != other.shape:
        raise ValueError("extra")
    if one.dtype.kind == other.dtype.kind == "u":
        total = one.astype(np.uint64) + other
        return narrow(total, int(total.max(initial=0)))
    return np.asarray(one + other)


def names(extra: Extra) -> list[str]:
    """Return the names in the order in which the arrays are written."""
    return sorted(extra)


def arrays(extra: Extra) -> list[NDArray[Any]]:
    """Return the arrays as they are written."""
    return [extra[name] for name in names(extra)]


def restored(found: Iterable[str], written: Iterable[NDArray[Any]]) -> Extra:
    """Return the arrays of these names; ValueError where there are not as many."""
    return dict(zip(map(str, found), written, strict=True))

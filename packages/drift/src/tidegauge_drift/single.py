"""Numbers that single precision does not tell apart are one number to a reference.

A model's reference is often built from float64 while it is served with float32, or the other way
about, and 0.1 is another number then. So what rounds to one float32 is counted in one cell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tidegauge_drift.grid import Floats

# So many edges may fall together: those at even parts of the range lie anywhere.
_EVEN = 9
# Edges that are nearer to each other than this part of the range are one but for rounding.
_ONE = 1e-9
_INF = np.float32(np.inf)


def rounded(values: Floats) -> Floats:
    """Return what values are in single precision; infinite where they are beyond it."""
    return _single(values).astype(np.float64)


def shortest(values: Floats) -> Floats:
    """Return the decimal numbers of fewest digits that round to the same float32 as each value."""
    return _single(values).astype(np.str_).astype(np.float64)


def other_precision(value: float) -> float:
    """Return what a number is likely to be where it comes in the other precision."""
    given = np.array([value])
    single = rounded(given)
    return float((shortest(given) if single == given else single)[0])


def first_alike(values: Floats) -> Floats:
    """Return the smallest number that rounds to the same float32 as each value does.

    Of values beyond single precision it is the value itself.
    """
    single = _single(values)
    with np.errstate(all="ignore"):
        found = _cut(np.nextafter(single, -_INF), single)
    return np.where(np.isnan(found), values, found)


def first_beyond(values: Floats) -> Floats:
    """Return the smallest number above each value that rounds to another float32."""
    single = _single(values)
    with np.errstate(all="ignore"):
        found = _cut(single, np.nextafter(single, _INF))
        return np.where(np.isnan(found), np.nextafter(values, np.inf), found)


def alike_ends(low: float, high: float) -> tuple[float, float]:
    """Return the ends of the range that holds what rounds as a range's ends do."""
    first, beyond = first_alike(np.array([low])), first_beyond(np.array([high]))
    return float(first[0]), float(np.nextafter(beyond[0], -np.inf))


def alike_edges(low: float, high: float, edges: Floats) -> Floats | None:
    """Return edges moved so that no value of a range changes its cell when it is rounded.

    Each goes to where the numbers begin that round as it does. One behind a value goes to where
    they end: the next float after an edge, which is an atom, or after a float32. None where float32
    is too coarse: for two such values, or for more edges than lie anywhere.
    """
    ends = np.concatenate(([low], edges))
    before = np.nextafter(edges, -np.inf)
    next_to = np.append(before == ends[:-1], False)
    behind = (next_to[:-1] & ~next_to[1:]) | (before == rounded(before))
    moved = np.where(behind, first_beyond(before), first_alike(edges))
    moved = np.maximum.accumulate(np.concatenate((first_alike(ends[:1]), moved)))
    with np.errstate(all="ignore"):
        apart = edges - ends[:-1] > _ONE * (np.float64(high) - np.float64(low))
    values = np.append(moved[1:][behind], first_beyond(np.array([high])))
    too_many = (apart & (moved[1:] <= moved[:-1])).sum() > _EVEN
    return None if too_many or (values[1:] <= values[:-1]).any() else moved[1:]


def _single(values: Floats) -> NDArray[np.float32]:
    with np.errstate(all="ignore"):
        return values.astype(np.float32)


def _cut(below: NDArray[np.float32], above: NDArray[np.float32]) -> NDArray[Any]:
    """Return the smallest number that rounds to the upper one of two neighbours, NaN for none."""
    middle = (below.astype(np.float64) + above.astype(np.float64)) / 2  # exact: 25 bits
    found = np.where(middle.astype(np.float32) == above, middle, np.nextafter(middle, np.inf))
    return np.where(np.isfinite(middle), found, np.nan)

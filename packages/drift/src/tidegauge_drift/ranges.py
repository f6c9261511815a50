"""What people call the bins of ``drift.psi.value``: ranges of the reference, its categories."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from tidegauge_drift.bins import TOP_CATEGORIES
from tidegauge_drift.profile import NumericFeature

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegauge_drift.grid import Floats
    from tidegauge_drift.profile import Feature

_Write: TypeAlias = Callable[[float], str]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Digits with which two edges of one feature are surely told apart.
_MOST_DIGITS = 17
_FEWEST_DIGITS = 4
_LONGEST = 60


class Ranges:
    """The ends of all features' bins, 16 bytes a bin, and the names of categories."""

    def __init__(self, features: Sequence[Feature]) -> None:
        ends = [_ends(f) if isinstance(f, NumericFeature) else np.empty((0, 2)) for f in features]
        self._units = {
            i: feature.unit
            for i, feature in enumerate(features)
            if isinstance(feature, NumericFeature) and feature.unit
        }
        self._ends = np.concatenate(ends) if ends else np.empty((0, 2))
        self._starts = np.cumsum([0, *(len(each) for each in ends)])
        self._top = {
            i: feature.top[:TOP_CATEGORIES]
            for i, feature in enumerate(features)
            if not isinstance(feature, NumericFeature)
        }

    def labels(self, i: int) -> list[str]:
        """Return the names of the bins of the feature at one place."""
        if i in self._top:
            return [*map(_short, self._top[i]), "other known categories", "new categories"]
        ends = self._ends[self._starts[i] : self._starts[i + 1]]
        return _labels(ends, self._units.get(i, ""))


def _ends(feature: NumericFeature) -> Floats:
    """Return the lower and upper end of each bin.

    Both are NaN where it has several parts; the upper one where it is all that is above the lower
    one, which is the maximum or a frequent value.
    """
    edges, low, high = feature.edges.values, feature.minimum, feature.maximum
    left = np.array([-np.inf, -np.inf, low, *edges, high, np.inf])
    right = np.array([low, low, *edges, high, np.inf, np.inf])
    found = np.full((int(feature.bins.max()) + 1, 2), np.nan)
    for place in range(len(found)):
        cells = np.flatnonzero(feature.bins == place)
        if not cells.size or cells[-1] - cells[0] + 1 > cells.size:
            continue
        found[place] = left[cells[0]], right[cells[-1]]
        if cells[0] >= left.size - 2:
            found[place, 1] = np.nan
        elif cells[0] - 3 in feature.atoms and np.isinf(right[cells[-1]]):
            found[place] = left[cells[0] - 1], np.nan
    return found


def _labels(ends: Floats, unit: str) -> list[str]:
    finite = np.unique(ends[np.isfinite(ends)])
    # The two ends of a frequent value are next to each other: those are one to a reader.
    apart = finite[np.concatenate(([True], np.nextafter(finite[:-1], np.inf) < finite[1:]))]
    ways = _TIMES if unit == "times" else _NUMBERS
    write = ways[-1]
    for way in ways:
        if len({way(float(value)) for value in apart}) == apart.size:
            write = way
            break
    return [_label(float(low), float(high), write) for low, high in ends]


def _number(digits: int) -> _Write:
    return lambda value: f"{value:.{digits}g}"


def _time(form: str) -> _Write:
    return lambda value: f"{_EPOCH + timedelta(seconds=value):{form}}"


_NUMBERS = [_number(digits) for digits in range(_FEWEST_DIGITS, _MOST_DIGITS + 1)]
_TIMES = [_time(form) for form in ("%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S")]


def _label(low: float, high: float, write: _Write) -> str:
    if np.isnan(low):
        return "other values"
    if np.isinf(low):
        return "all values" if np.isinf(high) else f"below {write(high)}"
    if np.isnan(high):
        return f"above {write(low)}"
    if np.isinf(high):
        return f"from {write(low)}"
    if np.nextafter(low, np.inf) >= high:
        return f"= {write(low)}"
    return f"{write(low)} to {write(high)}"


def _short(category: str) -> str:
    return category if len(category) <= _LONGEST else category[: _LONGEST - 3] + "..."

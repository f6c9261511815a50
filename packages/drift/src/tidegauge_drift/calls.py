"""Rows of one call are often alike: what is counted of calls, and how alike their rows are.

A client that asks for 64 rows at once asks for 64 items of one basket, one user, one region. Such
rows are worth fewer independent ones, and only the process that serves them sees which belong
together. Calls of one row cost nothing here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from tidegauge_drift.following import EVENTS
from tidegauge_drift.packing import narrow

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from tidegauge_drift.block import Slot
    from tidegauge_drift.grid import Floats
    from tidegauge_drift.packing import Cells
    from tidegauge_drift.window import ClosedWindow

Integers: TypeAlias = "NDArray[np.int64]"

#: Calls of several rows that must have been seen before anything is said of their rows; and about
#: the mean of so many, one after the other, rows of a call are alike or not.
FEWEST_CALLS = 30
# What a cell is that holds no value.
NO_VALUE = EVENTS + 1
#: What panes call it.
CALLS = "calls"
# Of a feature: for each event its rows and their squares by call; rows with a value, squares too.
_EACH = 2 * EVENTS + 2
# Of a model: calls, and ordered pairs of different rows of one call.
_HEAD = 2
# By chance alone as many pairs must agree: rarer categories say nothing of calls.
_FEWEST_PAIRS = 10
# Calls that make rows worth so much less at most, whatever their rows are like, may be unknown.
_NEGLIGIBLE = 0.1


def events(counts: NDArray[np.integer[Any]], *, numeric: bool) -> NDArray[np.uint8]:
    """Return which of ten parts of the reference each cell of a feature is in, 10 for no value.

    Of numbers they are tenths in the order of values; of categories the nine most frequent ones,
    and all others.
    """
    cells = counts.size - 2
    found = np.full(counts.size, NO_VALUE, np.uint8)
    if not numeric:
        found[:cells] = np.minimum(np.arange(cells), EVENTS)
        return found
    inside = counts[:cells].astype(np.int64)
    middle = 2 * np.cumsum(inside) - inside
    found[:cells] = np.minimum(10 * middle // max(1, 2 * int(inside.sum())), EVENTS)
    return found


def count_calls(
    parts: NDArray[np.uint8], numeric: NDArray[np.bool_], sizes: NDArray[np.integer[Any]]
) -> Integers:
    """Return what is counted of calls: a row of 20 numbers for each feature.

    Parameters
    ----------
    parts : ndarray of uint8, shape (rows, features)
        Which part of the reference each value is in, as ``events`` has it.
    numeric : ndarray of bool, shape (features,)
        Where an event is «not above the tenth», not «this category».
    sizes : ndarray of int, shape (calls,)
        Rows of each call, one after the other.
    """
    calls, features = len(sizes), parts.shape[1]
    found = np.empty((_EACH, features), np.int64)
    key = parts * np.int32(calls * features)
    key += np.repeat(np.arange(calls, dtype=np.int32) * features, sizes)[:, None]
    key += np.arange(features, dtype=np.int32)
    table = np.bincount(key.ravel(), minlength=calls * features * (NO_VALUE + 1))
    table = table.reshape(NO_VALUE + 1, calls, features)
    rows = np.zeros((calls, features), np.int64)
    for event in range(EVENTS):
        rows += table[event]
        happened = np.where(numeric, rows, table[event])
        found[event], found[EVENTS + event] = _sums(happened)
    found[-2], found[-1] = _sums(rows + table[EVENTS])
    return found.T


def _sums(rows: Integers) -> tuple[Integers, Integers]:
    """Return the sum over calls, and that of squares."""
    return rows.sum(axis=0), np.einsum("ij,ij->j", rows, rows)


def whole(sizes: NDArray[np.integer[Any]], counted: Sequence[Integers]) -> Cells:
    """Return what a pane holds of calls: their number, their pairs, and what was counted of each.

    Pairs are ordered ones of different rows of one call. ``counted`` are the rows of all features
    and outputs of a model.
    """
    pairs = int((sizes.astype(np.int64) * (sizes - 1)).sum())
    found = np.concatenate([np.array([len(sizes), pairs]), *(each.ravel() for each in counted)])
    return narrow(found, int(found.max()))


def unseen(slots: int) -> Integers:
    """Return what is counted of calls for features that no row has."""
    return np.zeros((slots, _EACH), np.int64)


def pairs(extra: Mapping[str, NDArray[np.integer[Any]]]) -> int:
    """Return the ordered pairs of different rows of one call in a pane."""
    return int(extra[CALLS][1]) if CALLS in extra else 0


def head(counted: NDArray[np.integer[Any]]) -> NDArray[np.integer[Any]]:
    """Return the number of calls and that of their pairs: what a window keeps of calls."""
    return counted[:_HEAD].copy()


def effects(
    window: ClosedWindow, features: int, alike: Floats | None
) -> tuple[Floats, NDArray[np.bool_]]:
    """Return how many rows of a window are worth one, by calls alone, and where that is not known.

    ``1 + r * sum(b * (b - 1)) / n`` for calls of b rows, n rows in all: ``1 + (b - 1) * r`` where
    all calls are of one size, and larger for the same mean where they are not, because most rows
    are in large calls then.
    """
    counted = window.extra.get(CALLS)
    at_most = 0.0 if counted is None or not window.rows else int(counted[1]) / window.rows
    if window.baseline is not None:  # the side that is worth less decides
        at_most = max(at_most, window.baseline.pairs)
    return design_effects(at_most, features, alike)


def design_effects(
    at_most: float, features: int, alike: Floats | None
) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the same for rows with so many others of their call each."""
    if not at_most:
        return np.ones(features), np.zeros(features, np.bool_)
    r = np.full(features, np.nan) if alike is None else alike
    return 1 + at_most * np.nan_to_num(r), np.isnan(r) & (at_most > _NEGLIGIBLE)


class Likeness:
    """How much the rows of one call are alike, over all closed panes so far.

    It is the intra-class correlation ``r`` of events: ``(q - m) / (p - m)``, where p is their
    share, q how often two rows of one call agree, and m how often two rows of different calls do.
    Numbers have the nine deciles as events, and one r for all of them; categories the nine most
    frequent, and the r of the worst.

    Calls are compared with those about them: with each 30 calls, or as many as the pane has that
    brings them to 30, the sums begin anew. So a trend counts, and a lasting change does not: it is
    drift.
    """

    def __init__(self, slots: Sequence[Slot]) -> None:
        self._numeric = np.array([slot.numeric for slot in slots], np.bool_)
        self._open: Integers | None = None
        self._sums: Floats | None = None

    def fold(self, counted: NDArray[np.integer[Any]]) -> None:
        """Add what a closed pane holds of calls."""
        more = counted.astype(np.int64)
        self._open = more if self._open is None else self._open + more
        if self._open[0] >= FEWEST_CALLS:
            found = _compare(self._open[_HEAD:].reshape(-1, _EACH))
            self._sums = found if self._sums is None else self._sums + found
            self._open = None

    def correlations(self) -> Floats | None:
        """Return r of each feature and output, in [0, 1]; None before enough calls were seen.

        It is NaN where no call had two values.
        """
        if self._sums is None:
            return None
        pairs, chance, alike, varied = np.split(self._sums, (1, 1 + EVENTS, 1 + 2 * EVENTS), axis=1)
        with np.errstate(all="ignore"):
            all_of_it = alike.sum(axis=1) / varied.sum(axis=1)
            each = np.where(chance >= _FEWEST_PAIRS, alike / varied, 0.0)
        found = np.where(self._numeric, all_of_it, np.nan_to_num(each).max(axis=1))
        return np.where(pairs[:, 0] > 0, np.clip(np.nan_to_num(found), 0.0, 1.0), np.nan)

    def state(self) -> dict[str, NDArray[Any]]:
        """Return all that the next panes are added to, by name."""
        named = {"open": self._open, "sums": self._sums}
        return {name: array for name, array in named.items() if array is not None}

    def resume(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on from a state; ValueError where it is of other features."""
        features = len(self._numeric)
        opened, sums = state.get("open"), state.get("sums")
        if opened is not None and opened.shape != (_HEAD + features * _EACH,):
            raise ValueError("open")
        self._sums = None if sums is None else sums.reshape(features, 1 + 3 * EVENTS)
        self._open = opened


def _compare(counted: Integers) -> Floats:
    """Return, by feature, pairs of rows of one call, and by event how many of them agree.

    Those are the pairs that agree by chance, those that do beyond it, and those that could at most.
    """
    # In floating point: products of rows of a whole day are beyond an integer.
    happened, squares = counted[:, :EVENTS] * 1.0, counted[:, EVENTS : 2 * EVENTS] * 1.0
    rows, row_squares = counted[:, -2:-1] * 1.0, counted[:, -1:] * 1.0
    pairs, others = row_squares - rows, rows * rows - row_squares
    usable = (pairs > 0) & (others > 0)
    with np.errstate(all="ignore"):
        chance = pairs * (happened * happened - squares) / others
        found = (pairs, chance, squares - happened - chance, pairs * happened / rows - chance)
    return np.where(usable, np.concatenate(found, axis=1), 0.0)

"""How a column's rows depend on each other, measured while a table is gone through in time."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from tidegauge_drift.dependence import Blocks, cautious_together

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tidegauge_drift.grid import Floats
    from tidegauge_drift.profile import Feature


# Deciles of numbers; as many frequent categories.
EVENTS = 9
# Digits of a design effect that do not depend on the parts that the rows came in.
_DIGITS = 6


class Following:
    """Follows some events through the rows that have a value.

    With a season the rows of a slot are compared with each other alone: what the season itself does
    is in the reference of each slot. That takes two rounds: ``add`` the rows, ``again`` in the
    same order.

    Parameters
    ----------
    rows : int
        Rows with a value.
    slots : int
        Slots of the season, 0 without one.
    """

    def __init__(self, rows: int, slots: int) -> None:
        self._rows = rows
        self._happened = np.zeros((slots, EVENTS), np.int64)
        self._seen = np.zeros((slots, 1), np.int64)
        self._blocks = Blocks(rows, EVENTS)
        self._expected: Floats | None = None

    def add(self, happened: NDArray[np.bool_], slots: NDArray[np.int64] | None) -> None:
        """Add rows (rows, events) and the slot of each."""
        if slots is None:
            self._blocks.add(happened)
            return
        many = len(self._seen)
        self._seen[:, 0] += np.bincount(slots, minlength=many)
        for event in range(EVENTS):
            self._happened[:, event] += np.bincount(slots[happened[:, event]], minlength=many)

    def again(self, happened: NDArray[np.bool_], slots: NDArray[np.int64]) -> None:
        """Add rows once more, now that it is known what to expect of each slot."""
        if self._expected is None:
            self._expected = self._happened / np.maximum(self._seen, 1)
            single = self._expected * (1 - self._expected)
            variance = (single * self._seen).sum(axis=0) / max(1, self._rows)
            self._blocks = Blocks(self._rows, EVENTS, variance)
        self._blocks.add(happened - self._expected[slots])

    def design_effect(self, *, worst: bool = False) -> float:
        """Return how many rows are worth one independent row, by the worst event or by all."""
        return self._blocks.design_effect(worst=worst)


def bounded(features: Sequence[Feature]) -> tuple[Feature, ...]:
    """Return features of one table with the upper bounds of their measured design effects.

    Rather too many than too few rows are worth one: tests divide rows by it.
    """
    rows = [int(feature.counts[:-2].sum()) for feature in features]
    bounds = cautious_together([feature.deff for feature in features], rows)
    return tuple(
        replace(feature, deff=float(f"{bound:.{_DIGITS}g}"))
        for feature, bound in zip(features, bounds, strict=True)
    )

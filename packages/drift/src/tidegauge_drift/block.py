"""Where the features of one table (inputs or outputs) have their counts, and how those are made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tidegauge_drift.calls import NO_VALUE, count_calls, events
from tidegauge_drift.category_cells import CategoryCounter
from tidegauge_drift.cell_sums import SumCounter
from tidegauge_drift.cells import NumericCounter
from tidegauge_drift.matching import ABSENT
from tidegauge_drift.normal_scores import ScoreCounter
from tidegauge_drift.numeric_columns import as_numbers
from tidegauge_drift.packing import narrow
from tidegauge_drift.profile import (
    CategoricalFeature,
    Feature,
    NumericFeature,
)
from tidegauge_drift.wanted import DEFAULT, Wanted
from tidegauge_drift.wide import WideCounter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from tidegauge.batch import Table

    from tidegauge_drift.extras import Extra
    from tidegauge_drift.grid import Floats

INPUTS, OUTPUTS = "inputs", "outputs"
#: Arrays beside the counts: sums of values, and counts on bins of equal width.
SUMS, WIDE = "sums", "equal_width"
#: Of correlated inputs: sums of scores and of their products, and the rows of each pair.
SCORES, PAIRS = "inputs.scores", "inputs.pairs"
_NOWHERE = slice(0, 0)


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a feature's counts lie, and what a verdict has to know beyond them."""

    name: str
    family: str
    numeric: bool
    start: int
    stop: int
    atom_bins: tuple[int, ...] = ()
    singletons: int = 0
    doubletons: int = 0
    high_cardinality: bool = False
    unit: str = ""
    deff: float = 1.0


class Block:
    """The features of one table (inputs or outputs), counted together."""

    def __init__(
        self,
        features: Sequence[Feature],
        family: str,
        start: int,
        wanted: Wanted = DEFAULT,
        correlated: Sequence[int] = (),
    ) -> None:
        self.family = family
        self.start = start
        slots: list[Slot] = []
        for feature in features:
            end = start + feature.counts.size
            slots.append(_slot(feature, family, start, end))
            start = end
        self.slots = tuple(slots)
        self.size = start - self.start
        #: Rows of the reference.
        self.rows = max((feature.rows for feature in features), default=0)
        self._numeric = [i for i, slot in enumerate(slots) if slot.numeric]
        self._categorical = [
            (i, CategoryCounter(feature.top_hashes, feature.known))
            for i, feature in enumerate(features)
            if isinstance(feature, CategoricalFeature)
        ]
        numeric = [feature for feature in features if isinstance(feature, NumericFeature)]
        offsets = [slots[i].start - self.start for i in self._numeric]
        sums = SumCounter(numeric, offsets, self.size) if wanted.wasserstein and numeric else None
        self._wide = WideCounter(numeric) if wanted.classic and numeric else None
        scored = [features[i] for i in correlated]
        self._correlated = tuple(correlated)
        # Their columns among the numeric ones.
        self._scored = [self._numeric.index(i) for i in correlated]
        self._scores = ScoreCounter(
            [feature for feature in scored if isinstance(feature, NumericFeature)]
        ) if scored else None  # fmt: skip
        # Where each numeric feature's part of the arrays beside the counts lies, by their kind.
        self._further = {
            kind: dict(zip(self._numeric, counter.slices, strict=True))
            for kind, counter in ((SUMS, sums), (WIDE, self._wide))
            if counter is not None
        }
        self._counter = NumericCounter(
            [feature.edges for feature in numeric],
            [feature.minimum for feature in numeric],
            [feature.maximum for feature in numeric],
            offsets,
            self.size,
            sums=sums,
        ) if numeric else None  # fmt: skip
        self._is_numeric = np.array([slot.numeric for slot in slots], np.bool_)
        #: Which event of its feature a cell belongs to.
        self.events = np.concatenate(
            [events(f.counts, numeric=isinstance(f, NumericFeature)) for f in features]
            or [np.empty(0, np.uint8)]
        )

    def count(self, table: Table, columns: tuple[int, ...]) -> NDArray[np.intp]:
        """Return the counts of a table's rows; ``columns`` are those of a Match."""
        return self.measure(table, columns)[0]

    def measure(self, table: Table, columns: tuple[int, ...]) -> tuple[NDArray[np.intp], Extra]:
        """Return the counts of a table's rows, and what else is wanted of them."""
        extra: Extra = {}
        if self._counter is None:
            counts = np.zeros(self.size, np.intp)
        else:
            matrix, errors = self._matrix(table, [columns[i] for i in self._numeric])
            counts, values = self._counter.count_and_sum(matrix)
            if values is not None:
                extra[self._named(SUMS)] = values
            if self._wide is not None:
                extra[self._named(WIDE)] = narrow(self._wide.count(matrix), table.rows)
            extra |= self._correlations(matrix, columns)
            for i, wrong in errors:
                self._move_errors(counts, self.slots[self._numeric[i]], wrong)
        for i, counter in self._categorical:
            if columns[i] != ABSENT:
                slot = self.slots[i]
                found = counter.count(_column(table, columns[i]))
                counts[slot.start - self.start : slot.stop - self.start] = found
        for i, column in enumerate(columns):
            if column == ABSENT:
                slot = self.slots[i]
                counts[slot.start - self.start : slot.stop - self.start] = 0
                for kind, places in self._further.items():
                    extra[self._named(kind)][places.get(i, _NOWHERE)] = 0
        return counts, extra

    def _correlations(self, matrix: Floats, columns: tuple[int, ...]) -> Extra:
        if self._scores is None:
            return {}
        absent = [place for place, i in enumerate(self._correlated) if columns[i] == ABSENT]
        sums, pairs = self._scores.count(matrix[:, self._scored], absent)
        return {SCORES: sums, PAIRS: narrow(pairs, len(matrix))}

    def count_calls(
        self, table: Table, columns: tuple[int, ...], sizes: NDArray[np.integer[Any]]
    ) -> NDArray[np.int64]:
        """Return what is counted of the calls that a table's rows are of; ``sizes`` are theirs."""
        found = self.events[self.places(table, columns)]
        found[:, [i for i, column in enumerate(columns) if column == ABSENT]] = NO_VALUE
        return count_calls(found, self._is_numeric, sizes)

    def places(self, table: Table, columns: tuple[int, ...]) -> NDArray[np.intp]:
        """Return which count each value (rows, features) is in; 0 where there is no column."""
        found = np.zeros((table.rows, len(self.slots)), np.intp)
        if self._counter is not None:
            matrix, _ = self._matrix(table, [columns[i] for i in self._numeric])
            found[:, self._numeric] = self._counter.places(matrix)
        for i, counter in self._categorical:
            if columns[i] != ABSENT:
                start = self.slots[i].start - self.start
                found[:, i] = start + counter.places(_column(table, columns[i]))
        return found

    def _named(self, kind: str) -> str:
        return f"{self.family}.{kind}"

    def further(self, kind: str, i: int, extra: Extra) -> NDArray[Any] | None:
        """Return a feature's part of the arrays beside the counts, if there is one."""
        place = self._further.get(kind, {}).get(i)
        array = extra.get(self._named(kind))
        return None if array is None or place is None else array[place]

    def _matrix(self, table: Table, wanted: list[int]) -> tuple[Floats, list[tuple[int, int]]]:
        """Return the numeric features' columns, and where how many values were no numbers."""
        if table.matrix is not None:
            matrix = np.asarray(table.matrix, np.float64)
            if wanted == list(range(matrix.shape[1])):
                return matrix, []
            matrix = matrix[:, wanted]  # -1 takes the last column; its counts are zeroed after
            return matrix, []
        matrix = np.full((table.rows, len(wanted)), np.nan)
        errors = []
        for i, column in enumerate(wanted):
            if column != ABSENT:
                unit = self.slots[self._numeric[i]].unit
                matrix[:, i], wrong = as_numbers(_column(table, column), unit)
                if wrong:
                    errors.append((i, wrong))
        return matrix, errors

    def _move_errors(self, counts: NDArray[np.intp], slot: Slot, wrong: int) -> None:
        counts[slot.stop - self.start - 2] -= wrong
        counts[slot.stop - self.start - 1] += wrong


def _slot(feature: Feature, family: str, start: int, stop: int) -> Slot:
    if isinstance(feature, NumericFeature):
        atoms = tuple(int(feature.bins[cell + 2]) for cell in feature.atoms)
        return Slot(
            feature.name, family, True, start, stop, atoms, unit=feature.unit, deff=feature.deff
        )
    return Slot(
        feature.name, family, False, start, stop, (), feature.singletons, _doubletons(feature),
        feature.high_cardinality, deff=feature.deff,
    )  # fmt: skip


def _doubletons(feature: CategoricalFeature) -> int:
    """Return how many categories were seen twice, or how many at most."""
    if feature.known_counts is not None and feature.known_counts.size:
        return int((feature.known_counts == 2).sum())  # noqa: PLR2004 - twice
    top = feature.counts[:-4]  # of those beyond the top only the sum is known
    beyond = int(feature.counts[-4]) - max(0, feature.singletons - int((top == 1).sum()))
    return int((top == 2).sum()) + max(0, beyond) // 2  # noqa: PLR2004 - twice


def _column(table: Table, column: int) -> NDArray[Any]:
    if table.matrix is not None:
        return table.matrix[:, column]
    return np.asarray((table.columns or ())[column])

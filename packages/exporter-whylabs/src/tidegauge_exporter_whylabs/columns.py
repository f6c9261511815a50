"""The columns of a batch, sorted by what a sketch can take: pure, by numpy alone."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from tidegauge.batch import Batch, Table
from tidegauge.features import FeatureSettings

from tidegauge_exporter_whylabs.naming import output_column

Floats: TypeAlias = NDArray[np.float64]
#: The arrays of a column, one a batch.
Parts: TypeAlias = list[NDArray[Any]]

# Larger integers are not exact in float64.
_EXACT = 2.0**53
_DIGEST_BYTES = 8


@dataclass(frozen=True, slots=True)
class Column:
    """What the rows of one column hold: every row is in exactly one part.

    ``numbers`` are finite. ``missing`` are None, NaN and what pandas has for them; ``nan`` of them
    are NaN. ``objects`` are neither numbers, truth values nor text.
    """

    rows: int
    numbers: Floats
    texts: list[str] = field(default_factory=list)
    true: int = 0
    false: int = 0
    missing: int = 0
    nan: int = 0
    infinite: int = 0
    objects: int = 0

    @property
    def whole(self) -> bool:
        """Whether there are numbers, all of them integers."""
        numbers = self.numbers
        if not numbers.size or (numbers[0] != np.rint(numbers[0])):
            return False
        return bool((numbers == np.rint(numbers)).all() and (np.abs(numbers) < _EXACT).all())


def gather(batches: Sequence[Batch], choice: FeatureSettings) -> Mapping[str, Parts]:
    """Return the arrays of each column of some batches, features before outputs."""
    features: dict[str, Parts] = {}
    outputs: dict[str, Parts] = {}
    for batch in batches:
        for name, array in _arrays(batch.features):
            if choice.takes(name):
                features.setdefault(name, []).append(array)
        for name, array in _arrays(batch.outputs, outputs=True):
            outputs.setdefault(output_column(name), []).append(array)
    return {**features, **outputs}


def _arrays(table: Table | None, *, outputs: bool = False) -> Iterator[tuple[str, NDArray[Any]]]:
    if table is None:
        return
    if table.matrix is not None:
        arrays: Sequence[NDArray[Any]] = tuple(table.matrix.T)
    else:
        arrays = table.columns or ()
    names = table.names
    if names is None:
        names = tuple(str(j) if outputs else f"x{j}" for j in range(len(arrays)))
    yield from zip(names, arrays, strict=True)


def sort(parts: Parts, choice: FeatureSettings) -> Column:
    """Return the arrays of a column as one, sorted."""
    if all(part.dtype == np.float64 for part in parts):
        return _numeric(np.concatenate(parts))
    sorter = _Sorter(hashed=choice.hash_categories)
    for part in parts:
        sorter.take(part)
    return sorter.column()


def _numeric(values: Floats) -> Column:
    finite = np.isfinite(values)
    if finite.all():
        return Column(values.size, values)
    nan = int(np.isnan(values).sum())
    numbers = values[finite]
    infinite = values.size - numbers.size - nan
    return Column(values.size, numbers, missing=nan, nan=nan, infinite=infinite)


class _Sorter:
    """Looks at each value: what is no array of numbers can hold anything."""

    def __init__(self, *, hashed: bool) -> None:
        self._hashed = hashed
        self._numbers: list[float] = []
        self._texts: list[str] = []
        self._rows = self._true = self._false = self._missing = self._nan = self._objects = 0

    def take(self, values: NDArray[Any]) -> None:
        self._rows += values.size
        for value in values.tolist():
            self._take(value)

    def _take(self, value: Any) -> None:
        if isinstance(value, str):
            self._texts.append(_hash(value) if self._hashed else value)
        elif value is None or type(value).__name__ in ("NAType", "NaTType"):
            self._missing += 1
        elif isinstance(value, bool | np.bool_):
            self._true += bool(value)
            self._false += not value
        elif isinstance(value, int | float | np.number):
            number = _float(value)
            if math.isnan(number):
                self._missing += 1
                self._nan += 1
            else:
                self._numbers.append(number)
        else:
            self._objects += 1

    def column(self) -> Column:
        numbers = np.array(self._numbers, np.float64)
        finite = numbers[np.isfinite(numbers)]
        return Column(
            self._rows, finite, self._texts, self._true, self._false, self._missing, self._nan,
            numbers.size - finite.size, self._objects,
        )  # fmt: skip


def _float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:  # an integer beyond float64
        return math.inf if value > 0 else -math.inf


def _hash(text: str) -> str:
    return blake2b(text.encode(errors="surrogatepass"), digest_size=_DIGEST_BYTES).hexdigest()

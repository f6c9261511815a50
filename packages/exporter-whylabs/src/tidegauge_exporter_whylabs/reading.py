"""whylogs profiles as tables that can be compared: values that stand for the rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tidegauge.reference_reader import SketchedTable

from tidegauge_exporter_whylabs import naming, requirement, sketches
from tidegauge_exporter_whylabs.naming import OUTPUT, SUFFIX

KIND = "whylogs profile"
#: No more values stand for a column: a test of so many finds all that matters, and is quick.
MOST_VALUES = 20_000
# Two samples of n rows differ by 1.63 / sqrt(n) in a hundredth of all cases, a sketch's ranks by
# its error: so many rows are worth no more than the sketch.
_QUANTILE = 1.63
# Of all texts of a column; more than these in no frequent item, and it can't be compared.
_REST = 0.01
_ROW_ID_SHARE = 0.9
_ROW_ID_ROWS = 20
_NO_TEXT = "?"  # among numbers


class WhylogsReader:
    """Reads the profiles that Tidegauge and whylogs itself write."""

    suffixes = (SUFFIX,)

    def read(self, path: Path) -> SketchedTable:
        """Read a profile.

        Raises
        ------
        ValueError
            whylogs is missing, or the file is no profile.
        """
        if message := requirement.missing(f"{path}"):
            raise ValueError(message)
        return table(view_of(path))


def view_of(path: Path) -> Any:
    """Return the view of a profile's file.

    Raises
    ------
    ValueError
        It cannot be read, or is no profile.
    """
    try:
        return sketches.read(path.read_bytes())
    except OSError as error:
        raise ValueError(
            f"{path}: got {error.strerror!r} from the file system; expected a whylogs profile. "
            "Correct the path."
        ) from error
    except sketches.UnreadableError as error:
        raise ValueError(
            f"{path}: got {error} while reading the file; expected a whylogs profile as whylogs 1 "
            "writes it. Look at it with whylogs.read()."
        ) from error


def table(view: Any) -> SketchedTable:
    """Return a profile's columns as values that stand for their rows."""
    columns = {name: _Column(column) for name, column in sorted(view.get_columns().items())}
    rows = max((column.rows for column in columns.values()), default=0)
    values = min([rows, MOST_VALUES, *(column.worth for column in columns.values())])
    hashed = view.metadata.get(naming.HASHED) == "true"
    found: dict[str, NDArray[Any]] = {}
    left_out: dict[str, str] = {}
    for name, column in columns.items():
        reason = column.reason(rows, hashed=hashed)
        if reason:
            left_out[name] = reason
        found[name] = np.empty(values, object) if reason else column.values(values)
    outputs = {name: _output(name) for name in columns if OUTPUT in name}
    return SketchedTable(KIND, rows, found, outputs, left_out)


def _output(column: str) -> str:
    """Return what the model calls an output."""
    return column.removeprefix(OUTPUT).removeprefix("_")


class _Column:
    """What a profile knows of a column."""

    def __init__(self, column: Any) -> None:
        counts = _components(column, "counts", ("n", "null", "inf"))
        types = _components(column, "types", ("string", "boolean", "object", "tensor"))
        self.rows, self._missing, self._infinite = counts
        self._texts, self._truths, *others = types
        self._objects = sum(others)
        distribution = column.get_metric("distribution")
        self._sketch = None if distribution is None else distribution.kll.value
        # whylogs counts truth values among the numbers of this sketch too.
        self._numbers = 0 if self._sketch is None else self._sketch.get_n() - self._truths
        if self._sketch is not None and not self._sketch.is_empty():
            ends = self._sketch.get_min_value(), self._sketch.get_max_value()
            if not np.isfinite(ends).all():  # whylogs itself has them among the others
                self._infinite = 0
        cardinality = column.get_metric("cardinality")
        self._distinct = None if cardinality is None else cardinality.estimate
        integral = column.get_metric("types")
        self._integers = 0 if integral is None else int(integral.integral.value)
        self._items = _items(column)

    @property
    def worth(self) -> int:
        """How many rows it is exact for."""
        if self._sketch is None or not self._numbers or not self._sketch.is_estimation_mode():
            return MOST_VALUES
        of_sketch = (_QUANTILE / self._sketch.normalized_rank_error(False)) ** 2
        return max(1, int(1 / (1 / self.rows + 1 / of_sketch)))

    @property
    def _named(self) -> int:
        return self._texts + self._truths

    def reason(self, rows: int, *, hashed: bool) -> str:
        """Return why it can't be compared, empty if it can."""
        distinct = self._distinct or 0.0
        if self._named > self._numbers:
            if hashed and self._texts:
                return "left out: the profile has hashes of its categories"
            if self._numbers:
                return "left out: the profile has numbers among its categories"
            if sum(self._items.values()) < (1 - _REST) * self._named:
                return "left out: it has more categories than the profile keeps"
            if any(len(text) >= sketches.LONGEST_TEXT for text in self._items):
                return "left out: the profile has cut off its texts"
        elif (
            self._numbers == self._integers
            and rows >= _ROW_ID_ROWS
            and distinct > _ROW_ID_SHARE * self._numbers
        ):
            return "left out: names rows: integers that are nearly all distinct"
        return ""

    def values(self, number: int) -> NDArray[Any]:
        """Return so many values that stand for its rows."""
        named = self._named > self._numbers
        if named:
            parts: dict[Any, int] = {**self._items, None: self._missing, (): self._objects}
            if not self._texts:
                parts = {{"True": True, "False": False}.get(k, k): n for k, n in parts.items()}
        else:
            others = self._named + self._objects
            parts = {
                "finite": self._numbers, np.inf: self._infinite, np.nan: self._missing,
                _NO_TEXT: others,
            }  # fmt: skip
        shares = _shares(list(parts.values()), number)
        if named:
            return _repeated(list(parts), shares)
        finite, infinite, missing, wrong = shares
        numbers = np.concatenate(
            [self._quantiles(finite), np.full(infinite, np.inf), np.full(missing, np.nan)]
        )
        if not wrong:
            return numbers
        return np.concatenate([numbers.astype(object), np.full(wrong, _NO_TEXT, object)])

    def _quantiles(self, number: int) -> NDArray[np.float64]:
        if not number or self._sketch is None:
            return np.empty(0)
        ranks = (np.arange(number) + 0.5) / number
        found = np.array(self._sketch.get_quantiles(ranks.tolist()), np.float64)
        # These it knows exactly.
        found[0], found[-1] = self._sketch.get_min_value(), self._sketch.get_max_value()
        return found


def _components(column: Any, metric: str, names: Sequence[str]) -> list[int]:
    found = column.get_metric(metric)
    return [0 if found is None else int(getattr(found, name).value) for name in names]


def _items(column: Any) -> Mapping[str, int]:
    metric = column.get_metric("frequent_items")
    return {} if metric is None else {item.value: int(item.lower) for item in metric.strings}


def _shares(counts: Sequence[int], number: int) -> list[int]:
    """Return counts that add up to a number and are as near as can be to the shares of some."""
    total = sum(counts)
    if not total:
        return [0] * len(counts)
    exact = np.array(counts) * (number / total)
    found = np.floor(exact).astype(int)
    most = np.argsort(found - exact, kind="stable")[: number - int(found.sum())]
    found[most] += 1
    return [int(each) for each in found]


def _repeated(values: Sequence[Any], times: Sequence[int]) -> NDArray[Any]:
    found = np.empty(sum(times), object)
    start = 0
    for value, number in zip(values, times, strict=True):
        for place in range(start, start + number):
            found[place] = value
        start += number
    return found

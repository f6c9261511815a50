"""Both sides as columns, whatever holds them: pandas, polars, pyarrow, numpy."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from tidegauge_drift.category import is_missing, text, unix_seconds
from tidegauge_drift.columns import UNITS, Part, read
from tidegauge_drift.numeric_columns import as_numbers
from tidegauge_drift.scan import ROW_ID_MINIMUM, ROW_ID_SHARE
from tidegauge_drift.times import HOUR_OF_WEEK, Clock, slots

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray
    from tidegauge.reference_reader import SketchedTable

    from tidegauge_drift.grid import Floats

_ACCEPTED = "a pandas or polars DataFrame, a pyarrow Table or a two-dimensional array"


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Columns of equal length; ``named`` is False for a bare array, whose columns are x0, x1 ...

    ``sketch`` is what they were read from where values only stand for rows that are gone.
    """

    names: tuple[str, ...]
    columns: tuple[Any, ...]
    rows: int
    named: bool
    sketch: SketchedTable | None = None

    @property
    def original(self) -> int:
        """Rows of the table itself."""
        return self.rows if self.sketch is None else self.sketch.rows

    @property
    def left_out(self) -> Mapping[str, str]:
        """Columns that stand for nothing, with the reason."""
        return {} if self.sketch is None else self.sketch.left_out

    @property
    def twice(self) -> set[str]:
        """Names that several columns have."""
        return {name for name, times in Counter(self.names).items() if times > 1}


def open_rows(argument: str, data: Any) -> Rows:
    """Return the columns of a table; what is open already stays as it is.

    Raises
    ------
    TypeError
        It is nothing that has columns.
    ValueError
        It is an array that has not two dimensions.
    """
    if isinstance(data, Rows):
        return data
    if isinstance(data, np.ndarray):
        if data.ndim != 2:  # noqa: PLR2004 - rows and columns
            raise ValueError(_refused(argument, f"an array of shape {data.shape}"))
        names = [f"x{j}" for j in range(data.shape[1])]
        return Rows(tuple(names), tuple(data.T), len(data), named=False)
    found = list(_columns(argument, data))
    rows = len(found[0][1]) if found else len(data)
    return Rows(tuple(name for name, _ in found), tuple(c for _, c in found), rows, named=True)


def _columns(argument: str, data: Any) -> Iterator[tuple[str, Any]]:
    if hasattr(data, "iloc") and hasattr(data, "columns"):
        for j, name in enumerate(data.columns):
            yield str(name), data.iloc[:, j]
    elif hasattr(data, "get_column") and hasattr(data, "columns"):
        for name in data.columns:
            yield str(name), data.get_column(name)
    elif hasattr(data, "num_rows") and hasattr(data, "schema"):
        for j, name in enumerate(data.schema.names):
            yield str(name), _from_arrow(data.column(j))
    else:
        raise TypeError(_refused(argument, type(data).__name__))


def _from_arrow(column: Any) -> Any:
    import pyarrow as pa  # noqa: PLC0415 - only a pyarrow column comes here

    kind = column.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        found = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        return found.astype(np.float32) if kind == pa.float32() else found
    return _objects(column.to_pylist())


def _objects(listed: list[Any]) -> NDArray[Any]:
    array = np.empty(len(listed), object)
    array[:] = listed
    return array


def _refused(argument: str, got: str) -> str:
    return (
        f"{argument}: got {got} from the argument; expected {_ACCEPTED}. "
        "Collect a lazy table first; reshape one feature with reshape(-1, 1)."
    )


def counts_rows(values: Floats) -> bool:
    """Tell whether numbers only name the rows: integers that only rise."""
    whole = values.size >= ROW_ID_MINIMUM and bool((values == np.rint(values)).all())
    return whole and bool((values[1:] > values[:-1]).all())


def is_single(values: Any) -> bool:
    """Tell whether a column holds numbers of single precision."""
    return str(values.dtype).lower() in ("float32", "float[pyarrow]")


def numbers(part: Part, unit: str | None = "") -> tuple[Floats, int]:
    """Return a column as float64, NaN where missing, and how many values were no numbers.

    Numbers written as text are numbers; spans of time and times are, where the ``unit`` says so,
    or where it is None.
    """
    if part.kind in UNITS and part.values.dtype.kind == "f":
        if unit in (None, UNITS[part.kind]):
            return part.values, 0
        missing = np.isnan(part.values)
        return np.full(missing.size, np.nan), int(missing.size - missing.sum())
    return as_numbers(part.values, unit or "")


def in_single(values: Floats) -> Floats:
    """Return what the values are in single precision, those beyond it as they are."""
    with np.errstate(over="ignore"):
        rounded = values.astype(np.float32).astype(np.float64)
    return np.where(np.isfinite(rounded), rounded, values)


@dataclass(frozen=True, slots=True, eq=False)
class Categories:
    """The categories of a column: how many rows have each, and how many have none."""

    rows: int
    counts: Counter[str]
    missing: int
    type_errors: int
    codes: NDArray[np.float64]

    @property
    def values(self) -> int:
        """Rows with a category."""
        return self.rows - self.missing - self.type_errors

    @property
    def names_rows(self) -> bool:
        """Whether nearly all of them are distinct."""
        many = self.values >= ROW_ID_MINIMUM
        return many and len(self.counts) > ROW_ID_SHARE * self.values


def categories(values: NDArray[Any], *, ordered: bool = False) -> Categories:
    """Count objects as categories; ``codes`` are the rows' places by frequency, if ``ordered``."""
    listed = values.tolist()
    try:
        distinct = Counter(listed)
    except TypeError:
        distinct = Counter(value if _hashable(value) else _Unhashable for value in listed)
    names: dict[Any, str | None] = {}
    counts: Counter[str] = Counter()
    missing = errors = 0
    for value, times in distinct.items():
        if is_missing(value):
            missing += times
            continue
        names[value] = name = _name(value)
        if name is None:
            errors += times
        else:
            counts[name] += times
    codes = np.empty(0)
    if ordered:
        place = {name: i for i, (name, _) in enumerate(counts.most_common())}
        found = (names.get(v) for v in listed if _hashable(v) and not is_missing(v))
        codes = np.array([place[name] for name in found if name is not None], np.float64)
    return Categories(len(listed), counts, missing, errors, codes)


class _Unhashable:
    """Stands for values that are no categories, such as lists."""


def _hashable(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


def _name(value: Any) -> str | None:
    if value is _Unhashable:
        return None
    try:
        return text(value)
    except Exception:  # a value whose text cannot be had is no category
        return None


def in_time_order(values: Any) -> NDArray[np.intp]:
    """Return the order of rows by a column of numbers, times or ISO 8601 text.

    Raises
    ------
    ValueError
        A row has no time, or one that cannot be compared with the others.
    """
    part = read(values)
    try:
        times = part.values if part.kind in UNITS else _from_text(part.values)
    except (TypeError, ValueError):
        times = np.array([np.nan])
    if np.isnan(times).any():
        raise ValueError(
            "time_column: got a column with values that cannot be put in order from the argument; "
            "expected numbers, times or ISO 8601 text in every row. Name another column."
        )
    return np.argsort(times, kind="stable")


def hours_of(table: Rows, column: str) -> dict[str, int]:
    """Return how many rows are in each hour of the week by a column of times; none without one.

    Raises
    ------
    ValueError
        There is no such column, or a row of it has no time.
    """
    if not column:
        return {}
    if column not in table.names:
        raise ValueError(
            f"time_column: got {column!r} from the argument; expected one of current's columns: "
            f"{', '.join(table.names[:20])}. Correct the name."
        )
    seconds = Clock(column, "current").seconds(table.columns[table.names.index(column)])
    hours, rows = np.unique(slots(seconds, HOUR_OF_WEEK), return_counts=True)
    return dict(zip(map(str, hours.tolist()), rows.tolist(), strict=True))


def _from_text(values: NDArray[Any]) -> Floats:
    return np.array([unix_seconds(datetime.fromisoformat(v)) for v in values.tolist()], np.float64)

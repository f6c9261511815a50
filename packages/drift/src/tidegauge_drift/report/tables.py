"""Both sides as columns, whatever holds them: pandas, polars, pyarrow, numpy."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from tidegauge_drift.category import is_missing, text
from tidegauge_drift.cells import as_numbers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from tidegauge_drift.grid import Floats

_ACCEPTED = "a pandas or polars DataFrame, a pyarrow Table or a two-dimensional array"


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Columns of equal length; ``named`` is False for a bare array, whose columns are x0, x1 ..."""

    names: tuple[str, ...]
    columns: tuple[Any, ...]
    rows: int
    named: bool

    @property
    def twice(self) -> set[str]:
        """Names that several columns have."""
        return {name for name, times in Counter(self.names).items() if times > 1}


def open_rows(argument: str, data: Any) -> Rows:
    """Return the columns of a table.

    Raises
    ------
    TypeError
        It is nothing that has columns.
    ValueError
        It is an array that has not two dimensions.
    """
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


# Fewer rows can be all distinct, or in order, by chance.
_ROW_ID_MINIMUM = 20
_ROW_ID_SHARE = 0.9
NUMBER, CATEGORY, TIME, EMPTY = "number", "category", "time", "empty"


def kind_of(values: Any) -> str:
    """Tell what a column holds: numbers, categories, times, or nothing."""
    dtype = values.dtype
    if isinstance(dtype, np.dtype) and dtype.kind in "fiumM":
        return TIME if dtype.kind == "M" else NUMBER
    if hasattr(dtype, "is_temporal") and (dtype.is_numeric() or dtype.is_temporal()):  # polars
        return NUMBER if dtype.is_numeric() or str(dtype).startswith("Duration") else TIME
    listed = as_listed(values).tolist()
    kinds = set(map(type, listed))
    if kinds - {str}:
        kinds = {type(v) for v in listed if not is_missing(v)}
    if not kinds:
        return EMPTY
    spans = [hasattr(kind, "total_seconds") for kind in kinds]
    if any(hasattr(kind, "isoformat") for kind in kinds) and not any(spans):
        return TIME
    return NUMBER if all(spans) or all(map(_is_number, kinds)) else CATEGORY


def _is_number(kind: type) -> bool:
    return hasattr(kind, "__float__") and not issubclass(kind, bool | np.bool_ | str | bytes)


def counts_rows(values: Floats) -> bool:
    """Tell whether numbers only name the rows: integers that only rise."""
    whole = values.size >= _ROW_ID_MINIMUM and bool((values == np.rint(values)).all())
    return whole and bool((values[1:] > values[:-1]).all())


def as_listed(values: Any) -> NDArray[Any]:
    """Return a column's values as Python objects."""
    if isinstance(values, np.ndarray) and values.dtype.kind in "mM":  # tolist() makes them numbers
        values = values.astype(f"{values.dtype.kind}8[us]").astype(object)
    return _objects(values.tolist() if hasattr(values, "tolist") else values.to_list())


def is_single(values: Any) -> bool:
    """Tell whether a column holds numbers of single precision."""
    return str(values.dtype).lower() in ("float32", "float[pyarrow]")


def numbers(values: Any) -> tuple[Floats, int]:
    """Return a column as float64, NaN where missing, and how many values were no numbers.

    Spans of time are seconds; numbers written as text are numbers.
    """
    if isinstance(values.dtype, np.dtype) and values.dtype.kind in "fiub":
        return np.asarray(values, np.float64), 0
    listed = [
        value.total_seconds()
        if hasattr(value, "total_seconds") and not is_missing(value)
        else value
        for value in as_listed(values).tolist()
    ]
    return as_numbers(_objects(listed))


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
        many = self.values >= _ROW_ID_MINIMUM
        return many and len(self.counts) > _ROW_ID_SHARE * self.values


def categories(values: Any, *, ordered: bool = False) -> Categories:
    """Count a column's categories; ``codes`` are the rows' places by frequency, if ``ordered``."""
    listed = as_listed(values).tolist()
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
    listed = as_listed(values).tolist()
    try:
        # A row without a time is no text, and compares with nothing: TypeError.
        keys: list[Any] = [
            datetime.fromisoformat(v) if isinstance(v, str) else None if is_missing(v) else v
            for v in listed
        ]
        order = sorted(range(len(keys)), key=lambda row: keys[row])
    except (TypeError, ValueError) as error:
        raise ValueError(
            "time_column: got a column with values that cannot be put in order from the argument; "
            "expected numbers, times or ISO 8601 text in every row. Name another column."
        ) from error
    return np.array(order, np.intp)

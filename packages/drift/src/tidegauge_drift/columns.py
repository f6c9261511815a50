"""Columns out of what users hold their training data in: pandas, polars, numpy."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import numpy as np

from tidegauge_drift.category import is_missing
from tidegauge_drift.profile import ProfileError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

# A column of text in which more than this share of the values is distinct names rows.
ROW_ID_SHARE = 0.9
# Fewer rows can be all distinct, or in order, by chance.
ROW_ID_MINIMUM = 20


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """One column as an array; ``note`` says why it takes no part in drift, empty if it does."""

    name: str
    values: NDArray[Any]
    categorical: bool
    note: str = ""


def read(data: Any, *, drop: Sequence[str] = ()) -> tuple[list[Column], bool]:
    """Return the columns of a frame or matrix, and whether they have names.

    Raises
    ------
    ProfileError
        ``data`` is nothing that has columns, has no rows, or two columns have one name.
    """
    if isinstance(data, np.ndarray) and data.ndim == 2:  # noqa: PLR2004 - rows and columns
        found = [(f"x{j}", data[:, j]) for j in range(data.shape[1])]
        named = False
    elif hasattr(data, "columns") and hasattr(data, "__getitem__"):
        found = list(_frame(data))
        named = True
    else:
        shape = getattr(data, "shape", None)
        got = type(data).__name__ + (f" of shape {shape}" if shape is not None else "")
        raise ProfileError(
            f"data: got {got} from the argument; expected a pandas or polars DataFrame or a "
            "two-dimensional array. Reshape one feature with reshape(-1, 1)."
        )
    names = [name for name, _ in found]
    for name in drop:
        if name not in names:
            raise ProfileError(
                f"drop: got {name!r} from the argument; expected one of the columns: "
                f"{', '.join(names[:20])}. Correct the name."
            )
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ProfileError(
            f"data: got {len(twice)} names used by several columns from the argument, the first is "
            f"{twice[0]!r}; expected one column a name. Rename them."
        )
    if not found or len(found[0][1]) == 0:
        raise ProfileError(
            "data: got no rows or no columns from the argument; expected at least one of each. "
            "Build the reference from the rows that the model was fitted for."
        )
    return [_column(name, values) for name, values in found if name not in drop], named


def _frame(data: Any) -> Iterator[tuple[str, Any]]:
    for j, name in enumerate(data.columns):
        yield str(name), data.iloc[:, j] if hasattr(data, "iloc") else data[name]


def _column(name: str, values: Any) -> Column:
    kind = _kind(values)
    if kind == "time":
        return Column(name, np.empty(0), False, "holds times")
    if kind == "number":
        return _ordered(name, _numbers(values))
    listed = values.tolist() if hasattr(values, "tolist") else values.to_list()
    array = np.empty(len(listed), object)
    array[:] = listed
    if kind == "object":
        numeric = _if_numeric(listed)
        if numeric is not None:
            return _ordered(name, numeric)
        if any(hasattr(value, "isoformat") for value in listed[:100]):
            return Column(name, np.empty(0), False, "holds times")
    return Column(name, array, True, _row_id(listed) if kind != "boolean" else "")


def _kind(values: Any) -> str:
    """Name what a column holds: number, boolean, time, text or object (only its values tell)."""
    dtype = values.dtype
    if isinstance(dtype, np.dtype):
        kinds = {"b": "boolean", "M": "time", "m": "time", "O": "object", "U": "text", "S": "text"}
        return kinds.get(dtype.kind, "number")
    if hasattr(dtype, "is_numeric"):  # polars
        named = "boolean" if str(dtype) == "Boolean" else "text"
        named = "object" if str(dtype) == "Object" else named
        return "number" if dtype.is_numeric() else "time" if dtype.is_temporal() else named
    from pandas.api import types  # noqa: PLC0415 - only a pandas column comes here

    if types.is_bool_dtype(dtype) and not hasattr(dtype, "categories"):
        return "boolean"
    if types.is_numeric_dtype(dtype):
        return "number"
    time = types.is_datetime64_any_dtype(dtype) or types.is_timedelta64_dtype(dtype)
    return "time" if time or getattr(dtype, "kind", "O") in "Mm" else "text"


def _numbers(values: Any) -> NDArray[np.float64]:
    if hasattr(values, "isna"):  # pandas: nullable and pyarrow-backed columns too
        return np.asarray(values.to_numpy(dtype=np.float64, na_value=np.nan), np.float64)
    if hasattr(values, "to_numpy"):  # polars
        return np.asarray(values.cast(_polars_float()).to_numpy(), np.float64)
    return np.asarray(values, np.float64)


def _polars_float() -> Any:
    import polars as pl  # noqa: PLC0415 - only a polars column comes here

    return pl.Float64


def _if_numeric(listed: list[Any]) -> NDArray[np.float64] | None:
    """Return a column of objects as numbers if all its values are, texts of numbers excepted."""
    values = np.full(len(listed), np.nan)
    for i, value in enumerate(listed):
        if is_missing(value):
            continue
        if isinstance(value, str | bytes | bool) or not hasattr(value, "__float__"):
            return None
        try:
            values[i] = float(value)
        except (TypeError, ValueError, OverflowError):
            return None
    return values


def _ordered(name: str, values: NDArray[np.float64]) -> Column:
    finite = values[np.isfinite(values)]
    note = ""
    if finite.size == 0:
        note = "holds no finite value"
    elif (
        finite.size >= ROW_ID_MINIMUM
        and finite.size == values.size
        and bool((finite == np.rint(finite)).all())
        and bool((finite[1:] > finite[:-1]).all())
    ):
        note = "counts the rows: integers that only rise"
    return Column(name, values, False, note)


def _row_id(listed: list[Any]) -> str:
    present = [value for value in listed if not is_missing(value)]
    if not present:
        return "holds no value"
    if len(present) >= ROW_ID_MINIMUM:
        try:
            distinct = len(set(present))
        except TypeError:
            return "holds values that are no categories"
        if distinct > ROW_ID_SHARE * len(present):
            return "names rows: more than 90 % of its values are distinct"
    return ""


def chosen(name: str, include: Sequence[str], exclude: Sequence[str]) -> bool:
    """Tell whether the globs let a feature take part."""
    wanted = not include or any(fnmatchcase(name, glob) for glob in include)
    return wanted and not any(fnmatchcase(name, glob) for glob in exclude)

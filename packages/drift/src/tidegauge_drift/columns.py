"""A column of whatever users hold their training data in, as numbers or as categories."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tidegauge_drift.category import SPANS, TIMES, is_missing, number, unix_seconds
from tidegauge_drift.numeric_columns import seconds

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from tidegauge_drift.grid import Floats

# A part of a column without a value may be of any kind.
EMPTY, NUMBER, SPAN, BOOLEAN, TEXT, TIME, ODD = (
    "empty", "number", "span", "boolean", "text", "time", "odd"
)  # fmt: skip
_RANK = (EMPTY, NUMBER, SPAN, BOOLEAN, TEXT, TIME, ODD)
# Kinds whose values are float64, and what they are seconds of.
UNITS = {NUMBER: "", SPAN: SPANS, TIME: TIMES}

_NUMPY = {"b": BOOLEAN, "f": NUMBER, "i": NUMBER, "u": NUMBER, "m": SPAN, "M": TIME,
          "U": TEXT, "S": TEXT, "T": TEXT, "O": ""}  # fmt: skip

_POLARS = {"Boolean": BOOLEAN, "Duration": SPAN, "Date": TIME, "Datetime": TIME,
           "Object": "", "Null": "", "Time": ""}  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Some rows of a column.

    ``values`` are float64 where the kind is number, span or time (seconds, of times since 1970 in
    UTC), else objects.
    """

    kind: str
    values: NDArray[Any]


def joined(one: str, other: str) -> str:
    """Return the kind of a column whose parts are of two kinds."""
    if EMPTY in (one, other) or one == other:
        return other if one == EMPTY else one
    return max(one, other, TEXT, key=_RANK.index)


def read(values: Any, *, as_text: bool = False) -> Part:
    """Read a column of pandas, polars or numpy; ``as_text`` takes any value for a category."""
    kind = _kind(values.dtype)
    if kind in (TEXT, BOOLEAN):
        return Part(TEXT if as_text else kind, _plain(values))
    if as_text:
        return Part(TEXT, _objects(values))
    if kind == ODD:
        return Part(ODD, np.empty(len(values), object))
    if kind in UNITS:
        return Part(kind, _numbers(values))
    return _by_values(_objects(values))


def _kind(dtype: Any) -> str:
    """Name what a type holds; empty where only the values tell."""
    if isinstance(dtype, np.dtype):
        return _NUMPY.get(dtype.kind, ODD)
    if hasattr(dtype, "is_nested"):  # polars
        return _polars_kind(dtype)
    return _pandas_kind(dtype)


def _pandas_kind(dtype: Any) -> str:
    from pandas.api import types  # noqa: PLC0415 - only a pandas column comes here

    kind = getattr(dtype, "kind", "O")
    if types.is_bool_dtype(dtype) and not hasattr(dtype, "categories"):
        return BOOLEAN
    if types.is_numeric_dtype(dtype):
        return NUMBER
    if kind in "mM" or types.is_datetime64_any_dtype(dtype):
        return SPAN if kind == "m" else TIME
    # Of the other extensions (decimals and dates of arrow) only the values tell.
    return TEXT if hasattr(dtype, "categories") or types.is_string_dtype(dtype) else ""


def _polars_kind(dtype: Any) -> str:
    name = dtype.base_type().__name__
    if dtype.is_numeric():
        return NUMBER
    if dtype.is_nested() or name == "Binary":
        return ODD
    return _POLARS.get(name, TEXT)


def _plain(values: Any) -> NDArray[Any]:
    """Return values of which none is a sequence for numpy to look into."""
    return np.array(values.tolist() if hasattr(values, "tolist") else values.to_list(), object)


def _objects(values: Any) -> NDArray[Any]:
    listed = values.tolist() if hasattr(values, "tolist") else values.to_list()
    found = np.empty(len(listed), object)
    for i, value in enumerate(listed):  # not at once: numpy would look into lists
        found[i] = value
    return found


def _numbers(values: Any) -> Floats:
    dtype = values.dtype
    if isinstance(dtype, np.dtype):
        return seconds(np.asarray(values)) if dtype.kind in "mM" else np.asarray(
            values, np.float64
        )  # fmt: skip
    if hasattr(values, "isna"):  # pandas: nullable and pyarrow-backed columns, times with a zone
        if getattr(dtype, "kind", "O") in "mM":
            return seconds(np.asarray(values.to_numpy(dtype=f"{dtype.kind}8[us]", na_value=None)))
        return np.asarray(values.to_numpy(dtype=np.float64, na_value=np.nan), np.float64)
    import polars as pl  # noqa: PLC0415 - only a polars column comes here

    if dtype.is_temporal():
        kind = pl.Duration("us") if dtype.base_type() is pl.Duration else pl.Datetime("us")
        values = values.cast(kind).cast(pl.Int64).cast(pl.Float64) / 1e6
    return np.asarray(values.cast(pl.Float64).to_numpy(), np.float64)


def _by_values(listed: NDArray[Any]) -> Part:
    """Read objects: numbers if all of them are, spans of time as seconds, texts are texts."""
    kinds = set(map(type, listed.tolist()))
    odd = any(kind.__hash__ is None for kind in kinds)
    if odd or (str in kinds and not any(map(_is_time, kinds))):
        return Part(ODD if odd else TEXT, listed)
    kinds = {type(value) for value in listed.tolist() if not is_missing(value)}
    return _of_types(listed, kinds) if kinds else Part(EMPTY, listed)


def _of_types(listed: NDArray[Any], kinds: set[type]) -> Part:
    if any(map(_is_time, kinds)):
        return Part(TIME, _converted(listed, _unix_seconds))
    if all(hasattr(kind, "total_seconds") for kind in kinds):
        return Part(SPAN, _converted(listed, lambda span: number(span, SPANS)))
    if all(map(_is_number, kinds)):
        try:
            return Part(NUMBER, _converted(listed, number))
        except (TypeError, ValueError, OverflowError):  # a value that will not become a number
            return Part(TEXT, listed)
    booleans = all(issubclass(kind, bool | np.bool_) for kind in kinds)
    return Part(BOOLEAN if booleans else TEXT, listed)


def _is_time(kind: type) -> bool:
    return hasattr(kind, "isoformat") and not hasattr(kind, "total_seconds")


def _is_number(kind: type) -> bool:
    return hasattr(kind, "__float__") and not issubclass(kind, bool | np.bool_ | str | bytes)


def _unix_seconds(value: Any) -> float:
    # A time of day has no place among the seconds.
    return unix_seconds(value) if isinstance(value, dt.date) else float("nan")


def _converted(listed: NDArray[Any], convert: Callable[[Any], float]) -> Floats:
    return np.array([np.nan if is_missing(v) else convert(v) for v in listed.tolist()], np.float64)

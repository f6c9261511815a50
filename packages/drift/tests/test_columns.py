"""Columns of every type: what kind each is, why some take no part, and that live rows agree."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from tidegauge.columns import tables
from tidegauge.snapshot import take
from tidegauge_drift import build
from tidegauge_drift.columns import (
    BOOLEAN,
    EMPTY,
    NUMBER,
    ODD,
    SPAN,
    TEXT,
    TIME,
    UNITS,
    joined,
    read,
)
from tidegauge_drift.layout import Layout

IDS = "names rows: more than 90 % of its values are distinct"
DAY = dt.date(2026, 1, 2)
NOON = dt.datetime(2026, 1, 2, 12, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


class Stubborn:
    """A number that will not become one."""

    def __float__(self) -> float:
        """Fail."""
        raise ValueError


def _objects(*values: Any) -> pd.Series[Any]:
    return pd.Series(list(values), dtype=object)


def _arrow(kind: pa.DataType, *values: Any) -> pd.Series[Any]:
    return pd.Series(list(values), dtype=pd.ArrowDtype(kind))


@pytest.mark.parametrize(
    ("values", "kind", "first"),
    [
        (_objects(1, 2.5, None, Decimal("1.5"), Fraction(1, 3)), NUMBER, 1.0),
        (_objects(1, "x"), TEXT, 1),
        (_objects(1, Stubborn()), TEXT, 1),
        (_objects(True, False, None), BOOLEAN, True),
        (_objects(True, 1), TEXT, True),
        (_objects(None, float("nan"), pd.NA, pd.NaT), EMPTY, None),
        (_objects(HOUR, pd.Timedelta(HOUR), None), SPAN, 3600.0),
        (_objects(NOON, None), TIME, NOON.timestamp()),
        (_objects(NOON.replace(tzinfo=None)), TIME, NOON.timestamp()),
        (_objects(DAY, "x"), TIME, None),
        (_objects(dt.time(1)), TIME, None),
        (_objects([1], None), ODD, None),
        (_objects(pd.Period("2026")), TEXT, pd.Period("2026")),
        (pd.Series([1.5], dtype="Float64"), NUMBER, 1.5),
        (pd.Series([3, None], dtype="Int64"), NUMBER, 3.0),
        (pd.Series([True, None], dtype="boolean"), BOOLEAN, True),
        (pd.Series(["a", None], dtype="string"), TEXT, "a"),
        (pd.Series(["a", None], dtype="category"), TEXT, "a"),
        (pd.Series(pd.Categorical([7, 8])), TEXT, 7),
        (pd.Series([HOUR]), SPAN, 3600.0),
        (pd.Series([NOON]), TIME, NOON.timestamp()),
        (pd.Series([NOON]).dt.tz_convert("Asia/Tokyo"), TIME, NOON.timestamp()),
        (_arrow(pa.decimal128(6, 2), Decimal("1.25"), None), NUMBER, 1.25),
        (_arrow(pa.int8(), 4, None), NUMBER, 4.0),
        (_arrow(pa.bool_(), True, None), BOOLEAN, True),
        (_arrow(pa.string(), "a", None), TEXT, "a"),
        (_arrow(pa.dictionary(pa.int8(), pa.string()), "a", None), TEXT, "a"),
        (_arrow(pa.timestamp("ms", "UTC"), NOON, None), TIME, NOON.timestamp()),
        (_arrow(pa.date32(), DAY), TIME, NOON.timestamp() - 43_200),
        (_arrow(pa.duration("ms"), HOUR, None), SPAN, 3600.0),
        (_arrow(pa.list_(pa.int8()), [1]), ODD, None),
        (pl.Series([1, None]), NUMBER, 1.0),
        (pl.Series([Decimal("1.5"), None]), NUMBER, 1.5),
        (pl.Series([HOUR, None]), SPAN, 3600.0),
        (pl.Series([NOON, None]), TIME, NOON.timestamp()),
        (pl.Series([DAY, None]), TIME, NOON.timestamp() - 43_200),
        (pl.Series([dt.time(1)]), TIME, None),
        (pl.Series([True, None]), BOOLEAN, True),
        (pl.Series(["a", None]), TEXT, "a"),
        (pl.Series(["a", None], dtype=pl.Categorical), TEXT, "a"),
        (pl.Series([None, None]), EMPTY, None),
        (pl.Series([[1]]), ODD, None),
        (pl.Series([Decimal(1), 2.5], dtype=pl.Object), NUMBER, 1.0),
        (np.array([True]), BOOLEAN, True),
        (np.array([1, 2], np.uint8), NUMBER, 1.0),
        (np.array([3600], "m8[s]"), SPAN, 3600.0),
        (np.array(["2026-01-02T12"], "M8[h]"), TIME, NOON.timestamp()),
        (np.array(["a"]), TEXT, "a"),
        (np.array([1j]), ODD, None),
    ],
)
def test_what_a_column_holds(values: Any, kind: str, first: Any) -> None:
    """Numbers and spans are numbers, and times have their seconds; the rest are categories."""
    part = read(values)
    found = part.values  # noqa: PD011 - a part's

    assert (kind, len(values)) == (part.kind, found.size)
    assert (found.dtype == np.float64) == (kind in UNITS)
    if first is not None:
        assert first == found[0]


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ((EMPTY, NUMBER, EMPTY), NUMBER),
        ((NUMBER, BOOLEAN), TEXT),
        ((NUMBER, SPAN), TEXT),
        ((NUMBER, TEXT, NUMBER), TEXT),
        ((TEXT, TIME), TIME),
        ((NUMBER, TIME), TIME),
        ((TIME, ODD), ODD),
        ((EMPTY, EMPTY), EMPTY),
    ],
)
def test_the_kind_of_a_column_is_that_of_all_its_parts(
    kinds: tuple[str, ...], expected: str
) -> None:
    """In any order."""
    for order in (kinds, kinds[::-1]):
        found = EMPTY
        for kind in order:
            found = joined(found, kind)
        assert expected == found


@pytest.mark.parametrize(
    ("values", "note"),
    [
        (_objects(dt.date(2026, 1, 1), None), "holds times"),
        (pd.Series(pd.to_datetime(["2026-01-01"], utc=True)), "holds times"),
        (_objects(*([[1], [2]] * 15)), "holds values that are no categories"),
        (_objects("a", *[f"id{i}" for i in range(30)]), IDS),
        (pd.Series([None, None], dtype="string"), "holds no value"),
        (_objects(None, None), "holds no value"),
        (pd.Series([np.nan, np.inf]), "holds no finite value"),
        (pd.Series(np.arange(30)), "counts the rows: integers that only rise"),
    ],
)
def test_why_a_column_takes_no_part(values: Any, note: str) -> None:
    """Times, row ids, and what holds nothing to compare."""
    profile = build(pd.DataFrame({"a": values, "b": 1.0}))

    assert [("a", note)] == [(column.name, column.note) for column in profile.left_out]


def test_times_take_part_if_they_are_named_in_full() -> None:
    """As seconds since 1970; a glob does not bring them in."""
    frame = pd.DataFrame({"at": pd.date_range("2026-01-01", periods=40, freq="s"), "x": 1.0})
    feature = build(frame, include=["at", "x"]).features[0]

    assert ["x"] == [f.name for f in build(frame, include=["*"]).features]
    assert (feature.name, feature.minimum) == ("at", 1_767_225_600.0)  # type: ignore[union-attr]


def _frame(rows: int = 300) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "float": rng.normal(size=rows),
            "small": rng.normal(size=rows).astype(np.float32),
            "integer": rng.integers(0, 50, rows),
            "nullable": pd.array(rng.integers(0, 9, rows), dtype="Int64"),
            "boolean": rng.random(rows) < 0.3,
            "maybe": pd.array(rng.random(rows) < 0.3, dtype="boolean"),
            "text": rng.choice(["SE", "NO", "DK"], rows),
            "category": pd.Categorical(rng.choice(["free", "pro"], rows)),
            "code": pd.Categorical(rng.choice([3, 5], rows)),
            "decimal": [Decimal(i % 7) / 4 for i in range(rows)],
            "span": pd.to_timedelta(rng.integers(0, 9, rows), unit="min"),
            "mixed": [i % 3 if i % 2 else "x" for i in range(rows)],
        }
    )


def _with_gaps(frame: pd.DataFrame) -> pd.DataFrame:
    frame = frame.astype({"integer": "Int64", "boolean": "boolean"})
    frame.iloc[3] = None
    return frame


def _as_arrow(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.drop(columns=["mixed", "code"]).convert_dtypes(dtype_backend="pyarrow")


@pytest.mark.parametrize(
    "change",
    [
        lambda frame: frame,
        _with_gaps,
        _as_arrow,
        lambda frame: pl.from_pandas(frame.drop(columns=["mixed", "code"])),
        lambda frame: frame[["float"]].to_numpy(),
        lambda frame: frame[["span"]].to_numpy(),
    ],
)
def test_live_rows_are_counted_as_the_reference_is(change: Callable[[Any], Any]) -> None:
    """The rows that a reference was built from, sent as rows of a call, give its own counts."""
    data = change(_frame())
    profile = build(data)
    block = Layout(profile).inputs
    ((_, _, _, table),) = tables([take(data, 0, 1)], None)
    assert table is not None
    counts = block.count(table, Layout(profile).match_inputs(table).columns)

    assert not profile.left_out
    for feature, slot in zip(profile.features, block.slots, strict=True):
        assert feature.counts.tolist() == counts[slot.start : slot.stop].tolist(), feature.name

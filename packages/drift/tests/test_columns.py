"""Columns out of frames and arrays: what kind each is, and why some take no part."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tidegauge_drift.columns import read

IDS = "names rows: more than 90 % of its values are distinct"


class Stubborn:
    """A number that will not become one."""

    def __float__(self) -> float:
        """Fail."""
        raise ValueError


def _objects(*values: Any) -> pd.DataFrame:
    return pd.DataFrame({"a": pd.Series(list(values), dtype=object)})


@pytest.mark.parametrize(
    ("data", "categorical"),
    [
        (_objects(1, 2.5, None, Decimal("1.5"), Fraction(1, 3)), False),
        (_objects(1, "x"), True),
        (_objects(1, Stubborn()), True),
        (_objects(True, False), True),
        (pd.DataFrame({"a": pd.Categorical([True, False])}), True),
        (pd.DataFrame({"a": pd.array([True, None], "boolean")}), True),
        (pd.DataFrame({"a": pd.array([1, None], "Int64")}), False),
    ],
)
def test_what_a_column_holds(data: pd.DataFrame, categorical: bool) -> None:
    """Objects are numbers if all of them are."""
    (column,), _ = read(data)

    assert (categorical, "") == (column.categorical, column.note)


@pytest.mark.parametrize(
    ("data", "note"),
    [
        (_objects(dt.date(2026, 1, 1), None), "holds times"),
        (pd.DataFrame({"a": pd.to_datetime(["2026-01-01"], utc=True)}), "holds times"),
        (_objects(*([[1], [2]] * 15)), "holds values that are no categories"),
        (_objects("a", *[f"id{i}" for i in range(30)]), IDS),
        (pd.DataFrame({"a": pd.Series([None, None], dtype="string")}), "holds no value"),
        (pd.DataFrame({"a": [np.nan, np.inf]}), "holds no finite value"),
        (pd.DataFrame({"a": np.arange(30)}), "counts the rows: integers that only rise"),
    ],
)  # fmt: skip
def test_why_a_column_takes_no_part(data: pd.DataFrame, note: str) -> None:
    """Times, row ids, and what holds nothing to compare."""
    (column,), _ = read(data)

    assert note == column.note


def test_columns_of_polars(monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers with gaps, booleans, texts, times and objects."""
    pl = pytest.importorskip("polars", reason="polars is no dependency")
    frame = pl.DataFrame(
        {
            "number": [1, None], "boolean": [True, None], "text": ["a", None],
            "time": [dt.date(2026, 1, 1), None],
            "object": pl.Series([Decimal(1), 2.5], dtype=pl.Object),
        }
    )  # fmt: skip
    columns, named = read(frame)

    assert named
    assert [(c.name, c.categorical, c.note) for c in columns] == [
        ("number", False, ""), ("boolean", True, ""), ("text", True, ""),
        ("time", False, "holds times"), ("object", False, ""),
    ]  # fmt: skip

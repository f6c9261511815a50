"""Every row of a column is in exactly one part."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st
from tidegauge.batch import Table
from tidegauge.features import FeatureSettings
from tidegauge_exporter_whylabs.columns import gather, sort
from tidegauge_testkit.batches import batch, column, table

ALL = FeatureSettings()
VALUES: st.SearchStrategy[Any] = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.just(pd.NA),
    st.just(pd.NaT), st.just(dt.date(2026, 1, 1)), st.just([1]),
)  # fmt: skip


def test_numbers_are_split_from_what_is_none() -> None:
    """NaN is missing, infinite values are counted and kept out of the sketches."""
    found = sort([np.array([1.0, math.nan, math.inf, -math.inf, 2.5])], ALL)
    assert [1.0, 2.5] == found.numbers.tolist()
    assert (5, 1, 1, 2) == (found.rows, found.missing, found.nan, found.infinite)


def test_anything_is_sorted() -> None:
    """Text, truth values, numbers, what is missing, and what is nothing of these."""
    values = ["a", None, True, np.False_, 3, 2.5, math.nan, pd.NA, pd.NaT, [1], 10**400]
    found = sort([column(values)], ALL)
    assert (["a"], [3.0, 2.5]) == (found.texts, found.numbers.tolist())
    assert (11, 1, 1) == (found.rows, found.true, found.false)
    assert (4, 1, 1, 1) == (found.missing, found.nan, found.infinite, found.objects)


@given(st.lists(VALUES, max_size=30))
def test_no_row_is_lost_or_counted_twice(values: list[Any]) -> None:
    """The parts add up to the rows."""
    found = sort([column(values)], ALL)
    parts = (found.numbers.size, len(found.texts), found.true, found.false, found.missing)
    assert len(values) == found.rows == sum(parts) + found.infinite + found.objects


def test_integers_are_known_where_all_are() -> None:
    """In float64 they are exact below 2 ** 53."""
    whole = [[1.0, 2.0], [1.0, 2.5], [], [2.0**53]]
    assert [True, False, False, False] == [sort([np.array(v)], ALL).whole for v in whole]


def test_categories_are_hashed_where_that_is_asked_for() -> None:
    """One text has one hash, and no text is left."""
    first, second, third = sort(
        [column(["de", "us", "de"])], FeatureSettings(hash_categories=True)
    ).texts
    assert first == third != second
    assert {16} == {len(first), len(second)}


def test_batches_of_a_model_are_joined_by_column() -> None:
    """Features keep their names, outputs are marked, position names what has no name."""
    first = batch(np.array([[1.0, 2.0]]), names=("a", "b"), outputs=table({"": ["yes"]}))
    second = batch(np.array([[3.0, 4.0]]), names=("a", "b"), outputs=table({"": ["no"]}))
    found = gather([first, second], ALL)
    assert ["a", "b", "output"] == list(found)
    assert [1.0, 3.0] == sort(found["a"], ALL).numbers.tolist()
    assert ["yes", "no"] == sort(found["output"], ALL).texts
    unnamed = batch(np.array([[1.0, 2.0]]), outputs=Table(1, None, matrix=np.array([[0.5]])))
    assert ["x0", "x1", "output_0"] == list(gather([unnamed], ALL))


def test_globs_choose_features_and_no_outputs() -> None:
    """As they choose what takes part in drift."""
    rows = batch(np.ones((1, 3)), names=("a", "b", "id"), outputs=table({"id": ["x"]}))
    assert ["a", "b", "output_id"] == list(gather([rows], FeatureSettings(exclude=("i*",))))
    assert ["a", "output_id"] == list(gather([rows], FeatureSettings(include=("a",))))

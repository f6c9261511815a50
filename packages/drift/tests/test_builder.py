"""Profiles from frames and arrays: kinds, what is left out, what is refused."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from tidegauge_drift import ProfileError, build
from tidegauge_drift.profile import CategoricalFeature, NumericFeature


def _frame(rows: int = 400) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "id": np.arange(rows) + 1000,
            "uuid": [f"u{i}" for i in range(rows)],
            "at": pd.date_range("2026-01-01", periods=rows, freq="h"),
            "amount": rng.lognormal(3, 1, rows),
            "age": pd.array(rng.integers(18, 90, rows), dtype="Int64"),
            "country": rng.choice(["SE", "NO", "DK"], rows),
            "plan": pd.Categorical(rng.choice(["free", "pro"], rows)),
            "active": rng.random(rows) < 0.3,
            "score": [Decimal(i % 7) for i in range(rows)],
            "empty": np.nan,
        }
    )


def test_a_frame_is_read_by_kind() -> None:
    """Numbers are numeric, texts, categories and booleans categorical, in the frame's order."""
    profile = build(_frame())
    kinds = [(f.name, isinstance(f, NumericFeature), f.position) for f in profile.features]

    assert kinds == [
        ("amount", True, 3), ("age", True, 4), ("country", False, 5), ("plan", False, 6),
        ("active", False, 7), ("score", True, 8),
    ]  # fmt: skip
    assert [(c.name, c.note) for c in profile.left_out] == [
        ("id", "counts the rows: integers that only rise"),
        ("uuid", "names rows: more than 90 % of its values are distinct"),
        ("at", "holds times"),
        ("empty", "holds no finite value"),
    ]
    assert (profile.rows, profile.columns, profile.order, profile.deff) == (400, 10, "unknown", 1.0)
    assert all(feature.rows == 400 for feature in profile.features)


def test_polars_pyarrow_and_pandas_give_the_same_counts() -> None:
    """The frame's library does not matter."""
    frame = _frame().drop(columns=["score", "empty"])
    frame.loc[3, "amount"] = np.nan
    frame.loc[5, "country"] = None
    expected = build(frame)
    others = (pl.from_pandas(frame), frame.convert_dtypes(dtype_backend="pyarrow"))
    for other in others:
        found = build(other)
        assert [f.name for f in found.features] == [f.name for f in expected.features]
        for one, two in zip(found.features, expected.features, strict=True):
            assert one.counts.tolist() == two.counts.tolist()
        assert [c.name for c in found.left_out] == [c.name for c in expected.left_out]


def test_an_array_has_positions_for_names() -> None:
    """A bare array is matched by position."""
    profile = build(np.random.default_rng(0).normal(size=(50, 2)))

    assert not profile.named
    assert [(f.name, f.position) for f in profile.features] == [("x0", 0), ("x1", 1)]


def test_summaries_are_numpys() -> None:
    """Mean, sd, quartiles, extremes, and sums by cell, over finite values."""
    values = np.random.default_rng(1).gamma(2, 3, 2000)
    feature = build(np.append(values, [np.nan, np.inf])[:, None]).features[0]
    assert isinstance(feature, NumericFeature)

    assert feature.mean == pytest.approx(values.mean(), rel=1e-12)
    assert feature.sd == pytest.approx(values.std(), rel=1e-12)
    assert feature.quartiles == pytest.approx(np.quantile(values, (0.25, 0.5, 0.75)), rel=1e-12)
    assert (feature.minimum, feature.maximum) == (values.min(), values.max())
    assert feature.sums.sum() == pytest.approx(values.sum(), rel=1e-12)
    assert (feature.missing, int(feature.counts[-3])) == (1, 1)


def test_the_stated_ks_error_is_below_its_bound() -> None:
    """The measured error and the bound are both shares of rows."""
    for feature in build(np.random.default_rng(2).standard_t(2, (5000, 3))).features:
        assert isinstance(feature, NumericFeature)
        assert 0 <= feature.ks_error <= feature.ks_error_bound <= 2 / 60


@pytest.mark.parametrize(
    "values",
    [
        [1e-12 * x for x in range(30)],
        [1e15 + x % 7 for x in range(100)],
        [1.7e9 + x % 11 - 5 for x in range(200)],
        [-1e308, 1e308, 0.0, 1.0],
        [-1.7e308, 1.7e308] * 30,
        [1.7e306 * x for x in range(-100, 101)],
        [-1.7e308, *(x / 7 for x in range(300)), 1.7e308],
        [5e-324, 1e-323, 0.0],
        [0.0],
    ],
)
def test_extreme_ranges_are_resolved(values: list[float]) -> None:
    """Tiny, huge, narrow and overflowing ranges: one cell a value where there are few."""
    profile = build(np.array(values[::-1])[:, None], outputs=np.array(values))
    feature, output = profile.features[0], profile.outputs[0]
    assert isinstance(feature, NumericFeature)

    assert feature.counts[2:-4].sum() == len(values)
    assert np.count_nonzero(feature.counts[2:-4]) >= min(len(set(values)), 3)
    assert feature.counts.tolist() == output.counts.tolist()


def test_categories_beyond_the_top_share_a_cell() -> None:
    """100 have a cell, the order is by count, then by hash; the rest are known by hash."""
    column = [f"c{i:03d}" for i in range(150) for _ in range(1 + i % 50)]
    feature = build(pd.DataFrame({"c": column})).features[0]
    assert isinstance(feature, CategoricalFeature)

    assert (len(feature.top), feature.known.size, feature.distinct) == (100, 150, 150)
    assert feature.counts[0] == 50
    assert feature.counts.sum() == len(column)
    assert feature.singletons == 3


def test_too_many_categories_have_no_new_ones() -> None:
    """Above 10,000 distinct values hashes are not kept."""
    column = [f"c{i}" for i in range(10_001)] * 2
    feature = build(pd.DataFrame({"c": column})).features[0]
    assert isinstance(feature, CategoricalFeature)

    assert feature.high_cardinality
    assert feature.known.size == 0
    assert feature.counts[-4] == 2 * 10_001 - feature.counts[:100].sum()


def test_categories_can_be_hashed() -> None:
    """The file then holds no text of a category."""
    feature = build(pd.DataFrame({"c": list("ab") * 20}), hash_categories=True).features[0]
    assert isinstance(feature, CategoricalFeature)

    assert all(name.startswith("#") and len(name) == 17 for name in feature.top)


def test_globs_choose_features_and_keep_positions() -> None:
    """What is left out by name keeps the place of the others."""
    profile = build(_frame(), include=["a*", "country"], exclude=["active"])

    assert [(f.name, f.position) for f in profile.features] == [
        ("amount", 3), ("age", 4), ("country", 5)
    ]  # fmt: skip
    assert ("active", "excluded by name") in [(c.name, c.note) for c in profile.left_out]


def test_outputs_are_named_apart_from_inputs() -> None:
    """An output with an input's name would be the same series."""
    frame = _frame()
    profile = build(frame, outputs=pd.Series(np.linspace(0, 1, 400), name="amount"))
    labels = build(frame, outputs=np.array(["yes", "no"] * 200))

    assert [f.name for f in profile.outputs] == ["amount (output)"]
    assert [(f.name, f.cells) for f in labels.outputs] == [("output", 4)]
    assert [f.name for f in build(frame, outputs=np.ones((9, 2))).outputs] == ["output0", "output1"]


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        (
            np.zeros(5),
            {},
            (
                "data: got ndarray of shape (5,) from the argument; expected a pandas or polars "
                "DataFrame or a two-dimensional array. Reshape one feature with reshape(-1, 1)."
            ),
        ),
        (
            pd.DataFrame({"a": []}),
            {},
            (
                "data: got no rows or no columns from the argument; expected at least one of each. "
                "Build the reference from the rows that the model was fitted for."
            ),
        ),
        (
            pd.DataFrame({"a": [1.0]}),
            {"drop": ["b"]},
            "drop: got 'b' from the argument; expected one of the columns: a. Correct the name.",
        ),
        (
            pd.DataFrame([[1.0, 2.0]], columns=["a", "a"]),
            {},
            (
                "data: got 1 names used by several columns from the argument, the first is 'a'; "
                "expected one column a name. Rename them."
            ),
        ),
        (
            pd.DataFrame({"a": [np.nan]}),
            {},
            (
                "data: got no column that can take part in drift from the argument (a: holds no "
                "finite value); expected at least one number or category. Check the columns and "
                "the globs."
            ),
        ),
        (
            pd.DataFrame({"a": [1.0]}),
            {"outputs": [np.nan]},
            (
                "outputs: got the column 'output' that holds no finite value from the argument; "
                "expected numbers or labels. Leave it out."
            ),
        ),
    ],
)
def test_what_cannot_be_built_is_refused(data: Any, options: dict[str, Any], message: str) -> None:
    """Each message names the argument, what was given and what to do."""
    with pytest.raises(ProfileError, match="from the argument") as caught:
        build(data, **options)

    assert message == str(caught.value)


def test_integer_column_names_are_texts() -> None:
    """A frame made of an array has numbers for names."""
    profile = build(pd.DataFrame(np.random.default_rng(0).normal(size=(30, 2))))

    assert [f.name for f in profile.features] == ["0", "1"]

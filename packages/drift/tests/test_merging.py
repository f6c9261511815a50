"""Merged profiles: every row is counted where live ones are, in any order and grouping."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats
from tidegauge.batch import Table
from tidegauge_drift import ProfileError, ReferenceProfile, build, load, merge
from tidegauge_drift.layout import Layout
from tidegauge_drift.plain import to_dict
from tidegauge_drift.profile import CategoricalFeature, NumericFeature
from tidegauge_drift.store import save

Values = NDArray[np.float64]

NUMBERS = st.lists(
    st.floats(-1e9, 1e9) | st.integers(-3, 3).map(float) | st.sampled_from([np.nan, np.inf]),
    min_size=2,
    max_size=40,
).filter(lambda values: bool(np.isfinite(values).any()))


def _profile(values: Any, **options: Any) -> ReferenceProfile:
    return build(np.asarray(values, np.float64)[:, None], built="now", **options)


def _recounted(profile: ReferenceProfile, rows: Values) -> list[int]:
    table = Table(len(rows), None, matrix=rows[:, None])
    return list(Layout(profile).inputs.count(table, (0,)).tolist())


def _content(profile: ReferenceProfile) -> Any:
    """Return everything but sums of floats and the order of names."""
    found = to_dict(profile)
    for feature in found["features"]:
        for inexact in ("sums", "mean", "sd"):
            feature.pop(inexact, None)
    return {**found, "source": ""}


@settings(deadline=None, max_examples=60)
@given(NUMBERS, NUMBERS, NUMBERS)
def test_rows_are_counted_where_live_ones_are(a: Any, b: Any, c: Any) -> None:
    """In exactly the cells that the live engine finds for them; merging is associative."""
    one, two, three = _profile(a), _profile(b), _profile(c)
    left, right = merge([merge([one, two]), three]), merge([three, merge([two, one])])
    rows = np.array([*a, *b, *c])

    assert left.features[0].counts.tolist() == _recounted(left, rows)
    assert left.merged == right.merged == 3
    assert _content(merge([one, two, three], built="now")) == _content(replace(left, built="now"))
    assert _content(replace(right, built="now")) == _content(replace(left, built="now"))


SHAPES: dict[str, Callable[[np.random.Generator, int, float], Values]] = {
    "normal": lambda rng, n, s: rng.normal(s, 1, n),
    "lognormal 2": lambda rng, n, s: rng.lognormal(s, 2, n),
    "pareto 1": lambda rng, n, s: (1 + s) * rng.pareto(1, n),
    "zero-inflated": lambda rng, n, s: np.where(rng.random(n) < 0.6, 0.0, rng.lognormal(s, 1, n)),
    "poisson": lambda rng, n, s: rng.poisson(30 + 9 * s, n).astype(float),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_merged_profile_compares_as_one_of_all_rows(shape: str) -> None:
    """KS on its cells is within .005 of the exact one; moments are numpy's, quartiles close."""
    rng = np.random.default_rng(1)
    parts = [SHAPES[shape](rng, rows, shift) for rows, shift in ((30_000, 0), (5_000, 0.5))]
    merged = merge([_profile(part) for part in parts])
    rows = np.concatenate(parts)
    feature = merged.features[0]
    assert isinstance(feature, NumericFeature)

    assert (merged.rows, feature.rows) == (35_000, 35_000)
    assert feature.counts.tolist() == _recounted(merged, rows)
    assert (feature.mean, feature.sd) == pytest.approx((rows.mean(), rows.std()), rel=1e-9)
    assert feature.sums.sum() == pytest.approx(rows.sum(), rel=1e-6)
    ordered = np.sort(rows)
    first = np.searchsorted(ordered, feature.quartiles) / rows.size
    last = np.searchsorted(ordered, feature.quartiles, "right") / rows.size
    assert (first <= np.array((0.255, 0.505, 0.755))).all()
    assert (last >= np.array((0.245, 0.495, 0.745))).all()
    for shift in (0.0, 0.1, 0.3):
        current = SHAPES[shape](rng, 10_000, shift)
        counts = np.array(_recounted(merged, current))
        gap = np.cumsum(feature.counts[:-2] / 35_000 - counts[:-2] / 10_000)
        exact = stats.ks_2samp(rows, current, method="asymp").statistic
        assert exact - 0.005 <= np.abs(gap).max() <= exact + 1e-12


@settings(deadline=None, max_examples=40)
@given(*(st.lists(st.sampled_from([*"abcdefg", None]), min_size=1, max_size=40) for _ in range(2)))
def test_categories_are_added(one: Any, two: Any) -> None:
    """As if built from all rows at once."""
    both = [*one, *two]
    if not any(one) or not any(two):
        return
    parts = [build(pd.DataFrame({"c": v, "n": 1.0}), built="now") for v in (one, two)]
    merged, expected = merge(parts), build(pd.DataFrame({"c": both, "n": 1.0}), built="now")

    assert to_dict(merged)["features"][0] == to_dict(expected)["features"][0]


def test_of_many_categories_only_what_was_counted_is_known() -> None:
    """The top of a column with too many is exact or part of the rest."""
    rng = np.random.default_rng(0)
    many = [f"c{i}" for i in range(12_000)] * 2 + ["often"] * 900 + ["here"] * 700
    few = list(rng.choice(["often", "rare", "there"], 5_000, p=[0.5, 0.1, 0.4]))
    merged = merge([build(pd.DataFrame({"c": v})) for v in (many, few)])
    feature = merged.features[0]
    assert isinstance(feature, CategoricalFeature)
    shown = dict(zip(feature.top, feature.counts.tolist(), strict=False))

    assert feature.high_cardinality
    assert (shown["often"], shown["here"]) == (900 + few.count("often"), 700)
    assert "there" not in shown
    assert feature.rows == len(many) + len(few)


def test_what_is_merged_is_said(tmp_path: Path) -> None:
    """How many, from where, and over what span; a season is lost, a column left out stays so."""
    times = pd.date_range("2026-01-01", periods=4_000, freq="1h")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=4_000), "b": 1.0, "id": range(4_000), "ts": times})
    options: dict[str, Any] = {"time_column": "ts", "season": "hour"}
    one = build(frame[:2_500], source="one.csv", **options)
    two = build(frame[2_500:].assign(b=None), source="two.csv", **options)
    merged = merge([one, two])
    save(merged, tmp_path / "m.json")

    assert to_dict(load(tmp_path / "m.json")) == to_dict(merged)
    assert (merged.merged, merged.source, merged.order) == (2, "one.csv + two.csv", "time")
    assert merged.span == ("2026-01-01T00:00:00+00:00", "2026-06-16T15:00:00+00:00")
    assert (merged.season, merged.features[0].by_slot) == ("", None)
    assert merged.deff == max(one.deff, two.deff)
    assert sorted(c.name for c in merged.left_out) == ["b", "id", "ts"]
    assert [f.name for f in merged.features] == ["a"]


OLD = Path(__file__).parent / "references" / "format1.reference.json"
TEXTS = build(pd.DataFrame({"a": ["x", "y"]}))
PLAIN = build(pd.DataFrame({"a": [1.0, 2.0]}))


@pytest.mark.parametrize(
    ("profiles", "message"),
    [
        ([PLAIN], "profiles: got 1 from the argument; expected at least two"),
        ([PLAIN, build(np.ones((3, 1)))], "got tables of other columns"),
        ([PLAIN, build(pd.DataFrame({"z": [1.0]}))], "got a, z in some but not in all"),
        ([PLAIN, TEXTS], "got the feature 'a' with other kinds of values"),
        ([load(OLD), load(OLD)], "got one of format 1, without histograms"),
        (
            [PLAIN, build(pd.DataFrame({"a": pd.to_timedelta([1, 2], unit="s")}))],
            "got the feature 'a' with other kinds of values",
        ),
    ],
)
def test_what_cannot_be_merged_is_refused(profiles: Any, message: str) -> None:
    """The message says what is expected."""
    with pytest.raises(ProfileError, match=message):
        merge(profiles)

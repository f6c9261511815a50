"""A reference by segments: built, kept, refused; the same in any order and any parts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tidegauge_drift import ProfileError, ReferenceProfile, build, merge
from tidegauge_drift.files import build_file
from tidegauge_drift.profile import CategoricalFeature
from tidegauge_drift.segments import Sorter
from tidegauge_drift.store import checksum, dumps, loads

if TYPE_CHECKING:
    from pathlib import Path

COUNTRIES = ("SE", "NO", "DK", "FI")


def frame(rows: int = 3000, seed: int = 0, countries: tuple[str, ...] = COUNTRIES) -> pd.DataFrame:
    """Return rows of two numbers, a category, and a country that some do not have."""
    rng = np.random.default_rng(seed)
    country = rng.choice(countries, rows).astype(object)
    country[rng.random(rows) < 0.05] = None
    return pd.DataFrame(
        {
            "a": rng.normal(size=rows),
            "b": np.where(rng.random(rows) < 0.1, np.nan, rng.lognormal(size=rows)),
            "plan": rng.choice(["free", "paid"], rows),
            "country": country,
        }
    )


def by_segment(profile: ReferenceProfile) -> list[Any]:
    """Return the counts of all features by segment."""
    return [
        None if f.by_segment is None else f.by_segment.tolist()
        for f in (*profile.features, *profile.outputs)
    ]


def test_each_segment_has_the_counts_of_its_own_rows() -> None:
    """On the cells of all rows; rows without a country are of no segment."""
    data = frame()
    profile = build(data, segment="country")
    assert profile.segments is not None
    rows = data["country"].value_counts()

    assert sorted(COUNTRIES) == sorted(profile.segments.texts)
    assert [rows[value] for value in profile.segments.texts] == sorted(rows, reverse=True)
    for feature in profile.features:
        assert feature.by_segment is not None
        assert [rows[v] for v in profile.segments.texts] == feature.by_segment.sum(axis=1).tolist()
    plan = profile.features[2]
    assert plan.by_segment is not None
    first = data[data["country"] == profile.segments.texts[0]]["plan"].value_counts()
    assert isinstance(plan, CategoricalFeature)
    assert [first[name] for name in plan.top] == plan.by_segment[0, :2].tolist()


def test_the_ten_most_frequent_values_that_have_300_rows_are_the_segments() -> None:
    """By falling number of rows; others are the rest."""
    numbers = {f"c{i:02}": 300 + 10 * i for i in range(12)} | {"few": 299}
    data = pd.DataFrame({"c": np.repeat([*numbers], [*numbers.values()])})
    data["a"] = np.arange(len(data)) % 97 / 3
    found = build(data, segment="c").segments
    short = build(data[data["c"].isin(["few", "c00"])], segment="c").segments

    assert found is not None
    assert short is not None
    assert tuple(f"c{i:02}" for i in range(11, 1, -1)) == found.texts
    assert short.texts == ("c00",)


@given(st.integers(0, 2**32 - 1), st.integers(50, 900))
@settings(deadline=None, max_examples=5)
def test_order_and_parts_of_the_rows_make_no_difference(seed: int, part: int) -> None:
    """Neither to the segments nor to any count."""
    data = frame(1500)
    whole = build(data, segment="country")
    mixed = data.sample(frac=1, random_state=seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tidegauge_drift.tables.PART_ROWS", part)
        parts = build(mixed, segment="country")

    assert whole.segments is not None
    assert parts.segments is not None
    assert whole.segments.texts == parts.segments.texts
    assert by_segment(whole) == by_segment(parts)


def test_a_file_of_it_is_read_as_it_was_written() -> None:
    """With the same checksum; it takes about a kilobyte more a feature."""
    profile = build(frame(), segment="country")
    read = loads(dumps(profile))
    plain = build(frame())

    assert read.segments is not None
    assert profile.segments is not None
    assert (read.segments.name, read.segments.position) == ("country", 3)
    assert profile.segments.hashes.tolist() == read.segments.hashes.tolist()
    assert (checksum(profile), by_segment(profile)) == (checksum(read), by_segment(read))
    assert checksum(plain) != checksum(profile)
    assert len(dumps(profile)) - len(dumps(plain)) < 1_000 * len(profile.features)


def test_a_file_whose_counts_are_of_other_segments_is_no_profile() -> None:
    """As many as the values, or it is refused."""
    profile = build(frame(), segment="country")
    feature = profile.features[0]
    assert feature.by_segment is not None
    object.__setattr__(feature, "by_segment", feature.by_segment[:2])

    with pytest.raises(ProfileError, match="fields of no profile"):
        loads(dumps(profile))


@pytest.mark.parametrize(
    "values",
    [
        np.repeat([1, 2], 500),
        np.repeat([1.0, 2.0], 500),
        np.repeat(["1", "2"], 500),
        np.repeat([True, False], 500),
    ],
    ids=["integers", "floats", "texts", "booleans"],
)
def test_numbers_are_segments_as_texts_are(values: Any) -> None:
    """1, 1.0, True and "1" are one value, in the reference and live."""
    data = pd.DataFrame({"a": np.random.default_rng(0).normal(size=1000), "group": values})
    segments = build(data, segment="group").segments
    assert segments is not None
    first = segments.texts.index("1")
    sorter = Sorter(segments.hashes)

    for live in (np.array([1]), np.array([1.0]), np.array(["1"], object), np.array([True])):
        assert [first] == sorter.places(live).tolist()
    odd = np.array([None, np.nan, "else", [1]], object)
    assert [2] * 4 == sorter.places(odd).tolist()


def test_hashed_references_hold_no_text_of_segments() -> None:
    """Only the hash by which a value is found."""
    profile = build(frame(), segment="country", hash_categories=True)
    assert profile.segments is not None

    assert all(re.fullmatch("#[0-9a-f]{16}", value) for value in profile.segments.texts)
    assert b'"SE"' not in dumps(profile)


IDS = "which has more than 10000 values and so names rows or measures something"


@pytest.mark.parametrize(
    ("column", "more", "said"),
    [
        (np.arange(12_000), {}, IDS),
        (np.random.default_rng(0).random(12_000), {}, IDS),
        (np.array([f"u{i}" for i in range(12_000)]), {}, IDS),
        (np.arange(12_000) // 100, {}, "of which 100 rows have the most frequent value"),
        (np.full(12_000, "SE"), {}, "which has one value in all rows"),
        (np.full(12_000, None), {}, "of which 0 rows have the most frequent value"),
        (pd.Series([[1]] * 12_000), {}, "which holds values that are no categories"),
        (np.arange(12_000) % 3, {"drop": ["c"]}, "which the model does not get"),
        (np.arange(12_000) % 3, {"time_column": "c"}, "the column of the rows' times"),
        (
            np.arange(12_000) % 3,
            {"time_column": "t", "season": "hour"},
            "together with a season",
        ),
    ],
)
def test_a_column_that_cannot_be_that_of_segments_is_refused(
    column: Any, more: dict[str, Any], said: str
) -> None:
    """With what was found in it, and what to do."""
    data = pd.DataFrame({"a": np.random.default_rng(1).normal(size=12_000), "c": column})
    data["t"] = np.arange(12_000) * 60.0

    with pytest.raises(ProfileError, match=re.escape(f"segment: got 'c', {said}")):
        build(data, segment="c", **more)


def test_a_column_that_is_not_there_is_refused() -> None:
    """The columns that are there are named."""
    expected = (
        "segment: got 'land', which the table does not have, from the argument; expected one of "
        "the columns: a, b, plan, country. Correct the name."
    )

    with pytest.raises(ProfileError, match=re.escape(expected)):
        build(frame(), segment="land")


def test_outputs_are_counted_by_segment_where_their_rows_have_the_column(tmp_path: Path) -> None:
    """It is no output then; without it they are not."""
    data = frame()
    held = frame(1200, seed=1)
    data.to_csv(tmp_path / "train.csv", index=False)
    held.assign(score=held["a"] / 2).to_csv(tmp_path / "held.csv", index=False)
    held[["a"]].assign(score=1.0).to_csv(tmp_path / "bare.csv", index=False)

    def built(holdout: str) -> ReferenceProfile:
        return build_file(
            tmp_path / "train.csv", holdout=tmp_path / holdout, outputs=("score",),
            segment="country",
        )  # fmt: skip

    output = built("held.csv").outputs
    found = built("held.csv").segments
    assert found is not None
    rows = held["country"].value_counts()
    assert ["score"] == [each.name for each in output]
    assert output[0].by_segment is not None
    assert [rows[v] for v in found.texts] == output[0].by_segment.sum(axis=1).tolist()
    assert built("bare.csv").outputs[0].by_segment is None


def test_merged_references_have_no_segments() -> None:
    """Their counts are on other cells, as those of seasons are."""
    parts = [build(frame(seed=seed), segment="country") for seed in (0, 1)]
    merged = merge(parts)

    assert merged.segments is None
    assert [None] * 4 == by_segment(merged)

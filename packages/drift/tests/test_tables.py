"""Tables in parts: any parts, files and frames of the same rows give one profile, bit for bit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tidegauge_drift import ProfileError, build, build_file, tables
from tidegauge_drift.plain import to_dict

ROWS = 20_000


def _frame(rows: int = ROWS) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    frame = pd.DataFrame(
        {
            "ts": pd.date_range("2026-01-01", periods=rows, freq="7min"),
            "heavy": rng.lognormal(0, 3, rows),
            "narrow": 1.7e9 + rng.uniform(-5, 5, rows),
            "inflated": np.where(rng.random(rows) < 0.6, 0.0, rng.normal(size=rows)),
            "slow": np.cumsum(rng.normal(size=rows)) / 10,
            "whole": rng.poisson(40, rows),
            "gaps": np.where(rng.random(rows) < 0.1, np.nan, rng.normal(size=rows)),
            "flag": rng.random(rows) < 0.2,
            "text": rng.choice(["a", "b", "Ø", "01", "1"], rows, p=[0.4, 0.3, 0.2, 0.07, 0.03]),
            "user": [f"u{i}" for i in rng.zipf(1.3, rows) % 9_000],
        }
    )
    frame.loc[[7, ROWS // 2], "text"] = None
    return frame


FRAME = _frame()
OPTIONS: dict[str, Any] = {"time_column": "ts", "season": "hour", "built": "now"}


def _features(profile: Any) -> list[dict[str, Any]]:
    """Return the features without what is a sum of floats."""
    inexact = ("sums", "mean", "sd")
    return [
        {key: value for key, value in feature.items() if key not in inexact}
        for feature in to_dict(profile)["features"]
    ]


def _sums(profile: Any) -> list[float]:
    found = to_dict(profile)["features"]
    numeric = [f for f in found if f["kind"] == "numeric"]
    return [value for f in numeric for value in (*f["sums"], f["mean"], f["sd"])]


EXPECTED = build(FRAME, **OPTIONS)


def _check(profile: Any) -> None:
    assert _features(profile) == _features(EXPECTED)
    assert _sums(profile) == pytest.approx(_sums(EXPECTED), rel=1e-12, abs=1e-9)
    assert profile.span == EXPECTED.span == (
        "2026-01-01T00:00:00+00:00", "2026-04-08T05:13:00+00:00"
    )  # fmt: skip


@settings(
    deadline=None, max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(part_rows=st.integers(700, 30_000))
def test_parts_of_any_size_give_one_profile(
    part_rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counts, edges, histograms, dependence and seasons equal; sums to 1e-12."""
    monkeypatch.setattr(tables, "PART_ROWS", part_rows)
    _check(build(FRAME, **OPTIONS))


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.tsv", "t.parquet"])
@pytest.mark.parametrize("part_rows", [65_536, 3_001])
def test_files_give_the_profile_of_their_rows(
    name: str, part_rows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A column of texts of which some look like numbers is text, wherever the parts are cut."""
    monkeypatch.setattr(tables, "PART_ROWS", part_rows)
    path = tmp_path / name
    if name.endswith(".parquet"):
        FRAME.to_parquet(path, row_group_size=4_000)
    else:
        FRAME.to_csv(path, index=False, sep="\t" if ".tsv" in name else ",")
    _check(build_file(path, **OPTIONS))


def test_rows_in_memory_are_put_in_the_order_of_time() -> None:
    """With their dependence measured then; polars' too."""
    shuffled = FRAME.sample(frac=1, random_state=1)
    _check(build(shuffled, **OPTIONS))
    _check(build(pl.from_pandas(shuffled), **OPTIONS))


def test_order_matters_to_nothing_but_dependence() -> None:
    """Without a time column any order of the rows gives one profile."""
    frame = FRAME.drop(columns="ts")
    one, other = build(frame, built="now"), build(frame.iloc[::-1], built="now")

    assert _features(one) == _features(other)
    assert (one.order, one.deff, one.span, one.season) == ("unknown", 1.0, None, "")


def test_a_column_that_looks_like_numbers_at_first_is_read_again_as_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it is written: 01 is not 1."""
    monkeypatch.setattr(tables, "PART_ROWS", 10)
    codes = ["01", "1", "02"] * 10 + ["x"] * 10 + ["01", "", "1.50"] * 10
    path = tmp_path / "t.csv"
    pd.DataFrame({"code": codes, "n": [1.0, 2.0] * 35}).to_csv(path, index=False)
    feature = build_file(path).features[0]

    assert sorted(feature.top) == ["01", "02", "1", "1.50", "x"]  # type: ignore[union-attr]
    assert (feature.rows, feature.missing) == (70, 10)


_SEPARATED = (
    "expected names with ',' between them. Write the table so (a file with tabs may be named "
    ".tsv), and numbers with a decimal point."
)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a;b\n0,1;2\n", f"got one column, 'a;b', from the file's first line; {_SEPARATED}"),
        ("a\tb\n1\t2\n", f"got one column, 'a\\tb', from the file's first line; {_SEPARATED}"),
        (
            "a,b\nr1,1,2\nr2,3,4\n",
            "got rows with more values than there are names from the file; expected a name for "
            "every column in the first line. Name the columns.",
        ),
        (
            "a,b\n1,2\nOslo, Norway,3\n",
            "got ParserError (Error tokenizing data. C error: Expected 2 fields in line 3, saw 3) "
            "while reading the file; expected a complete table with a header line. Put the file "
            "right, or write it again.",
        ),
        (
            "a,b\nÖ,1\n",
            "got bytes that are not UTF-8 from the file; expected text in UTF-8. Write it in "
            "UTF-8, as `iconv -f latin1 -t utf-8` does for one encoding.",
        ),
    ],
)
def test_a_file_whose_values_would_stand_under_wrong_names_is_refused(
    content: str, message: str, tmp_path: Path
) -> None:
    """What is wrong and where is said, rather than a reference built of something else."""
    path = tmp_path / "t.csv"
    path.write_text(content, "latin-1")
    with pytest.raises(ProfileError) as caught:
        build_file(path, drop=("a",))

    assert str(caught.value) == f"{path}: {message}"


def test_a_comma_at_the_end_of_each_row_moves_no_value(tmp_path: Path) -> None:
    """Pandas would take the first column for an index, and each name for the next column."""
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,7,\n2,8,\n", "utf-8")

    assert [{"a": [1, 2], "b": [7, 8]}] == [
        {name: list(values) for name, values in part.items()}
        for part in tables.open_table(path).parts(("a", "b"), ())
    ]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([3, 1, 2], "ts: got rows that are not in the order of time from t.csv; expected ascending "
                    "times. Sort the table by this column, or leave out --time-column."),
        ([1, None, 2], "ts: got rows without a time from t.csv; expected a time in every row. "
                       "Drop those rows."),
        (["x", "y", "z"], "ts: got texts that are no times from t.csv; expected times as "
                          "2026-01-31 13:45:00, or Unix seconds."),
        ([True, False, True], "ts: got values that are boolean from t.csv; expected times."),
        ([1.7e12, 1.8e12, 1.9e12], "ts: got numbers too large for seconds from t.csv; expected "
                                   "seconds since 1970. Convert them."),
    ],
)  # fmt: skip
def test_times_that_cannot_be_used_are_refused(
    values: list[Any], message: str, tmp_path: Path
) -> None:
    """A file is not sorted: it may be larger than memory."""
    path = tmp_path / "t.csv"
    pd.DataFrame({"ts": values, "a": [1.0, 2.0, 2.0]}).to_csv(path, index=False)
    with pytest.raises(ProfileError) as caught:
        build_file(path, time_column="ts")

    assert message == str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"time_column": "at"}, "time_column: got 'at' from the argument; expected one of"),
        ({"season": "hour"}, "season: got a season without a time column from the argument"),
        ({"time_column": "ts", "season": "month"}, "season: got 'month' from the argument"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], message: str) -> None:
    """The message says what is allowed."""
    with pytest.raises(ProfileError, match=message):
        build(FRAME[:10], **options)


class _Changing(tables.MemoryRows):
    """A table that somebody writes to."""

    def __init__(self, rows: Sequence[int], *, shrinks: bool) -> None:
        super().__init__(np.zeros((2, 1)))
        self._rows = iter(rows)
        self._shrinks = shrinks

    def parts(self, *_: Any) -> Iterator[dict[str, Any]]:
        """Yield another number of rows, or other values, each time."""
        rows = next(self._rows)
        yield {"x0": np.random.default_rng(0 if self._shrinks else rows).normal(size=rows)}


@pytest.mark.parametrize(
    ("rows", "shrinks"), [([100, 90], True), ([20_000, 20_001], False), ([100, 110], True)]
)
def test_a_table_that_changes_while_it_is_read_is_refused(rows: list[int], shrinks: bool) -> None:
    """Rather than counted half."""
    with pytest.raises(ProfileError, match="got other rows in each round from the table"):
        build(_Changing(rows, shrinks=shrinks))

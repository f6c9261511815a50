"""The report by segment: each segment's rows against the reference's rows of it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import stats
from tidegauge.command import CommandError
from tidegauge_drift import CompareSettings, DriftReport, ReferenceProfile, build, compare, save
from tidegauge_drift.report.segment_result import BySegment
from tidegauge_testkit.contracts.commands import run

COUNTRIES = ["DE", "FR", "IT", "ES", "SE"]
SHARES = [0.4, 0.3, 0.15, 0.1, 0.05]


def _table(seed: int, rows: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "country": rng.choice(COUNTRIES, rows, p=SHARES).astype(object),
            "amount": rng.lognormal(size=rows),
            "plan": rng.choice(["free", "plus", "pro"], rows, p=[0.6, 0.3, 0.1]).astype(object),
            "age": rng.normal(45, 12, rows),
            "score": rng.random(rows),
        }
    )


def _moved(frame: pd.DataFrame) -> pd.DataFrame:
    """Move one feature of one segment, and take values from another one."""
    current = frame.copy()
    current.loc[current["country"] == "IT", "amount"] *= 2.0
    gaps = np.flatnonzero(current["country"] == "FR")[:120]
    current.loc[gaps, "age"] = np.nan
    return current


def _by(report: DriftReport) -> BySegment:
    assert report.segments is not None
    return report.segments


SETTINGS = CompareSettings(segment="country", outputs=["score"])


@pytest.mark.parametrize("profile", [False, True])
def test_what_moves_in_one_segment_is_found_there(profile: bool) -> None:
    """Among all rows it is too small; with a reference file it is the same as with its rows."""
    before, now = _table(0, 20_000), _moved(_table(1, 4_000))
    reference: Any = before
    if profile:
        inputs = before.drop(columns="score")
        reference = build(inputs, outputs=before[["score"]], segment="country")
    report = compare(reference, now, settings=SETTINGS)
    by = _by(report)

    assert not any(feature.drifted for feature in report.features)
    assert report.drifted
    found = {segment.value: [f.name for f in segment.flagged] for segment in by.segments}
    assert found == {"IT": ["amount"], "FR": ["age"], "DE": [], "ES": [], "SE": []}
    assert [segment.value for segment in by.segments] == ["FR", "IT", "DE", "ES", "SE"]
    italy = next(segment for segment in by.segments if segment.value == "IT")
    assert (italy.reference_rows, italy.current_rows) == (
        (before["country"] == "IT").sum(), (now["country"] == "IT").sum()
    )  # fmt: skip
    assert {f.name for f in italy.features} == {"amount", "plan", "age", "score"}
    amount = italy.features[0]
    assert (amount.reference.rows, amount.current.rows) == (
        italy.reference_rows, italy.current_rows
    )  # fmt: skip


def test_the_numbers_of_a_segment_are_those_of_its_rows_alone() -> None:
    """Statistics, p-values and sizes of a comparison of nothing else."""
    before, now = _table(2, 6_000), _table(3, 3_000)
    by = _by(compare(before, now, settings=SETTINGS))
    for segment in by.segments:
        alone = compare(
            before[before["country"] == segment.value].drop(columns="country"),
            now[now["country"] == segment.value].drop(columns="country"),
            settings=CompareSettings(outputs=["score"]),
        )
        for feature in segment.features:
            other = alone[feature.name]
            assert feature.statistics == other.statistics
            assert (feature.p_value, feature.effect) == (other.p_value, other.effect)
            assert (feature.current, feature.bins) == (other.current, other.bins)


def test_all_segments_are_one_family_at_a_tenth_of_the_level() -> None:
    """Benjamini and Hochberg over every feature of every segment, as scipy computes it."""
    now = _moved(_table(5, 3_000))
    by = _by(compare(_table(4, 6_000), now, settings=SETTINGS))
    features = [feature for segment in by.segments for feature in segment.features]
    p_values = [feature.p_value for feature in features]
    adjusted = [feature.adjusted_p_value for feature in features]

    assert len(features) == 20
    assert stats.false_discovery_control(p_values) == pytest.approx(adjusted, rel=1e-12)
    assert by.alpha == pytest.approx(0.005)
    assert by.tests == {"tested": 20, "flagged": 1}
    checks = [check for feature in features for check in feature.quality]
    shares = stats.false_discovery_control([check.p_value for check in checks])
    assert shares == pytest.approx([check.adjusted_p_value for check in checks], rel=1e-12)


def test_clean_segments_seldom_alarm() -> None:
    """At most one of 15 clean pairs, of five segments and four features each."""
    flagged = 0
    for seed in range(15):
        rng = np.random.default_rng([6, seed])
        sides = [
            pd.DataFrame(
                {
                    "s": rng.integers(0, 5, rows),
                    **{f"x{i}": rng.normal(size=rows) for i in range(4)},
                }
            )
            for rows in (5_000, 1_500)
        ]
        flagged += _by(compare(*sides, settings=CompareSettings(segment="s"))).drifted

    assert flagged <= 1


def test_what_is_in_no_segment_is_said() -> None:
    """Ten segments at most; other values, new ones and rows without one are named with rows."""
    rng = np.random.default_rng(7)
    letters = list("abcdefghijklmn")
    shares = 2.0 ** -np.arange(len(letters))
    drawn = rng.choice(letters, 30_000, p=shares / shares.sum()).astype(object)
    before = pd.DataFrame({"s": pd.Series(drawn, dtype=object), "x": rng.normal(size=30_000)})
    now = before[:5_000].copy()
    now.loc[:9, "s"] = "new"
    now.loc[10:14, "s"] = None
    listed = now["s"].tolist()
    listed[15] = listed[16] = [1]
    now["s"] = listed
    by = _by(compare(before, now, settings=CompareSettings(segment="s")))

    assert sorted(segment.value for segment in by.segments) == letters[:10]
    assert [(other.value, other.current_rows) for other in by.new] == [("new", 10)]
    times = before["s"].value_counts()
    assert {other.value: other.reference_rows for other in by.others} == {
        letter: times[letter] for letter in letters[10:] if letter in times
    }
    assert by.missing == (0, 7)
    few = [segment for segment in by.segments if segment.reason]
    assert {segment.value for segment in few} == {
        s.value for s in by.segments if min(s.reference_rows, s.current_rows) < 30
    }
    assert few
    for segment in few:
        assert segment.drifted is None
        assert segment.features == ()
        assert (
            segment.reason == f"current has {segment.current_rows} rows of it; a verdict needs 30"
        )


def test_many_other_values_are_counted() -> None:
    """A hundred of each kind are named."""
    rng = np.random.default_rng(8)
    before = pd.DataFrame(
        {"s": ["a"] * 500 + [f"v{i}" for i in range(300)], "x": rng.normal(size=800)}
    )
    now = pd.DataFrame({"s": ["a"] * 500 + [f"w{i}" for i in range(200)], "x": before["x"][:700]})
    by = _by(compare(before, now, settings=CompareSettings(segment="s")))

    assert (len(by.others), len(by.new), by.left_out) == (100, 100, 191 + 100)


def _kinds(frame: pd.DataFrame) -> list[Any]:
    return [frame, pl.from_pandas(frame), pa.Table.from_pandas(frame), frame.to_numpy()]


@pytest.mark.parametrize("kind", range(4))
def test_every_kind_of_table_has_the_same_segments(kind: int) -> None:
    """Pandas, polars, arrow, and a bare array, whose columns are x0, x1 ...; 1 and 1.0 are one."""
    rng = np.random.default_rng(9)
    sides = [
        pd.DataFrame({"s": rng.integers(0, 3, rows), "x": rng.normal(shift, 1, rows)})
        for rows, shift in ((3_000, 0.0), (1_500, 1.0))
    ]
    sides[1]["s"] = sides[1]["s"].astype(float)
    name = "x0" if kind == 3 else "s"
    reference, current = (_kinds(side)[kind] for side in sides)
    by = _by(compare(reference, current, settings=CompareSettings(segment=name)))

    assert sorted(segment.value for segment in by.segments) == ["0", "1", "2"]
    assert by.new == by.others == ()
    for segment in by.segments:
        assert segment.current_rows == (sides[1]["s"] == float(segment.value)).sum()
        assert [feature.drifted for feature in segment.features] == [True]


def test_rows_of_a_segment_are_worth_what_rows_of_the_feature_are() -> None:
    """With a column of time: dependence is measured on all rows."""
    rng = np.random.default_rng(10)
    walk = np.repeat(rng.normal(size=400), 20)
    before = pd.DataFrame(
        {"at": np.arange(8_000.0), "s": rng.choice(["a", "b"], 8_000).astype(object), "x": walk}
    )
    settings = CompareSettings(segment="s", time_column="at")
    report = compare(before, before[:4_000], settings=settings)
    worth = report["x"].effective_rows[0] / 8_000

    assert worth < 0.1
    for segment in _by(report).segments:
        (feature,) = segment.features
        assert feature.effective_rows[0] == pytest.approx(worth * segment.reference_rows)


def test_one_broken_feature_does_not_take_a_segment_with_it() -> None:
    """What cannot be compared with all rows is not looked at by segment."""
    before, now = _table(11, 3_000), _table(12, 1_500).drop(columns="age")
    now["plan"] = [[i] for i in range(len(now))]
    by = _by(compare(before, now, settings=SETTINGS))

    for segment in by.segments:
        verdicts = {feature.name: feature.drifted for feature in segment.features}
        assert verdicts["amount"] is False
        assert "age" not in verdicts


@pytest.mark.parametrize(
    ("column", "values", "said"),
    [
        ("none", ["a", "b"], "'none' from the argument, which reference has not as a column"),
        ("s", ["a"], "which has one value in all rows of the reference"),
        ("s", None, "of which 1 of the reference's 400 rows have the most frequent value"),
        ("s", [[1]], "of which 0 of the reference's 400 rows have the most frequent value"),
        ("x", ["a", "b"], "of which 1 of the reference's 400 rows"),
        ("at", ["a", "b"], "which is the column of time or an output"),
    ],
)
def test_a_column_that_makes_no_segments_is_refused(
    column: str, values: list[Any] | None, said: str
) -> None:
    """With its name, what is wrong with it, and what is expected."""
    listed = [f"v{i}" for i in range(400)] if values is None else (values * 400)[:400]
    frame = pd.DataFrame(
        {"s": listed, "x": np.random.default_rng(0).normal(size=400), "at": np.arange(400)}
    )
    settings = CompareSettings(segment=column, time_column="at")
    with pytest.raises(ValueError, match="segment: got") as caught:
        compare(frame, frame, settings=settings)

    assert said in str(caught.value)
    assert "expected" in str(caught.value)


def _profile(segment: str) -> ReferenceProfile:
    return build(_table(13, 4_000).drop(columns="score"), segment=segment)


def test_a_reference_file_has_the_segments_that_it_was_built_with() -> None:
    """Another column, or none, is refused with what to do."""
    now = _table(14, 2_000)
    for built, said in (("", "built without segments"), ("plan", "built by 'plan'")):
        with pytest.raises(ValueError, match=said) as caught:
            compare(_profile(built), now, settings=CompareSettings(segment="country"))
        assert "Build it again with --segment country" in str(caught.value)


def test_a_reference_file_tells_new_values_from_rare_ones() -> None:
    """By the hashes of all that it had; hashed ones are compared as well."""
    before = _table(13, 4_000).drop(columns="score")
    before.loc[:49, "country"] = "XK"
    now = _table(14, 2_000)
    now.loc[:19, "country"] = "XK"
    now.loc[20:24, "country"] = "YY"
    for hashed in (False, True):
        profile = build(before, segment="country", hash_categories=hashed)
        by = _by(compare(profile, now, settings=CompareSettings(segment="country")))

        sweden = tuple((side["country"] == "SE").sum() for side in (before, now))
        others = {o.value: (o.reference_rows, o.current_rows) for o in by.others}
        assert others == {"SE": sweden, "XK": (50, 20)}
        assert [(o.value, o.current_rows) for o in by.new] == [("YY", 5)]
        assert by.missing == (None, 0)
        assert all(segment.drifted is False for segment in by.segments)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Return a table, and one with what moves in two segments."""
    reference, current = tmp_path / "train.csv", tmp_path / "live.parquet"
    _table(0, 20_000).to_csv(reference, index=False)
    _moved(_table(1, 4_000)).to_parquet(current)
    return reference, current


def test_the_command_shows_a_table_of_segments(files: tuple[Path, Path]) -> None:
    """After that of the features; its exit status counts them."""
    arguments = (*files, "--outputs", "score", "--fail-on-drift")
    plain, console = (
        run("drift report", *arguments, *more) for more in ((), ("--segment", "country"))
    )

    assert (plain.status, console.status) == (1, 1)  # 3 % of age are missing: all rows show it
    assert list(console.tables) == [
        "The data quality of 1 changed, drift in 2 of 5 segments: live.parquet against train.csv",
        "By country: drift in 2 of 5 segments",
    ]
    rows = {row[0]: row for row in console.rows[1:]}
    assert console.rows[0][0] == "country"
    assert rows["IT"][3] == "drifted"
    assert rows["IT"][4].startswith("amount (")
    assert rows["FR"][4].startswith("age (missing 0 % → ")
    assert rows["DE"][3:5] == ["no drift", ""]
    assert [what for what, _ in console.tracked][-1] == "comparing segments"


def test_drift_in_a_segment_alone_fails_a_pipeline(tmp_path: Path) -> None:
    """Where nothing else is flagged."""
    reference, current = tmp_path / "train.csv", tmp_path / "live.csv"
    now = _table(1, 4_000)
    now.loc[now["country"] == "IT", "amount"] *= 2.0
    _table(0, 20_000).to_csv(reference, index=False)
    now.to_csv(current, index=False)

    assert run("drift report", reference, current, "--fail-on-drift").status == 0
    console = run("drift report", reference, current, "--fail-on-drift", "--segment", "country")
    assert console.status == 1
    assert "Drift in 1 of 5 segments: live.csv against train.csv" in console.tables


def test_segments_are_in_json_and_on_the_page(files: tuple[Path, Path], tmp_path: Path) -> None:
    """JSON has every feature of every segment without what charts are drawn of."""
    page, content = tmp_path / "drift.html", tmp_path / "drift.json"
    run("drift report", *files, "--segment", "country", "--html", page, "--json", content)
    found = json.loads(content.read_text("utf-8"))["segments"]

    assert (found["column"], found["drifted"], found["new"]) == ("country", True, [])
    assert [segment["value"] for segment in found["segments"]] == ["FR", "IT", "DE", "ES", "SE"]
    assert {len(segment["features"]) for segment in found["segments"]} == {4}
    assert "histogram" not in found["segments"][0]["features"][0]
    html = page.read_text("utf-8")
    assert html.count('<details id="s') == 5
    assert "By country: drift in 2 of 5 segments" in html
    assert "segments" not in json.loads(
        compare(_table(0, 500), _table(1, 500)).to_json()
    )  # fmt: skip


def test_a_reference_file_on_the_command_line(files: tuple[Path, Path], tmp_path: Path) -> None:
    """Built with --segment; what does not fit is one clear line."""
    profile = tmp_path / "fraud.reference.json"
    save(build(_table(0, 20_000).drop(columns="score"), segment="country"), profile)
    console = run("drift report", profile, files[1], "--segment", "country")

    assert console.title == "By country: drift in 2 of 5 segments"
    with pytest.raises(CommandError, match="built by 'country'"):
        run("drift report", profile, files[1], "--segment", "plan")


@pytest.mark.backends
def test_a_browser_shows_the_segments(tmp_path: Path) -> None:
    """Headless Chromium draws the page without a complaint; flagged segments are unfolded."""
    browser = shutil.which("chromium")
    if browser is None:
        pytest.skip("chromium is not installed")
    page, text = tmp_path / "report.html", ""
    report = compare(_table(0, 20_000), _moved(_table(1, 4_000)), settings=SETTINGS)
    page.write_text(report.to_html(), encoding="utf-8")
    done = subprocess.run(
        [
            browser, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr",
            f"--user-data-dir={tmp_path / 'browser'}", "--dump-dom", page.as_uri(),
        ],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    text = done.stdout

    assert "CONSOLE" not in done.stderr
    assert text.count('<details id="s') == 5
    assert text.count('class="segment flagged" open') == 2

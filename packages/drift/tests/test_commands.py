"""``tidegauge reference build`` and ``show`` as a user runs them."""

from __future__ import annotations

import json
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from tidegauge.command import CommandError
from tidegauge_drift import DriftProcessor, DriftSettings, build, load, save
from tidegauge_testkit.contracts.commands import Recorder, run

if TYPE_CHECKING:
    from pathlib import Path


def _run(name: str, *arguments: str) -> Recorder:
    console = run(name, *arguments)
    assert console.status == 0
    return console


@pytest.fixture
def train(tmp_path: Path) -> Path:
    """Return a table with a number, a category, an id, a constant and a label."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "id": [f"r{i}" for i in range(500)],
            "amount": rng.lognormal(0, 1, 500),
            "country": rng.choice(["SE", "NO"], 500),
            "fee": 1.5,
            "label": rng.integers(0, 2, 500),
        }
    )
    frame.loc[:4, "amount"] = np.nan
    frame.to_csv(tmp_path / "train.csv", index=False)
    frame.assign(score=rng.random(500)).to_csv(tmp_path / "valid.csv.gz", index=False)
    return tmp_path / "train.csv"


def test_build_writes_a_reference_and_says_what_is_in_it(train: Path) -> None:
    """Features, rows, reference, and what was left out and why."""
    target = train.parent / "fraud.reference.json"
    console = _run(
        "reference build", str(train), "-o", str(target), "--drop", "label",
        "--holdout", str(train.parent / "valid.csv.gz"), "--outputs", "score",
    )  # fmt: skip
    profile = load(target)

    assert [f.name for f in profile.features] == ["amount", "country", "fee"]
    assert [f.name for f in profile.outputs] == ["score"]
    assert console.tracked == [
        ("reading train.csv, round 1", 1), ("reading train.csv, round 2", 1),
        ("reading valid.csv.gz, round 1", None), ("reading valid.csv.gz, round 2", None),
    ]  # fmt: skip
    assert console.lines[0].startswith(f"{target}: 3 features, 1 outputs, 500 rows, reference ")
    assert console.lines[1:] == [
        "  left out: id (names rows: more than 90 % of its values are distinct)"
    ]


def test_the_file_is_named_after_the_table(train: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the current folder; without outputs it is said how to get them."""
    monkeypatch.chdir(train.parent)
    console = _run("reference build", "train.csv", "--exclude", "fee", "--include", "*")

    assert [f.name for f in load("train.reference.json").features] == ["amount", "country", "label"]
    assert "  left out: fee (excluded by name)" in console.lines
    assert console.lines[-1].startswith("  no outputs: pass --holdout with --outputs or --model")


@pytest.mark.parametrize(("rows", "said"), [(299, True), (300, False)])
def test_few_rows_are_said(rows: int, said: bool, tmp_path: Path) -> None:
    """The first lines of a table, as one tries a tool with, make a reference that sees little."""
    pd.DataFrame({"a": np.arange(rows) % 7}).to_csv(tmp_path / "t.csv", index=False)
    lines = _run("reference build", str(tmp_path / "t.csv"), "-o", str(tmp_path / "r.json")).lines

    few = "  few rows: below 300 there is no PSI, and only large changes are seen"
    assert said == (few in lines)


def test_correlations_are_kept_where_asked_for(train: Path) -> None:
    """Of columns that are not constant; a merged reference has none, and that is said."""
    table = pd.read_csv(train).assign(age=range(500, 0, -1), size=[1.5, 2.5] * 250)
    table.to_csv(train, index=False)
    files = [str(train.parent / name) for name in ("a.json", "b.json", "c.json")]
    built = _run("reference build", str(train), "-o", files[0], "--drop", "label", "--correlation")
    alone = _run(
        "reference build", str(train), "-o", files[1], "--include", "amount", "--correlation"
    )
    shown = _run("reference show", files[0])
    merged = _run("reference merge", files[0], files[0], "-o", files[2])
    found = load(files[0]).correlation

    assert found is not None
    assert found.names == ("amount", "age", "size")
    assert "  correlations of 3 of 4 numeric columns" in built.lines
    assert shown.title.endswith(", correlations of 3 columns")
    assert "  no correlations: fewer than two numeric columns that are not constant" in alone.lines
    assert merged.lines[-1] == "  no correlations: they are of other cells; build from all rows"


def test_show_prints_a_table(train: Path) -> None:
    """One row a column of the reference."""
    target = str(train.parent / "a.reference.json")
    _run("reference build", str(train), "-o", target)
    console = _run("reference show", target)

    assert console.rows[0] == [
        "feature", "kind", "rows", "missing", "range", "mean", "cells", "worst KS error",
        "rows worth one", "notes",
    ]  # fmt: skip
    by_name = {row[0]: row for row in console.rows[1:]}
    assert by_name["amount"][1:4] == ["numeric", "500", "1.0%"]
    assert by_name["country"][1:] == [
        "categorical", "500", "0.0%", "2 categories", "-", "4", "-", "unknown", ""
    ]  # fmt: skip
    assert by_name["fee"][4:] == [
        "1.5 to 1.5", "1.5", "1", "0.0000", "unknown", "1 frequent values, constant"
    ]  # fmt: skip
    assert by_name["id"][9].startswith("left out: names rows")
    assert console.title.endswith(", order unknown")


def test_show_says_what_is_known_of_times(tmp_path: Path) -> None:
    """The span, the season, how much rows depend on each other, and what numbers are seconds of."""
    times = pd.date_range("2026-01-01", periods=500, freq="1h")
    spans = pd.to_timedelta(np.arange(500) % 60, unit="s")
    pd.DataFrame({"ts": times, "wait": spans}).to_parquet(tmp_path / "t.parquet")
    target = str(tmp_path / "a.json")
    _run(
        "reference build", str(tmp_path / "t.parquet"), "-o", target,
        "--time-column", "ts", "--season", "hour",
    )  # fmt: skip
    console = _run("reference show", target)

    assert console.title.endswith(
        ", order time, from 2026-01-01T00:00:00+00:00 to 2026-01-21T19:00:00+00:00, season hour"
    )
    assert console.rows[1][1] == "numeric (spans, s)"
    assert float(console.rows[1][8]) >= 1
    assert console.rows[2][9] == "left out: holds the rows' times"


def test_merge_writes_one_reference_of_all_rows(train: Path) -> None:
    """And says what it is made of; a season is lost, and that is said too."""
    frame = pd.read_csv(train).assign(ts=pd.date_range("2026-01-01", periods=500, freq="1h"))
    for name, part in (("a", frame[:300]), ("b", frame[300:])):
        part.to_csv(train.parent / f"{name}.csv", index=False)
        _run(
            "reference build", str(train.parent / f"{name}.csv"), "--target", "label",
            "-o", str(train.parent / f"{name}.json"), "--time-column", "ts", "--season", "hour",
        )  # fmt: skip
    parts = [str(train.parent / f"{name}.json") for name in "ab"]
    target = str(train.parent / "c.json")
    console = _run("reference merge", *parts, "-o", target)

    assert console.lines[0].startswith(f"{target}: 3 features, 0 outputs, 500 rows, reference ")
    assert console.lines[-1].startswith("  no season")
    assert "rows of a.csv + b.csv, merged of 2 " in _run("reference show", target).title
    with pytest.raises(CommandError, match="got 1 from the argument; expected at least two"):
        _run("reference merge", parts[0], "-o", target)


def test_show_prints_json(train: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For programs: the profile, its reference, and the series that a fleet's counts have."""
    target = str(train.parent / "a.reference.json")
    _run("reference build", str(train), "-o", target)
    content = json.loads(_run("reference show", target, "--json").written)

    assert content["rows"] == 500
    assert len(content["reference"]) == 8
    assert content["fleet_series"] > 23
    for globs, windows, expected in (("amount", "", 23), ("amount", "wrong", None)):
        monkeypatch.setenv("TIDEGAUGE_DRIFT_FLEET_FEATURES", globs)
        monkeypatch.setenv("TIDEGAUGE_DRIFT_WINDOWS", windows)
        found = json.loads(_run("reference show", target, "--json").written)["fleet_series"]
        assert found == (expected or content["fleet_series"])


def test_what_fails_is_one_clear_line(train: Path) -> None:
    """A wrong path, a wrong column, a file that is no reference, a folder that is not there."""
    folder = train.parent
    for name, arguments, message in (
        ("reference build", [str(folder / "no.csv")], "got no such file"),
        ("reference build", [str(train), "--drop", "labl"], "drop: got 'labl'"),
        ("reference build", [str(train), "-o", str(folder / "no" / "a.json")], "can be written"),
        ("reference show", [str(train)], "got no complete JSON"),
        ("reference show", [str(folder / "no.json")], "got no such file"),
    ):
        with pytest.raises(CommandError, match=message):
            _run(name, *arguments)


def test_show_says_where_new_categories_cannot_be_told(tmp_path: Path) -> None:
    """Above 10,000 of them."""
    save(build(pd.DataFrame({"c": [f"c{i % 10_500}" for i in range(21_000)]})), tmp_path / "a.json")
    console = _run("reference show", str(tmp_path / "a.json"))

    assert console.rows[1][4:] == [
        "10500 categories", "-", "102", "-", "unknown", "too many categories to tell new ones"
    ]  # fmt: skip


def test_categories_are_hashed_where_the_setting_says_so(
    train: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No text of a category reaches the file."""
    monkeypatch.setenv("TIDEGAUGE_HASH_CATEGORIES", "true")
    target = train.parent / "a.reference.json"
    _run("reference build", str(train), "-o", str(target))

    assert '"SE"' not in target.read_text(encoding="utf-8")


def test_entry_points_find_the_processor_and_the_settings() -> None:
    """As the pipeline and the distribution look for them."""
    (processor,) = entry_points(group="tidegauge_processor", name="drift")
    (settings,) = entry_points(group="tidegauge_settings", name="drift")

    assert processor.load() is DriftProcessor
    assert settings.load() is DriftSettings

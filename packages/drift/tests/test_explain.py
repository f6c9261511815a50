"""``tidegauge explain``: what an engineer reads at night, in 80 columns of plain text."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tidegauge.batch import Batch, ModelKey, Table
from tidegauge.command import CommandError
from tidegauge.configuration import CoreSettings
from tidegauge.runtime import shared
from tidegauge_drift import DriftProcessor, DriftSettings, build, save
from tidegauge_drift.marks import FILE, Mark, dump
from tidegauge_drift.terminal_words import duration
from tidegauge_drift.window import WindowSpec
from tidegauge_testkit.contracts import commands
from tidegauge_testkit.contracts.commands import Recorder

FRAUD = ModelKey("fraud", "3")
START_S = 1_700_000_000.0


def run(*arguments: str) -> Recorder:
    """Run the command; what it says is plain text, for tables do not fit."""
    console = commands.run("explain", *arguments)
    assert console.rows == []
    return console


def frame(rng: np.random.Generator, rows: int) -> pd.DataFrame:
    """Return rows of several kinds."""
    return pd.DataFrame(
        {
            "amount": rng.lognormal(3, 1, rows),
            "country": rng.choice(["SE", "NO", "DK"], rows, p=[0.6, 0.3, 0.1]),
            **{f"v{i}": rng.normal(size=rows) for i in range(8)},
        }
    )


@pytest.fixture
def serve(state: Path, tmp_path: Path) -> Callable[..., None]:
    """Return a service: rows in, a status in the folder."""
    rng = np.random.default_rng(0)
    path = tmp_path / "fraud.json"
    profile = build(frame(rng, 5000), source="train.csv", built="2026-05-01T00:00:00+00:00")
    save(profile, path)
    specs = (WindowSpec.parse("500rows"), WindowSpec.parse("1d"))

    def run(
        live: pd.DataFrame,
        *,
        model: ModelKey = FRAUD,
        stride: int = 1,
        calls: bool = False,
        **more: Any,
    ) -> None:
        chosen = DriftSettings(reference=str(path), windows=specs, **more)
        processor = DriftProcessor(settings=chosen)
        start_s = START_S  # the same windows whenever this runs; only ages are of today
        for i in range(0, len(live), 100):
            part = live.iloc[i : i + 100]
            columns = tuple(part[name].to_numpy() for name in part)
            table = Table(len(part), tuple(part.columns), columns=columns)
            times = np.full(len(part), start_s + i / 10)
            sizes = np.array([len(part)]) if calls else None
            processor.on_batch(Batch(model, "predict", times, table, None, stride, sizes))
            processor.on_tick(start_s + i / 10)
        processor.on_tick(start_s + len(live) / 10 + 30)
        processor.tell(start_s + len(live) / 10 + 30)

    return run


def drifted(rows: int = 2000) -> pd.DataFrame:
    """Return rows that differ in three features, each in its own way."""
    rng = np.random.default_rng(7)
    live = frame(rng, rows)
    live["amount"] *= 2
    live.loc[rng.random(rows) < 0.1, "country"] = "\x1b[31mES"
    live.loc[rng.random(rows) < 0.2, "v3"] = np.nan
    return live


def test_an_alarm_is_explained(serve: Callable[..., None]) -> None:
    """Which features, which bins, why, since when, of how many rows, against which reference."""
    serve(drifted(), stride=4)
    shown = run("fraud")
    lines = shown.text.splitlines()

    assert shown.status == 0
    assert lines[0] == "fraud 3: ALARM since 2023-11-14 22:13:20 UTC in data_quality, inputs"
    assert re.search(r"window     500rows: \d+ ok, 2 drifted; data quality alarms for 2$",
                     shown.text, re.MULTILINE)  # fmt: skip
    assert "rows, one in 4 kept" in shown.text
    assert re.search(r"window     1d: none has closed yet, \d+ rows so far", shown.text)
    assert re.search(r"reference  [0-9a-f]{8}, \d+ d old, 5000 rows of train.csv", shown.text)
    assert re.search(rf"status     \d+ (s|min) old, by process {os.getpid()} on ", shown.text)
    heads = [line for line in lines if re.match(r"\d\. ", line)]
    assert sorted(line.split(". ")[1] for line in heads) == [
        "amount (input): alarm", "country (input): alarm", "v3 (input): alarm",
    ]  # fmt: skip
    assert re.search(r"KS 0\.\d+, PSI 0\.\d+, window 500rows", shown.text)
    assert re.search(r"differs since 2023-11-14 22:\d\d:\d\d UTC", shown.text)
    assert re.search(r"missing values: 0\.0 % -> (1|2)\d\.\d %", shown.text)
    assert re.search(
        r"categories that the reference does not have: 0\.0 % -> \d+\.\d %", shown.text
    )
    highest = shown.text.split("amount (input)")[1].split("   from ")[1].splitlines()[0]
    shares = re.fullmatch(r"\S+ +(\S+) % (#+) +(\S+) % (#+)", highest)
    assert shares is not None
    then, bar, now, larger = shares.groups()
    assert 8 < float(then) < 12 < float(now) < 35
    assert len(bar) < len(larger) == 12


def test_what_is_muted_is_said_with_why_and_until_when(
    serve: Callable[..., None], state: Path
) -> None:
    """The alarm itself is told as ever; a deploy mutes nothing."""
    state.mkdir()
    whole = Mark("mute", "fraud", START_S, START_S + 86_400, reason="new supplier", by="ann")
    (state / FILE).write_bytes(
        dump([
            replace(whole, kind="deploy", version="4", reason=""),
            replace(whole, feature="amount", window="500rows"),
        ])
    )  # fmt: skip
    serve(drifted())
    part = run("fraud").text
    (state / FILE).write_bytes(dump([whole, replace(whole, kind="backfill", reason="May")]))
    serve(drifted())
    all_of_it = run("fraud").text

    assert part.splitlines()[:2] == [
        "fraud 3: ALARM since 2023-11-14 22:13:20 UTC in data_quality, inputs;", "  partly MUTED",
    ]  # fmt: skip
    assert (
        "  deploy     version 4, until 2023-11-15 22:13:20 UTC\n"
        "  muted      feature amount, window 500rows, until 2023-11-15 22:13:20 UTC\n"
        "             because: new supplier (ann)\n"
    ) in part
    assert (
        "  muted      all, until 2023-11-15 22:13:20 UTC\n"
        "             because: new supplier (ann)\n"
        "  backfill   all, until 2023-11-15 22:13:20 UTC and while windows have its rows\n"
        "             because: May (ann)\n"
    ) in all_of_it
    assert run().text.startswith("fraud 3: ALARM since 2023-11-14 22:13:20 UTC in data_quality, ")
    assert "; MUTED" in run().text
    assert all(len(line) <= 80 for line in (part + all_of_it).splitlines())


def test_values_that_are_asked_for_are_shown(serve: Callable[..., None]) -> None:
    """On a line of their own; of categories there is no distance."""
    serve(drifted(), export=("kl.divergence", "js.distance", "wasserstein.distance"))
    shown = run("fraud").text

    assert re.search(r"\n   KL 0\.\d+, JS 0\.\d+, Wasserstein \d+(\.\d+)?\n", shown)
    assert re.search(r"country[^.]*\n   PSI[^\n]*\n   KL \d\.\d+, JS 0\.\d+\n", shown)
    assert all(len(line) <= 80 for line in shown.splitlines())


def test_rows_of_few_calls_are_said_to_be_unknown(serve: Callable[..., None]) -> None:
    """Why nothing alarms, and what is different all the same."""
    serve(drifted(), calls=True)
    shown = run("fraud").text

    assert shown.splitlines()[0] == "fraud 3: no alarm"
    assert "How alike rows of one call are is unknown before 30 calls of" in shown
    assert "amount (input): suspected" in shown
    assert [] == [line for line in shown.splitlines() if len(line) > 80]


def test_classic_mode_says_which_rules_fired(serve: Callable[..., None]) -> None:
    """And that they alarm on clean rows."""
    serve(drifted(), mode="classic")
    shown = run("fraud").text

    assert "\n  mode       classic, window by window: PSI >= 0.2, KS p < 0.05, KL > 0.1\n" in shown
    assert "\n   rules: PSI >= 0.2, KS p < 0.05, KL > 0.1\n" in shown
    assert re.search(r"country \(input\)[^.]*\n   PSI[^\n]*\n   KL [^\n]*\n", shown)
    assert all(len(line) <= 80 for line in shown.splitlines())


def test_it_fits_into_80_columns_of_plain_text(serve: Callable[..., None], state: Path) -> None:
    """Over SSH, without colour; no value of a row is shown, and no escape sequence obeyed."""
    live = drifted().rename(columns={"v3": "v3\x1b[2J" + "n" * 300})
    serve(drifted())
    serve(live, model=ModelKey("fraud\n", "4"))
    for arguments in (("fraud",), ("fraud\n",), (), ("nothing",)):
        shown = run(*arguments).text
        assert shown.isascii()
        assert "\x1b" not in shown
        assert "ES" not in re.sub(r"[A-Z]{3,}", "", shown)
        lines = [line for line in shown.splitlines() if line != f"  {state}"]  # as long as it is
        assert [] == [line for line in lines if len(line) > 80]


def test_five_features_are_shown_and_the_others_counted(serve: Callable[..., None]) -> None:
    """Those with the largest effects, the largest first."""
    live = frame(np.random.default_rng(8), 2000)
    for i, name in enumerate(["v0", "v1", "v2"]):
        live[name] += 1 + i
    serve(live)
    heads = re.findall(r"^\d\. (\S+)", run("fraud").text, re.MULTILINE)
    assert heads == ["v2", "v1", "v0"]


def test_an_alarm_of_data_quality_alone_is_not_all_ok(serve: Callable[..., None]) -> None:
    """The states are of values, which are as ever: the line says what else there is."""
    rng = np.random.default_rng(10)
    live = frame(rng, 2000)
    live.loc[rng.random(2000) < 0.2, "v3"] = np.nan
    serve(live)
    shown = run("fraud").text

    assert shown.splitlines()[0].endswith(" UTC in data_quality")
    assert "window     500rows: 10 ok; data quality alarms for 1\n" in shown
    assert "1. v3 (input): alarm\n" in shown


def test_nothing_that_alarms_is_said(serve: Callable[..., None]) -> None:
    """One look is enough to go back to bed."""
    serve(frame(np.random.default_rng(9), 2000))
    shown = run("fraud").text

    assert shown.splitlines()[0] == "fraud 3: no alarm"
    assert "10 ok" in shown
    assert not re.search(r"^\d\. ", shown, re.MULTILINE)


def test_before_a_window_has_closed_it_says_how_far_it_is(serve: Callable[..., None]) -> None:
    """No verdict is not the same as no alarm."""
    serve(frame(np.random.default_rng(9), 300))
    shown = run("fraud").text
    assert shown.splitlines()[0] == "fraud 3: not judged yet, no window has closed"
    assert "500rows: none has closed yet, 300 rows so far" in shown


def test_a_reference_of_other_data_is_said(serve: Callable[..., None]) -> None:
    """Instead of alarms, with what to do."""
    live = frame(np.random.default_rng(9), 2000)
    live[[f"v{i}" for i in range(8)]] += 3
    serve(live)
    shown = run("fraud").text
    assert shown.splitlines()[0] == "fraud 3: REFERENCE MISMATCH"
    assert "input alarms are off" in shown
    assert "Build it from rows as the model gets them now; if it is this" in shown
    assert "1. v" in shown
    assert re.search(r"^\d more: --json has all", shown, re.MULTILINE)


def test_an_old_status_says_so(serve: Callable[..., None], state: Path) -> None:
    """What stood hours ago is not what stands now."""
    serve(drifted())
    os.utime(state / "fraud.3.status.json", (0, time.time() - 5 * 3600))
    lines = run("fraud").text.splitlines()

    assert lines[1] == "  This was 5 h ago: a service that runs says so every minute. Look"
    assert "OLD STATUS" in run().text


def test_several_versions_are_shown_the_newest_first(
    serve: Callable[..., None], state: Path
) -> None:
    """--version chooses one; without a model all are listed, a line each."""
    serve(drifted())
    serve(frame(np.random.default_rng(9), 2000), model=ModelKey("fraud", "4"))
    serve(frame(np.random.default_rng(9), 2000), model=ModelKey("churn"))
    os.utime(state / "fraud.3.status.json", (0, time.time() - 60))
    heads = re.findall(r"^fraud \d: .{5}", run("fraud").text, re.MULTILINE)
    assert heads == ["fraud 4: no al", "fraud 3: ALARM"]
    assert run("fraud", "--version", "3").text.startswith("fraud 3: ALARM")
    listed = run().text.splitlines()
    assert sorted(line.partition(":")[0] for line in listed) == ["churn", "fraud 3", "fraud 4"]
    with pytest.raises(CommandError, match=r"got '9' from the argument; expected one of '4', '3'"):
        run("fraud", "--version", "9")


def test_json_has_all_of_it(serve: Callable[..., None]) -> None:
    """For whoever wants to do something with it."""
    serve(drifted())
    (found,) = json.loads(run("fraud", "--json").text)
    assert found["model"] == "fraud"
    assert found["age_s"] < 600
    assert Path(found["file"]).is_file()
    assert {"bins", "quality", "since_s"} <= found["windows"][0]["features"][0].keys()


def test_without_a_status_it_says_where_to_look(state: Path) -> None:
    """Nobody is left with an empty screen."""
    state.mkdir()
    shown = run("fraud")
    assert shown.status == 1
    assert shown.text.startswith(f"There is no status of 'fraud'. Looked in:\n  {state}\n")
    assert "TIDEGAUGE_STATE_DIR" in shown.text
    assert "tidegauge doctor" in shown.text


def test_a_wrong_name_is_told_the_right_one(serve: Callable[..., None]) -> None:
    """The names that there are, and the nearest."""
    serve(frame(np.random.default_rng(9), 300), model=ModelKey("fraud_detection"))
    for typed in ("fraud", "fraud_detektion"):
        shown = run(typed)
        assert shown.status == 1
        assert "Did you mean 'fraud_detection'?" in shown.text


def test_another_folder_can_be_named(
    serve: Callable[..., None], state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that was copied from another host; one that is not there is said."""
    serve(drifted())
    monkeypatch.setattr(shared, "settings", CoreSettings(state_dir=str(tmp_path / "none")))
    assert run("fraud").status == 1
    assert run("fraud", "--state-dir", str(state)).text.startswith("fraud 3: ALARM")
    with pytest.raises(CommandError, match="--state-dir: got"):
        run("fraud", "--state-dir", str(tmp_path / "none"))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "got no complete JSON"),
        ("[1]", "got JSON of something else"),
        ('{"model": "m", "version": "", "windows": [], "format": 99}', "another version"),
    ],
)
def test_a_file_that_is_no_status_is_left_out_and_named(
    serve: Callable[..., None], state: Path, content: str, reason: str
) -> None:
    """The others are shown."""
    serve(drifted())
    (state / "x.status.json").write_text(content)
    shown = run("fraud").text
    assert reason in shown.splitlines()[0]
    assert "fraud 3: ALARM" in shown


def test_a_status_with_fields_missing_is_left_out(serve: Callable[..., None], state: Path) -> None:
    """Somebody has changed it by hand: one line, no traceback, and the others are shown."""
    serve(drifted())
    status = json.loads((state / "fraud.3.status.json").read_bytes())
    del status["reference"]["id"]
    (state / "fraud.4.status.json").write_text(json.dumps({**status, "version": "4"}))
    shown = run("fraud").text
    assert f"left out: {state / 'fraud.4.status.json'}: got fields of no status." in shown
    assert "fraud 3: ALARM" in shown


def test_what_a_feature_could_not_be_judged_for_is_said(
    serve: Callable[..., None], state: Path
) -> None:
    """Rows that depend on each other, hours without a reference, a date that is none."""
    serve(drifted())
    path = state / "fraud.3.status.json"
    status = json.loads(path.read_bytes())
    status["reference"]["built"] = "yesterday"
    first, second, third = status["windows"][0]["features"][:3]
    first["effective_rows"] = first["rows"] / 10
    second["reason"] = "season"
    third["bins"] = [
        {"bin": f"a long name of bin number {i}", "reference": 0.1, "now": 0.1 + 0.02 * (-1) ** i}
        for i in range(9)
    ]
    third["quality"]["checks"] = [
        {"check": "missing", "effect": 2, "reference": None, "now": 0.0001}
    ]
    third["quality"]["flagged"] = True
    path.write_text(json.dumps(status))
    shown = run("fraud").text

    assert re.search(r"reference  [0-9a-f]{8}, 5000 rows of train.csv", shown)
    assert re.search(r", (\d+) rows worth \d\d, window", shown)
    assert "the reference has no rows of these hours, window 500rows" in shown
    assert "3 more that moved less" in shown
    assert "   a long name of bin nu...    10.0 % ##########" in shown
    assert "missing values: ? -> 0.01 %" in shown
    assert [] == [line for line in shown.splitlines() if len(line) > 80]


@pytest.mark.parametrize(
    ("length_s", "said"),
    [(-5, "0 s"), (59, "59 s"), (150, "2 min"), (7200, "2 h"), (86400 * 30.0, "30 d")],
)
def test_lengths_of_time_are_in_their_largest_unit(length_s: float, said: str) -> None:
    """A clock that is a little ahead is no age below zero."""
    assert duration(length_s) == said


def test_a_program_that_is_served_is_explained(tmp_path: Path, serve: Any) -> None:
    """The whole way: the command of the shell reads what another process has written."""
    serve(drifted())
    done = subprocess.run(
        [sys.executable, "-m", "tidegauge_distro", "explain", "fraud"],
        env={"PATH": os.defpath, "TIDEGAUGE_STATE_DIR": str(tmp_path / "state"), "COLUMNS": "80"},
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    assert done.stdout.startswith("fraud 3: ALARM")
    assert done.stderr == ""

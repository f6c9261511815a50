"""The status of a model: what is known of its drift, in a file that is safe to leave about."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tidegauge.batch import Batch, ModelKey, Table
from tidegauge.configuration import CoreSettings
from tidegauge.runtime import shared
from tidegauge_drift import DriftProcessor, DriftSettings, build, save
from tidegauge_drift.status import document
from tidegauge_drift.status_files import file_name
from tidegauge_drift.window import WindowSpec

if TYPE_CHECKING:
    from pathlib import Path

    from tidegauge_drift.verdict import WindowVerdict

START_S = 1_700_000_000.0
NAME = "fraud.3.status.json"


def stream(rows: int = 800) -> Any:
    """Return rows whose second half is shifted in one feature and lacks values in another."""
    rng = np.random.default_rng(1)
    found = rng.normal(size=(rows, 3))
    found[rows // 2 :, 1] += 1
    found[rows // 2 :, 2][rng.random(rows - rows // 2) < 0.3] = np.nan
    return found


def feature(status: Any, name: str, window: int = 0) -> Any:
    """Return what a status says of one feature."""
    return next(f for f in status["windows"][window]["features"] if f["feature"] == name)


def test_a_status_says_what_the_verdict_says_and_why(
    launch: Callable[..., Any], state: Path
) -> None:
    """Verdicts, shares then and now, causes, since when, rows; the file is its owner's."""
    made = launch(windows=(WindowSpec.parse("100rows"), WindowSpec.parse("1d")))
    process = made.process(alone=True)
    made.settle([process], made.replay([process], stream()))
    status = json.loads((state / NAME).read_bytes())
    by: dict[int, WindowVerdict] = {v.closed_s: v for _, v in made.seen}
    last, day = status["windows"]
    verdict = by[last["closed_s"]]

    assert (state / NAME).stat().st_mode & 0o777 == 0o600
    assert (status["model"], status["version"], status["pid"]) == ("fraud", "3", os.getpid())
    assert status["reference"]["built"] == "2026-01-01"
    assert (last["window"], last["rows"], last["kept_one_in"]) == ("100rows", 200, [1, 1])
    assert last["states"] == verdict.states()
    assert {family: each["detected"] for family, each in last["families"].items()} == (
        verdict.detected
    )
    assert day == {"window": "1d", "open_rows": 800}

    onset = min(s for s, v in by.items() if v.features[1].flagged and s > START_S + 20)
    moved = feature(status, "x1")
    assert (moved["detected"], moved["state"]) == (True, "drifted")
    assert moved["since_s"] == by[onset].opened_s == last["families"]["inputs"]["since_s"]
    rows = stream()[600:]
    lows = [b["now"] for b in moved["bins"]]
    assert sum(lows) == pytest.approx(1)
    edge = float(moved["bins"][-1]["bin"].removeprefix("from "))
    assert lows[-1] == pytest.approx(float((rows[:, 1] >= edge).mean()), abs=0.006)
    lacking = feature(status, "x2")["quality"]
    missing = next(check for check in lacking["checks"] if check["check"] == "missing")
    assert lacking["detected"]
    assert missing["reference"] == 0
    assert missing["now"] == pytest.approx(np.isnan(rows[:, 2]).mean())


def test_a_status_is_there_before_the_first_window_has_closed(
    launch: Callable[..., Any], state: Path
) -> None:
    """So that whoever asks is told how far it is."""
    made = launch()
    process = made.process(alone=True)
    made.settle([process], made.replay([process], stream()[:60]))
    status = json.loads((state / NAME).read_bytes())

    assert status["windows"][0] == {"window": "100rows", "open_rows": 60}


def test_the_leader_alone_writes_and_its_successor_goes_on(
    launch: Callable[..., Any], state: Path
) -> None:
    """What the first leader knew, the next one's status says at once, without a row."""
    made = launch()
    processes = [made.process() for _ in range(3)]
    now_s = made.settle(processes, made.replay(processes, stream(1600)[:1300]), seconds=20)
    before = json.loads((state / NAME).read_bytes())
    (state / NAME).unlink()
    for process in processes:
        if not process.group.leads:
            process.drift.tell(now_s + 1)
    assert list(state.iterdir()) == []
    (leader,) = [process for process in processes if process.group.leads]
    leader.die()
    processes.remove(leader)
    now_s = made.settle(processes, now_s, seconds=10)
    assert feature(json.loads((state / NAME).read_bytes()), "x1") == feature(before, "x1")
    made.settle(processes, made.replay(processes, stream(1600)[1300:], start_s=now_s))
    after = json.loads((state / NAME).read_bytes())

    assert feature(before, "x1")["detected"]
    assert after["windows"][0]["closed_s"] > before["windows"][0]["closed_s"]
    assert feature(after, "x1")["since_s"] == feature(before, "x1")["since_s"]


def test_a_file_is_touched_each_minute_and_written_when_something_has_changed(
    launch: Callable[..., Any], state: Path
) -> None:
    """Its age tells a service that has nothing new from one that has stopped."""
    made = launch()
    process = made.process(alone=True)
    now_s = made.settle([process], made.replay([process], stream()), seconds=5)
    written = (state / NAME).read_bytes()
    os.utime(state / NAME, (0, 0))
    process.drift.tell(now_s + 50)
    assert (state / NAME).stat().st_mtime == 0
    process.drift.tell(now_s + 120)

    assert (state / NAME).stat().st_mtime > 0
    assert (state / NAME).read_bytes() == written


def test_a_status_that_cannot_be_written_is_not_kept_fresh_and_comes_later(
    launch: Callable[..., Any], state: Path
) -> None:
    """A full disk takes no new status, but a new time of the old one: it would say 'no alarm'."""
    made = launch()
    process = made.process(alone=True)
    rows = stream()
    now_s = made.settle([process], made.replay([process], rows[:400]), seconds=5)
    before = (state / NAME).read_bytes()
    blocker = state / f".{NAME}.{os.getpid()}"
    blocker.mkdir()  # in the way of what is written first
    process.send(rows[400:], now_s + np.arange(400) / 20)
    os.utime(state / NAME, (0, 0))
    for second in range(20, 60):
        process.tick(now_s + second)
    for second in range(60, 300, 5):
        process.drift.tell(now_s + second)  # no window closes any more

    assert (before, 0) == ((state / NAME).read_bytes(), (state / NAME).stat().st_mtime)
    blocker.rmdir()
    process.drift.tell(now_s + 310)
    status = json.loads((state / NAME).read_bytes())
    assert feature(status, "x1")["detected"]
    assert (state / NAME).stat().st_mtime > 0


def test_collecting_writes_nothing(launch: Callable[..., Any], state: Path) -> None:
    """A scrape reads; files are written by the background."""
    made = launch()
    process = made.process(alone=True)
    process.send(stream(), START_S + np.arange(800) / 20)
    process.drift.on_tick(START_S + 60)
    list(process.drift.points())
    assert not state.exists()


def test_a_folder_that_cannot_be_written_is_one_error(
    launch: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The service goes on: verdicts come as ever."""
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(shared, "settings", CoreSettings(state_dir=str(tmp_path / "file")))
    made = launch()
    process = made.process(alone=True)
    made.settle([process], made.replay([process], stream()))
    errors = [r.getMessage() for r in caplog.records if r.levelno == logging.ERROR]

    assert len(errors) == 1
    assert errors[0].startswith("TIDEGAUGE_STATE_DIR: got 'File exists' from ")
    assert errors[0].endswith("nothing new to show; all else goes on.")
    assert len(made.seen) >= 4


@pytest.mark.backends  # needs no service, but long
def test_hundreds_of_features_have_a_status_of_bounded_size(tmp_path: Path, state: Path) -> None:
    """The hundred that matter most are listed, twenty of them with their bins."""
    rng = np.random.default_rng(2)
    path = tmp_path / "wide.json"
    save(build(rng.normal(size=(300, 400)), built="2026-01-01"), path)
    specs = tuple(map(WindowSpec.parse, ("300rows", "10s", "20s", "30s")))
    processor = DriftProcessor(settings=DriftSettings(reference=str(path), windows=specs))
    rows = rng.normal(size=(1200, 400))
    rows[:, 390:] += 2
    key = ModelKey("wide")
    for i in range(0, 1200, 100):
        table = Table(100, None, matrix=rows[i : i + 100])
        processor.on_batch(Batch(key, "predict", np.full(100, START_S + i / 10), table, None))
        processor.on_tick(START_S + i / 10)
    processor.on_tick(START_S + 200)
    processor.tell(START_S + 200)
    content = (state / "wide.status.json").read_bytes()
    (first, *_) = json.loads(content)["windows"]

    assert len(content) < 400_000
    assert (len(first["features"]), first["features_left_out"]) == (100, 300)
    assert sum("bins" in each for each in first["features"]) == 20
    assert {each["feature"] for each in first["features"][:10]} == {
        f"x{i}" for i in range(390, 400)
    }


def test_with_a_season_the_reference_is_that_of_the_same_hours(replay: Callable[..., Any]) -> None:
    """As in the verdict: otherwise bins would have moved that did not."""
    rng = np.random.default_rng(3)
    at = START_S + np.arange(20_160) * 60.0
    season = np.sin(at / 86_400 * 2 * np.pi)
    frame = pd.DataFrame({"a": 3 * season + rng.normal(size=at.size), "at": at})
    profile = replace(build(frame, time_column="at", season="hour"), named=False, columns=1)
    run = replay(profile, windows=("1000rows",))
    times = START_S + np.arange(2000) / 10
    run.feed(3 * np.sin(times / 86_400 * 2 * np.pi)[:, None] + rng.normal(size=(2000, 1))).end()
    (evaluator,) = run.leader.shown
    (window,) = document(evaluator.snapshot, evaluator.windows, {})["windows"]
    bins = window["features"][0]["bins"]

    assert sum(b["reference"] for b in bins) == pytest.approx(1, abs=1e-4)
    assert max(abs(b["now"] - b["reference"]) for b in bins) < 0.06
    assert max(b["reference"] for b in bins) > 0.2  # of all hours each has a tenth


names = st.text(st.characters(), max_size=30) | st.text("./\\%~ abA", max_size=8)
keys = st.builds(ModelKey, names, names)


@given(keys, keys)
def test_names_of_files_are_safe_and_of_one_model_each(one: ModelKey, other: ModelKey) -> None:
    """No name leaves the folder, is hidden, or is another model's."""
    for key in (one, ModelKey(one.name * 50, one.version * 50)):
        name = file_name(key)
        assert not set(name) & set('/\\\0:*?"<>|\n\r\t')
        assert not name.startswith((".", "~"))
        assert len(os.fsencode(name)) < 250
    assert (file_name(one) == file_name(other)) == (one == other)


@pytest.mark.parametrize(
    ("key", "name"),
    [
        (ModelKey("fraud", "3"), "fraud.3.status.json"),
        (ModelKey("fraud"), "fraud.status.json"),
        (ModelKey("Pipeline[LogisticRegression]", "1.2"),
         "Pipeline[LogisticRegression].1.2.status.json"),
        (ModelKey("../etc/x", ".."), "%2E%2E%2Fetc%2Fx....status.json"),
    ],
)  # fmt: skip
def test_plain_names_stay_readable(key: ModelKey, name: str) -> None:
    """The file is found by eye."""
    assert file_name(key) == name

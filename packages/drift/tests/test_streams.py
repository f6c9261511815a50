"""Streaming detectors: what they find, what never reaches them, and their rest after an alarm."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from tidegauge import guard
from tidegauge.batch import GaugePoint, ModelKey, Table
from tidegauge.settings import SettingError, load
from tidegauge_drift import DriftProcessor, DriftSettings, build, save
from tidegauge_drift.feature_streams import FeatureStreams
from tidegauge_drift.fleet import FleetCounts
from tidegauge_drift.layout import Layout
from tidegauge_drift.pane import Pane
from tidegauge_drift.streams import COOL_DOWN_S, DETECTORS, Stream, StreamsUnavailableError
from tidegauge_drift.totals import together

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("river")
Floats = NDArray[np.float64]
START_S = 1_700_000_000.0
HOUR = 3600.0


def alarms(stream: Stream, values: Floats, *, part: int = 100) -> list[int]:
    """Show values in parts, a part an hour; return the parts that alarmed."""
    return [
        i // part
        for i in range(0, len(values), part)
        if stream.add(values[i : i + part], START_S + i / part * HOUR)
    ]


def errors(rng: np.random.Generator, *rates: tuple[float, int]) -> Floats:
    """Return errors at one rate after the other."""
    return np.concatenate([(rng.random(n) < rate).astype(float) for rate, n in rates])


@pytest.mark.parametrize(("detector", "clean"), [("adwin", True), ("ddm", False)])
def test_more_errors_are_found(detector: str, clean: bool) -> None:
    """From 10 to 30 errors in a hundred, within 500 rows; DDM may alarm before they come."""
    rng = np.random.default_rng(1)
    for _ in range(5):
        found = alarms(Stream(detector), errors(rng, (0.1, 2000), (0.3, 1500)))
        assert found
        assert (20 if clean else 0) <= found[0] <= 25


def test_eddm_alarms_on_what_has_not_changed() -> None:
    """Why it is not for alerting: river's own alarms on most clean streams of 10,000 errors."""
    rng = np.random.default_rng(2)
    assert all(alarms(Stream("eddm"), errors(rng, (0.1, 10_000))) for _ in range(3))


def test_adwin_is_quiet_on_clean_errors() -> None:
    """No alarm in 200,000 rows."""
    assert alarms(Stream("adwin"), errors(np.random.default_rng(3), (0.1, 200_000))) == []


def test_page_hinkley_sees_standardised_values() -> None:
    """Whatever the unit; quiet on 100,000 clean rows, where river's defaults always alarm."""
    rng = np.random.default_rng(4)
    for centre, scale in ((0.0, 1.0), (1e6, 2e3)):
        stream = Stream("page_hinkley", centre=centre, scale=scale)
        clean = alarms(stream, centre + scale * rng.normal(size=100_000))
        moved = alarms(stream, centre + scale * rng.normal(0.5, 1, 1000))
        assert clean == []
        assert moved
        assert moved[0] <= 6


def test_kswin_sees_a_sample_of_each_call() -> None:
    """It costs half a millisecond a value."""
    stream = Stream("kswin")
    stream.add(np.random.default_rng(5).random(1000), START_S)
    assert stream.seen == 10
    assert alarms(Stream("kswin"), np.concatenate((np.zeros(3000), np.ones(3000))))


@given(
    st.sampled_from(["adwin", "page_hinkley", "kswin"]),
    st.lists(st.sampled_from([np.nan, np.inf, -np.inf]), min_size=1, max_size=9),
    st.integers(0, 50),
)
def test_values_that_are_not_finite_never_reach_a_detector(
    detector: str, wrong: list[float], at: int
) -> None:
    """The same alarms, at the same values, as without them."""
    values = np.random.default_rng(6).random(200)
    mixed = np.concatenate((values[:at], wrong, values[at:]))
    one, other = Stream(detector), Stream(detector)
    assert one.add(values, START_S) == other.add(mixed, START_S)
    assert one.seen == other.seen


def test_after_an_alarm_it_rests_for_a_day_and_learns_anew() -> None:
    """The new level is what is normal then; the alarm is shown for that day."""
    rng = np.random.default_rng(7)
    stream = Stream("adwin")
    stream.add(errors(rng, (0.1, 2000)), START_S)
    assert stream.add(errors(rng, (0.5, 500)), START_S + 10)
    assert stream.alarmed_s == START_S + 10
    assert stream.rests(START_S + 10 + COOL_DOWN_S - 1)
    assert not stream.add(errors(rng, (0.9, 2000)), START_S + COOL_DOWN_S)
    assert stream.seen == 0
    later = START_S + 10 + COOL_DOWN_S
    assert not stream.rests(later)
    assert not stream.add(errors(rng, (0.5, 3000)), later)
    assert stream.seen == 3000
    assert stream.add(errors(rng, (0.1, 500)), later + 10)


@pytest.mark.parametrize("detector", DETECTORS)
def test_the_same_values_give_the_same_alarms(detector: str) -> None:
    """In parts or at once: only the order matters."""
    rng = np.random.default_rng(8)
    values = errors(rng, (0.1, 1000), (0.4, 1000))
    first = [alarms(Stream(detector), values, part=50) for _ in range(2)]
    assert first[0] == first[1]


def test_what_a_stream_is_asked_for_is_checked() -> None:
    """Messages name what was got and what is expected."""
    with pytest.raises(ValueError, match="detector: got 'adwim' from the argument; expected one"):
        Stream("adwim")
    with pytest.raises(ValueError, match="centre, scale: got "):
        Stream("adwin", scale=0.0)
    with pytest.raises(ValueError, match="values: got other values than 0 and 1"):
        Stream("ddm").add([0.5], START_S)


@pytest.mark.parametrize("text", ["adwin", "adwin:", ":amount", "ddm:amount", "hddm:amount"])
def test_the_setting_takes_detectors_of_features_only(text: str) -> None:
    """DDM and EDDM take errors: for features they are no choice."""
    with pytest.raises(SettingError, match=r"TIDEGAUGE_DRIFT_STREAMS: got .* expected <detector>"):
        load(DriftSettings, {"TIDEGAUGE_DRIFT_STREAMS": text})
    chosen = load(DriftSettings, {"TIDEGAUGE_DRIFT_STREAMS": "adwin:a*, kswin:b"})
    assert chosen.streams == (("adwin", "a*"), ("kswin", "b"))


def test_river_is_not_loaded_unless_somebody_asks_for_it() -> None:
    """Its import takes a second or more."""
    code = (
        "import sys; from tidegauge_drift import DriftProcessor, DriftSettings;"
        "DriftProcessor(settings=DriftSettings(reference='none'));"
        "print('river' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == "False"


def test_without_river_drift_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One ERROR says what to install."""
    monkeypatch.setitem(sys.modules, "river", None)
    monkeypatch.setitem(sys.modules, "river.drift", None)
    monkeypatch.setitem(sys.modules, "river.drift.binary", None)
    path = tmp_path / "a.json"
    save(build(np.random.default_rng(0).normal(size=(500, 2))), path)
    processor = DriftProcessor(
        settings=DriftSettings(reference=str(path), streams=(("adwin", "*"),))
    )
    assert [r.getMessage() for r in caplog.records if r.levelno == logging.ERROR] == [
        "TIDEGAUGE_DRIFT_STREAMS: river: got no such package from the environment; expected it for "
        "streaming detectors. pip install 'tidegauge-drift[streams]'. No detector runs."
    ]
    assert processor._make(ModelKey("m")) is not None
    with pytest.raises(StreamsUnavailableError):
        Stream("adwin")


# -- on features, by the leader -------------------------------------------------------------------


def shown(process: Any) -> dict[tuple[str, ...], float]:
    """Return the gauges of streams by feature and detector."""
    return {
        point.attributes[3:]: point.value
        for point in process.drift.points()
        if isinstance(point, GaugePoint) and point.spec.name == "drift.stream.detected"
    }


def stream_of(rows: int) -> Floats:
    """Return rows whose second half is shifted in one feature."""
    found = np.random.default_rng(1).normal(size=(rows, 3))
    found[rows // 2 :, 1] += 1.5
    return found


ASKED = (("adwin", "x1"), ("page_hinkley", "x*"))


def gauges(made: Any, processes: list[Any], rows: Floats) -> list[dict[tuple[str, ...], float]]:
    """Send rows; return what the leader shows after each part."""
    seen, now_s = [], START_S
    for i in range(0, len(rows), 400):
        now_s = made.replay(processes, rows[i : i + 400], start_s=now_s, seed=i)
        now_s = made.settle(processes, now_s, seconds=20)
        (leader,) = [p for p in processes if p.group.leads or not p.group.member]
        seen.append(shown(leader))
    return seen


def test_features_are_watched_by_nobody_unless_asked(launch: Callable[..., Any]) -> None:
    """They change all the time; the verdicts of windows are for them."""
    made = launch()
    assert gauges(made, [made.process(alone=True)], stream_of(800)) == [{}, {}]


def test_what_is_asked_for_is_watched_and_shown(launch: Callable[..., Any]) -> None:
    """0 while nothing has changed, 1 for the feature that has; the others stay at 0."""
    made = launch(streams=ASKED)
    seen = gauges(made, [made.process(alone=True)], stream_of(9600))
    everything = {("x1", "adwin"), *((f"x{i}", "page_hinkley") for i in range(3))}

    assert seen[11] == dict.fromkeys(everything, 0.0)
    changed = {("x1", "adwin"), ("x1", "page_hinkley")}
    assert {key for key, value in seen[-1].items() if value} == changed


@pytest.mark.parametrize("workers", [1, 3])
def test_detectors_say_the_same_however_rows_are_spread(
    launch: Callable[..., Any], workers: int
) -> None:
    """The same rows at the same times."""
    one, many = launch(streams=ASKED), launch(streams=ASKED)
    expected = gauges(one, [one.process(alone=True)], stream_of(4000))
    found = gauges(many, [many.process() for _ in range(workers)], stream_of(4000))

    assert 1.0 in expected[-1].values()
    assert expected == found


def test_a_takeover_keeps_alarms_and_the_last_rows(launch: Callable[..., Any]) -> None:
    """The next leader shows the alarm, and finds a change against what the first has seen."""
    made = launch(streams=(("adwin", "x1"), ("adwin", "x2")))
    processes = [made.process() for _ in range(3)]
    rows = stream_of(4000)
    seen = gauges(made, processes, rows)
    assert seen[-1] == {("x1", "adwin"): 1.0, ("x2", "adwin"): 0.0}
    (leader,) = [p for p in processes if p.group.leads]
    leader.die()
    processes.remove(leader)
    now_s = made.settle(processes, processes[0].now_s, seconds=20)
    (leader,) = [p for p in processes if p.group.leads]
    assert shown(leader) == {("x1", "adwin"): 1.0, ("x2", "adwin"): 0.0}
    later = np.random.default_rng(2).normal(size=(1200, 3))
    later[:, 2] += 2
    made.settle(processes, made.replay(processes, later, start_s=now_s), seconds=20)
    assert shown(leader)["x2", "adwin"] == 1.0


@pytest.fixture
def layout() -> Layout:
    """Return a layout of a heavy tail and a constant."""
    rng = np.random.default_rng(0)
    return Layout(build(np.column_stack((rng.lognormal(0, 2, 3000), np.full(3000, 7.0)))))


def pane(layout: Layout, rows: Floats, index: int) -> Pane:
    """Count rows into a pane."""
    counts = layout.inputs.count(Table(len(rows), None, matrix=rows), (0, 1)).astype(np.uint16)
    return Pane(ModelKey("m"), "predict", layout.digest, index, 10, counts, len(rows), 1, 1)


def test_one_row_that_is_far_away_weighs_no_more_than_another(layout: Layout) -> None:
    """What a detector is shown is the place of a row in the reference."""
    rng = np.random.default_rng(3)
    found = FeatureStreams(ModelKey("m"), layout, [("adwin", "x0"), ("page_hinkley", "*")])
    for index in range(100, 300):
        rows = np.column_stack((rng.lognormal(0, 2, 32), np.full(32, 7.0)))
        rows[0, 0] = 1e300 if index % 10 == 0 else rows[0, 0]
        rows[1, 0] = np.nan
        found.fold(layout, pane(layout, rows, index))
    assert {point.value for point in found.points()} == {0.0}
    moved = np.column_stack((rng.lognormal(0, 2, 32), np.full(32, 8.0)))
    for index in range(300, 305):
        found.fold(layout, pane(layout, moved, index))
    by = {point.attributes[3:]: point.value for point in found.points()}
    assert by["x1", "page_hinkley"] == 1.0
    assert by["x0", "adwin"] == 0.0


def test_of_large_panes_a_sample_is_shown(layout: Layout) -> None:
    """It has the shares of the pane, and costs the same however many rows there are."""
    rng = np.random.default_rng(4)
    found = FeatureStreams(ModelKey("m"), layout, [("adwin", "x0")])
    rows = np.column_stack((rng.lognormal(0, 2, 20_000), np.full(20_000, 7.0)))
    found.fold(layout, pane(layout, rows, 100))
    (watched,) = found._watched
    assert watched.stream.seen == 32
    assert watched.last.mean() / 255 == pytest.approx(0.5, abs=0.05)


def test_a_season_that_the_reference_has_is_no_change() -> None:
    """A row's place is that among the reference's rows of the same hour."""
    rng = np.random.default_rng(6)

    def draw(seconds: Any) -> Floats:
        hours = np.floor(seconds / 3600)
        values: Floats = 3 * np.sin(hours / 24 * 2 * np.pi) + rng.normal(size=seconds.size)
        return values

    at = START_S + np.arange(20_160) * 60.0  # two weeks
    frame = pd.DataFrame({"a": draw(at), "at": at})
    shown = {}
    for season in ("hour", ""):
        layout = Layout(build(frame, time_column="at", season=season))
        found = FeatureStreams(ModelKey("m"), layout, [("adwin", "a")])
        for minute in range(1440):
            times = START_S + minute * 60 + np.arange(20) / 2
            table = Table(20, None, matrix=draw(times)[:, None])
            counts = layout.inputs.count(table, (0,)).astype(np.uint8)
            index = int(times[0] // 10)
            found.fold(
                layout,
                Pane(ModelKey("m"), "predict", layout.digest, index, 10, counts, 20, 1, 1),
            )
        (point,) = found.points()
        shown[season] = point.value
    assert shown == {"hour": 0.0, "": 1.0}


def test_streams_of_a_model_are_bounded(caplog: pytest.LogCaptureFixture) -> None:
    """A glob that is too wide is one line."""
    wide = Layout(build(np.random.default_rng(0).normal(size=(100, 80))))
    found = FeatureStreams(ModelKey("m"), wide, [("adwin", "*")])
    assert len(found._watched) == 50
    assert "choose narrower globs" in caplog.text


def test_a_clock_that_was_set_back_begins_anew(layout: Layout) -> None:
    """What was learnt is of a time that has not come yet."""
    rng = np.random.default_rng(5)
    found = FeatureStreams(ModelKey("m"), layout, [("adwin", "x0")])
    rows = np.column_stack((rng.lognormal(0, 2, 40), np.full(40, 7.0)))
    found.fold(layout, pane(layout, rows, 500))
    found.fold(layout, pane(layout, rows, 100))
    assert found._watched[0].stream.seen == 32


def test_another_reference_begins_anew_and_no_rows_are_none(layout: Layout) -> None:
    """Places in one reference are not those in another; a pane without values shows nothing."""
    found = FeatureStreams(ModelKey("m"), layout, [("adwin", "x0")])
    found.fold(layout, pane(layout, np.full((40, 2), np.nan), 100))
    assert found._watched[0].stream.seen == 0
    found.fold(layout, pane(layout, np.full((40, 2), 7.0), 101))
    assert found._watched[0].stream.seen == 32
    other = Layout(build(np.random.default_rng(9).normal(size=(500, 2))))
    found.fold(other, pane(other, np.full((40, 2), 0.5), 102))
    assert found._watched[0].stream.seen == 32
    again = FeatureStreams(ModelKey("m"), layout, [("adwin", "x0"), ("adwin", "x1")])
    again.restore(found.to_bytes())
    assert list(again.points()) == []


@pytest.mark.parametrize("content", [b"", b"tgstrm01", b"x" * 50])
def test_bytes_of_something_else_are_refused(layout: Layout, content: bytes) -> None:
    """A successor begins anew."""
    found = FeatureStreams(ModelKey("m"), layout, [("adwin", "x0")])
    with pytest.raises(ValueError, match="streams"):
        found.restore(content)


def test_counts_and_streams_are_kept_together(layout: Layout) -> None:
    """One that cannot be restored does not keep the other from it."""
    key = ModelKey("m")
    rows = np.column_stack((np.full(40, 1.0), np.full(40, 7.0)))

    def make() -> Any:
        return together([FleetCounts(key, layout), FeatureStreams(key, layout, [("adwin", "x0")])])

    one, other = make(), make()
    one.fold(layout, pane(layout, rows, 100))
    other.restore(one.to_bytes())
    assert list(one.points()) == list(other.points())
    assert {"drift.stream.detected", "model.feature.bin"} <= {
        point.spec.name for point in other.points()
    }
    with pytest.raises(ValueError, match="totals"):
        other.restore(b"torn")
    assert together([]) is None
    assert guard.counts() == {}

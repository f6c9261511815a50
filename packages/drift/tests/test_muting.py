"""What is muted: exported, told and written down by the leader, and over when its time has come."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tidegauge_drift.marks import BACKFILL, DEPLOY, FILE, MUTE, Mark, dump
from tidegauge_semconv import attributes as a
from tidegauge_semconv import metrics as m

if TYPE_CHECKING:
    from pathlib import Path

    from tidegauge.events import StateChange

START_S = 1_700_000_000.0
FOREVER_S = START_S + 1e6
ROWS = 1200


def stream() -> NDArray[np.float64]:
    """Return rows whose first feature differs from second 20 on, at 20 rows a second."""
    found = np.random.default_rng(1).normal(size=(ROWS, 3))
    found[400:, 0] += 1
    return found


def say(state: Path, *marks: Mark) -> None:
    """Leave marks in the folder, in a new file as the command does."""
    state.mkdir(exist_ok=True)
    (state / "new").write_bytes(dump(marks))
    (state / "new").replace(state / FILE)


def mute(**more: Any) -> Mark:
    """Return a mute of the model."""
    given = {"kind": MUTE, "model": "fraud", "since_s": START_S, "until_s": FOREVER_S, **more}
    return Mark(**{"reason": "new supplier", **given})


def muted(process: Any) -> set[tuple[str, str, str]]:
    """Return the series that are muted: feature, window, family."""
    points = [p for p in process.drift.points() if p.spec is m.DRIFT_MUTED]
    assert all(point.value == 1 for point in points)
    assert len({point.attributes for point in points}) == len(points)
    assert all(p.attributes[:2] == ("fraud", "3") and len(p.attributes[2]) == 8 for p in points)
    return {point.attributes[3:] for point in points}


def of_verdicts(process: Any) -> set[tuple[str, str, str]]:
    """Return the muted series of verdicts, without what mutes the words about the reference."""
    return {each for each in muted(process) if each[2] != a.OF_REFERENCE}


def detected(process: Any, *, on: bool = False) -> set[tuple[str, str, str]]:
    """Return the series of verdicts, or those that alarm."""
    points = [p for p in process.drift.points() if p.spec is m.DRIFT_DETECTED]
    return {p.attributes[3:] for p in points if p.value or not on}


@pytest.fixture
def served(launch: Callable[..., Any], state: Path) -> Callable[..., Any]:
    """Return what serves the stream by one process or several; returns the leader and the time."""

    def serve(workers: int = 0, before: tuple[Mark, ...] = ()) -> tuple[Any, float, list[Any]]:
        if before:
            say(state, *before)
        made = launch(windows=_windows("100rows", "60s"))
        processes = [made.process() for _ in range(workers)] or [made.process(alone=True)]
        now_s = made.settle(processes, made.replay(processes, stream()), seconds=20)
        leader = next((p for p in processes if p.group.leads), processes[0])
        return leader, now_s, processes

    return serve


def _windows(*labels: str) -> Any:
    from tidegauge_drift.window import WindowSpec

    return tuple(map(WindowSpec.parse, labels))


def test_nothing_is_muted_unless_somebody_says_so(served: Callable[..., Any]) -> None:
    """No series at all: a rule's `unless` has nothing to match."""
    leader, _, _ = served()
    assert ("", "100rows", "inputs") in detected(leader, on=True)
    assert set() == muted(leader)


def test_a_whole_model_is_muted_in_each_series_of_its_verdicts(
    served: Callable[..., Any], state: Path
) -> None:
    """The labels are those of `drift.detected`, which stays as it is."""
    leader, now_s, _ = served()
    before = detected(leader, on=True)
    say(state, mute())
    leader.tick(now_s + 1)

    assert before == detected(leader, on=True)
    assert detected(leader) == of_verdicts(leader)


def test_what_is_said_of_the_reference_is_muted_with_the_whole_model(
    served: Callable[..., Any], state: Path
) -> None:
    """By window and without one; of one kind of window only there, of one feature not at all."""
    leader, now_s, _ = served()

    def of_reference(second: int, **more: Any) -> set[str]:
        say(state, mute(**more))
        leader.tick(now_s + second)
        return {window for feature, window, family in muted(leader) if family == a.OF_REFERENCE}

    assert {"", "100rows", "60s"} == of_reference(1)
    assert {"60s"} == of_reference(2, window="60s")
    assert set() == of_reference(3, feature="x0")
    assert set() == of_reference(4, kind=DEPLOY)
    assert {"", "100rows", "60s"} == of_reference(5, until_s=now_s + 7)
    leader.tick(now_s + 8)
    assert set() == muted(leader)


def test_the_age_of_a_reference_is_muted_before_any_window_has_closed(
    launch: Callable[..., Any], state: Path
) -> None:
    """There is no verdict yet, but the reference is old already."""
    say(state, mute())
    made = launch(windows=_windows("5000rows"))
    process = made.process(alone=True)
    now_s = made.settle([process], made.replay([process], stream()), seconds=20)
    process.tick(now_s + 1)
    assert set() == detected(process)
    assert {("", "", a.OF_REFERENCE)} == muted(process)


def test_a_muted_feature_mutes_its_family_where_it_alarms_alone(
    served: Callable[..., Any], state: Path
) -> None:
    """Another one that alarms is heard: the mute was not about it."""
    leader, now_s, _ = served()
    say(state, mute(feature="x1"))
    leader.tick(now_s + 1)
    of_another = muted(leader)
    say(state, mute(feature="x0"))
    leader.tick(now_s + 2)

    each = {(w, family) for w in ("100rows", "60s") for family in ("inputs", "data_quality")}
    assert {("x1", *one) for one in each} == of_another
    own = {("x0", *one) for one in each}
    assert own | {one for one in detected(leader, on=True) if not one[0]} == muted(leader)


def test_features_that_are_not_shown_are_muted_where_something_else_alarms_about_them(
    launch: Callable[..., Any], state: Path
) -> None:
    """Replicas' counts are of all features; there are no series of their verdicts for most."""
    say(state, mute())
    features = {}
    for fleet in (False, True):
        made = launch(windows=_windows("100rows"), max_series=20, fleet=fleet)
        process = made.process(alone=True)
        made.settle([process], made.replay([process], stream()), seconds=20)
        features[fleet] = {feature for feature, _, _ in muted(process)}
        shown = {feature for feature, _, _ in detected(process)}
        assert len(shown) < 4

    assert features == {False: shown, True: {"", "x0", "x1", "x2"}}


def test_a_mute_is_of_a_window_and_a_version(served: Callable[..., Any], state: Path) -> None:
    """Other windows, versions and models speak on."""
    leader, now_s, _ = served()
    say(state, mute(window="60s"), mute(version="2"), mute(model="other"))
    leader.tick(now_s + 1)
    assert {"60s"} == {window for _, window, _ in muted(leader)}

    say(state, mute(version="3", window="100rows"))
    leader.tick(now_s + 2)
    assert {"100rows"} == {window for _, window, _ in muted(leader)}


def test_a_mute_ends_by_the_clock_of_the_rows(served: Callable[..., Any], state: Path) -> None:
    """At its second, without a change of the file."""
    leader, now_s, _ = served()
    say(state, mute(until_s=now_s + 10))
    leader.tick(now_s + 9)
    assert muted(leader)
    leader.tick(now_s + 10)
    assert set() == muted(leader)


def test_a_file_that_is_removed_unmutes(served: Callable[..., Any], state: Path) -> None:
    """Nothing else keeps a mute."""
    leader, now_s, _ = served(before=(mute(),))
    assert muted(leader)
    (state / FILE).unlink()
    leader.tick(now_s + 1)
    assert set() == muted(leader)


@pytest.mark.parametrize(
    "broken",
    [
        b"", b"{", b"[]", b'{"format": 2, "marks": []}', b'{"format": 1, "marks": [{}]}',
        b'{"format": 1, "marks": 5}', b"\xff" * 10, b"[" * 10_000,
        dump([mute(until_s=float("inf"))]), dump([mute(since_s=-1.0)]), dump([mute(kind="no")]),
        dump([mute()] * 1001), b'{"format": 1, "marks": []}' + b" " * 1_000_000,
        dump([mute(feature=1)]), dump([mute(since_s="1")]),
    ],
)  # fmt: skip
def test_a_broken_file_is_one_warning_and_keeps_the_last_good_one(
    served: Callable[..., Any], state: Path, caplog: pytest.LogCaptureFixture, broken: bytes
) -> None:
    """However often it is looked at, and until it is repaired."""
    leader, now_s, _ = served(before=(mute(),))
    good = muted(leader)
    with caplog.at_level(logging.WARNING, "tidegauge"):
        for second in (1, 2, 3):
            (state / FILE).write_bytes(broken + b" " * second)
            leader.tick(now_s + second)
    (line,) = [r.getMessage() for r in caplog.records if r.name.startswith("tidegauge")]

    assert line.startswith(f"{state / FILE}: got ")
    assert line.endswith("repair the file, or remove it to unmute all.")
    assert good == muted(leader)
    say(state, mute(feature="x2"))
    leader.tick(now_s + 4)
    assert {"x2"} == {feature for feature, _, _ in muted(leader)}


def test_a_file_that_cannot_be_looked_at_unmutes_nothing(
    served: Callable[..., Any], state: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A disk that fails for a moment must wake nobody."""
    leader, now_s, _ = served(before=(mute(),))
    good = muted(leader)
    (state / FILE).unlink()
    (state / FILE).symlink_to(state / FILE)  # a loop
    with caplog.at_level(logging.WARNING, "tidegauge"):
        leader.tick(now_s + 1)
        leader.tick(now_s + 2)
    (line,) = [r.getMessage() for r in caplog.records if r.name.startswith("tidegauge")]

    assert good == muted(leader)
    assert line.startswith(f"{state / FILE}: got 'Too many levels of symbolic links' from the file")


@pytest.mark.parametrize("workers", [1, 3])
def test_of_several_workers_the_leader_alone_speaks_and_its_successor_goes_on(
    served: Callable[..., Any], workers: int
) -> None:
    """All series of one process are those of a launch; a dead leader's mute is not lost."""
    leader, now_s, processes = served(workers, before=(mute(),))
    alone = muted(leader)
    assert detected(leader) == of_verdicts(leader)
    assert [set()] * (workers - 1) == [muted(p) for p in processes if p is not leader]
    if workers == 1:
        return
    leader.die()
    processes.remove(leader)
    for second in range(1, 11):
        for process in processes:
            process.tick(now_s + second)
    (successor,) = [process for process in processes if process.group.leads]
    assert alone == muted(successor)
    assert detected(successor) == of_verdicts(successor)


def test_events_of_what_is_muted_say_so(
    served: Callable[..., Any], told: list[StateChange]
) -> None:
    """They are sent: a record of what happened, which says that nobody is to be woken."""
    served(before=(mute(feature="x0", window="100rows"),))
    said = {(e.window, e.family, e.feature): (e.muted_until_s, e.muted_because) for e in told}

    assert said == {
        ("100rows", "inputs", ""): (FOREVER_S, "new supplier"),
        ("100rows", "inputs", "x0"): (FOREVER_S, "new supplier"),
    }


def test_the_status_has_what_is_muted_while_it_is(served: Callable[..., Any], state: Path) -> None:
    """It is written when that changes, not at the next window."""
    leader, now_s, _ = served()
    path = state / "fraud.3.status.json"
    assert [] == json.loads(path.read_bytes())["marks"]
    mark = mute(until_s=now_s + 10, by="ann", feature="x0")
    say(state, mark, mute(model="other"))
    leader.tick(now_s + 1)
    (found,) = json.loads(path.read_bytes())["marks"]
    leader.tick(now_s + 11)

    assert found == {
        "kind": "mute", "version": "", "feature": "x0", "window": "", "since_s": START_S,
        "until_s": now_s + 10, "reason": "new supplier", "by": "ann",
    }  # fmt: skip
    assert [] == json.loads(path.read_bytes())["marks"]


def test_a_backfill_mutes_until_windows_without_its_rows_have_spoken(
    launch: Callable[..., Any], state: Path
) -> None:
    """It takes two windows to end an alarm: for so long its own rows are still what alarms."""
    rows = np.random.default_rng(1).normal(size=(2000, 3))
    rows[400:800] += 1  # seconds 20 to 40
    backfill = mute(kind=BACKFILL, since_s=START_S + 20, until_s=START_S + 40)
    say(state, backfill)
    made = launch(windows=_windows("100rows"))
    process = made.process(alone=True)
    heard, silent = [], []
    for second in range(100):
        part = slice(second * 20, second * 20 + 20)
        process.send(rows[part], START_S + second + np.arange(20) / 20)
        process.tick(START_S + second + 1)
        alarms = detected(process, on=True)
        heard += [second for one in alarms - muted(process)]
        silent += [second for one in alarms & muted(process)]

    assert [] == heard
    assert max(silent) > 40 + 13  # a pane and its grace after the end
    assert set() == muted(process)


def test_a_backfill_that_mutes_no_longer_leaves_real_drift_alone(
    launch: Callable[..., Any], state: Path
) -> None:
    """What begins after it alarms as ever."""
    rows = np.random.default_rng(1).normal(size=(2000, 3))
    rows[1200:, 0] += 1
    say(state, mute(kind=BACKFILL, since_s=START_S, until_s=START_S + 20))
    made = launch(windows=_windows("100rows"))
    process = made.process(alone=True)
    made.settle([process], made.replay([process], rows), seconds=20)

    assert ("x0", "100rows", "inputs") in detected(process, on=True) - muted(process)


def test_markers_are_shown_with_their_start_while_they_last(
    served: Callable[..., Any], state: Path
) -> None:
    """One series a kind and version; a deploy mutes nothing; those of other models are theirs."""
    leader, now_s, _ = served()
    deploy = mute(kind=DEPLOY, version="4", since_s=now_s - 5, until_s=now_s + 10)
    backfill = mute(kind=BACKFILL, since_s=now_s - 3, until_s=now_s + 5)
    say(state, deploy, mute(kind=DEPLOY, model="other"), backfill)

    def shown(at_s: float) -> set[tuple[Any, ...]]:
        leader.tick(at_s)
        points = [p for p in leader.drift.points() if p.spec is m.MODEL_MARKER_START_TIME]
        return {(*point.attributes, point.value) for point in points}

    both = {("fraud", "4", "deploy", now_s - 5), ("fraud", "", "backfill", now_s - 3)}
    assert both == shown(now_s + 1)
    assert {("fraud", "4", "deploy", now_s - 5)} == shown(now_s + 6)
    assert set() == shown(now_s + 11)
    say(state, deploy)
    leader.tick(now_s + 1)
    assert set() == muted(leader)


def test_no_state_folder_is_no_mute(
    served: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is nowhere to look."""
    from tidegauge.configuration import CoreSettings
    from tidegauge.runtime import shared

    monkeypatch.setattr(shared, "settings", CoreSettings(state_dir="none"))
    leader, _, _ = served()
    assert set() == muted(leader)

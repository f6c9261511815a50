"""State changes: each is told once, by the leader, with what explains it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tidegauge import announce
from tidegauge.batch import Batch, ModelKey, Table
from tidegauge_drift import DriftProcessor, DriftSettings, build, ks, psi, save
from tidegauge_drift.moves import share_floor
from tidegauge_drift.proportions import cohens_h
from tidegauge_drift.window import WindowSpec

if TYPE_CHECKING:
    from pathlib import Path

    from tidegauge.events import StateChange

Matrix = NDArray[np.float64]
START_S = 1_700_000_000.0
SHOP = ModelKey("shop", "7")
ROWS = 1200


def stream() -> Matrix:
    """Return rows whose middle third is shifted in one feature."""
    found = np.random.default_rng(1).normal(size=(ROWS, 3))
    found[ROWS // 3 : 2 * ROWS // 3, 1] += 1
    return found


def brief(told: list[StateChange]) -> list[tuple[str, ...]]:
    """Return what identifies each change."""
    return [(e.window, e.family, e.feature, e.state, str(e.at_s)) for e in told]


def run(launch: Any, processes: list[Any]) -> None:
    """Send the stream, until all windows have closed."""
    launch.settle(processes, launch.replay(processes, stream()))


def test_an_alarm_is_told_when_it_begins_and_when_it_ends(
    launch: Callable[..., Any], told: list[StateChange]
) -> None:
    """The family and the feature; nothing while it stays as it is."""
    made = launch()
    run(made, [made.process(alone=True)])

    assert [(e.window, e.family, e.feature, e.state) for e in told] == [
        ("100rows", "inputs", "", "drifted"), ("100rows", "inputs", "x1", "drifted"),
        ("100rows", "inputs", "", "ok"), ("100rows", "inputs", "x1", "ok"),
    ]  # fmt: skip
    begun = next(event for event in told if event.feature)
    assert (begun.model, begun.statistic, begun.threshold) == (
        ModelKey("fraud", "3"), "ks.statistic", 0.05,
    )  # fmt: skip
    assert 0.2 < (begun.value or 0) < 0.6
    whole = next(event for event in told if not event.feature)
    assert (whole.statistic, whole.value, whole.threshold) == ("features.drifted", 1.0, 1.0)


def test_changes_wait_for_sinks_that_cannot_be_found_yet(
    launch: Callable[..., Any], told: list[StateChange], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too many files are open, for one: an alarm is told later, not never."""

    def unfound() -> list[Any]:
        raise OSError(24, "Too many open files")

    made = launch()
    process = made.process(alone=True)
    with monkeypatch.context() as starved:
        starved.setattr(announce, "_sinks", None)
        starved.setattr(announce, "load_event_sinks", unfound)
        run(made, [process])
        assert brief(told) == []
    process.tick(process.now_s + 1)
    assert [event.state for event in told] == ["drifted", "drifted", "ok", "ok"]


@pytest.mark.parametrize("workers", [1, 3])
def test_changes_are_those_of_one_process(
    launch: Callable[..., Any], told: list[StateChange], workers: int
) -> None:
    """The leader alone speaks."""
    one = launch()
    run(one, [one.process(alone=True)])
    expected = list(told)
    told.clear()
    many = launch()
    run(many, [many.process() for _ in range(workers)])

    assert len(expected) == 4
    assert expected == told


@given(st.lists(st.integers(0, 10), min_size=1, max_size=3))
@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_takeover_tells_a_change_twice(
    launch: Callable[..., Any], told: list[StateChange], writes: list[int]
) -> None:
    """Leaders are killed before or after any write: what one has told, the next one does not."""
    told.clear()
    one = launch()
    run(one, [one.process(alone=True)])
    expected = Counter(brief(told))
    told.clear()
    many = launch()
    many.fate.writes = list(writes)
    living = [many.process() for _ in range(5)]
    many.replay(living, stream()[:300])
    many.fate.armed = True
    times = START_S + np.arange(ROWS) / 20
    for second in range(15, ROWS // 20 + 30):
        part = slice(second * 20, second * 20 + 20)
        living[-1].send(stream()[part], times[part])
        for process in list(living):
            try:
                process.tick(START_S + second + 1)
            except many.fate.killed:
                process.die()
                living.remove(process)

    found = Counter(brief(told))
    assert many.fate.writes == []
    assert found <= expected
    assert found.total() >= expected.total() - 4 * len(writes)


def test_what_is_not_kept_yet_is_not_told(
    launch: Callable[..., Any], told: list[StateChange], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise a successor, which does not know of it, would tell it again."""
    many = launch()
    process = many.process()
    may = False
    keep = type(process.group).keep
    monkeypatch.setattr(
        type(process.group), "keep", lambda group, *given: may and keep(group, *given)
    )
    now_s = many.settle([process], many.replay([process], stream()[:800]))
    assert told == []
    may = True
    many.settle([process], many.replay([process], stream()[800:], start_s=now_s))
    assert len(told) == 4
    assert len(set(brief(told))) == len(told)


def test_collecting_tells_nothing(launch: Callable[..., Any], told: list[StateChange]) -> None:
    """A scrape reads; what is due is told by the background."""
    made = launch()
    process = made.process(alone=True)
    times = START_S + np.arange(ROWS) / 20
    process.send(stream(), times)
    process.drift.on_tick(times[-1] + 60)
    list(process.drift.points())
    assert told == []
    process.drift.tell(times[-1] + 60)
    assert told


def test_a_forked_child_does_not_repeat_its_parent(
    launch: Callable[..., Any], told: list[StateChange]
) -> None:
    """What the parent was about to tell is the parent's."""
    made = launch()
    process = made.process(alone=True)
    process.send(stream(), START_S + np.arange(ROWS) / 20)
    process.drift.on_tick(START_S + ROWS)
    process.drift.reset()
    process.drift.tell(START_S + ROWS)
    assert told == []


def _frame(rng: np.random.Generator, rows: int) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "amount": rng.normal(size=rows),
            "country": rng.choice(["SE", "NO", "DK"], rows, p=[0.6, 0.3, 0.1]),
            **{name: rng.normal(size=rows) for name in ("age", "fee", "hour")},
        }
    )


def _send(processor: DriftProcessor, frame: pd.DataFrame, start_s: float) -> None:
    for i in range(0, len(frame), 100):
        part = frame.iloc[i : i + 100]
        table = Table(
            len(part), tuple(part.columns), columns=tuple(part[c].to_numpy() for c in part)
        )
        times = np.full(len(part), start_s + i / 10)
        processor.on_batch(Batch(SHOP, "predict", times, table, None))
        processor.on_tick(start_s + i / 10)
    processor.on_tick(start_s + len(frame) / 10 + 14)


@pytest.fixture
def shop(tmp_path: Path) -> Callable[..., DriftProcessor]:
    """Return the maker of a process alone with a reference of two kinds of features."""
    path = tmp_path / "shop.json"
    save(build(_frame(np.random.default_rng(0), 5000), built="2026-01-01"), path)
    chosen = DriftSettings(reference=str(path), windows=(WindowSpec.parse("500rows"),))
    return lambda: DriftProcessor(settings=chosen)


def test_values_are_those_of_the_offline_functions(
    shop: Callable[..., DriftProcessor], told: list[StateChange]
) -> None:
    """KS of a number, PSI of categories, a share for data quality."""
    rng = np.random.default_rng(2)
    live = _frame(rng, 1500)
    live["amount"] *= 2
    live.loc[rng.random(1500) < 0.3, "country"] = "DK"
    live.loc[rng.random(1500) < 0.2, "amount"] = np.nan
    processor = shop()
    _send(processor, live, START_S)
    processor.tell(START_S)
    by = {(e.family, e.feature): e for e in told}

    # The pane that brings it to 500 rows closes a window: it has 500 here.
    reference, second = _frame(np.random.default_rng(0), 5000), live.iloc[500:1000]
    amount = by["inputs", "amount"]
    exact = ks(reference["amount"].to_numpy(), second["amount"].dropna().to_numpy()).statistic
    assert amount.statistic == "ks.statistic"
    assert amount.value == pytest.approx(exact, abs=0.02)
    country = by["inputs", "country"]
    codes = [pd.factorize(side["country"], sort=True)[0] for side in (reference, second)]
    assert (country.statistic, country.threshold) == ("psi", 0.02)
    assert country.value == pytest.approx(psi(*codes, edges=[0.5, 1.5]), rel=1e-9)
    missing = by["data_quality", "amount"]
    assert missing.statistic == "missing.ratio"
    assert missing.value == pytest.approx(second["amount"].isna().mean())
    assert missing.threshold == pytest.approx(np.sin(0.04) ** 2)


def test_a_window_in_which_all_differs_is_one_change(
    shop: Callable[..., DriftProcessor], told: list[StateChange]
) -> None:
    """The reference is of another model: one line for the family, none for its features."""
    live = _frame(np.random.default_rng(3), 1500)
    live[["amount", "age", "fee"]] += 5
    processor = shop()
    _send(processor, live, START_S)
    processor.tell(START_S)

    inputs = [(e.feature, e.state, e.value) for e in told if e.family == "inputs"]
    assert inputs == [("", "reference_mismatch", None)]


def test_an_alarm_that_is_on_when_windows_begin_anew_is_told_to_be_unknown(
    tmp_path: Path, shop: Callable[..., DriftProcessor], told: list[StateChange]
) -> None:
    """Somebody has put another reference there: the alarm is neither on nor over."""
    rng = np.random.default_rng(4)
    live = _frame(rng, 1500)
    live.loc[rng.random(1500) < 0.3, "country"] = "DK"
    processor = shop()
    _send(processor, live, START_S)
    save(build(live, built="2026-02-02"), tmp_path / "shop.json")
    later = _frame(rng, 100)
    _send(processor, later, START_S + 300)
    _send(processor, later, START_S + 400)
    processor.tell(START_S)

    families = [(e.family, e.state) for e in told if not e.feature]
    assert families == [("inputs", "drifted"), ("inputs", "unknown")]


def test_features_of_one_window_are_bounded(tmp_path: Path, told: list[StateChange]) -> None:
    """A thousand that change at once are not a thousand log records: the largest effects are."""
    rng = np.random.default_rng(5)
    path = tmp_path / "wide.json"
    save(build(rng.normal(size=(2000, 200)), built="2026-01-01"), path)
    processor = DriftProcessor(
        settings=DriftSettings(reference=str(path), windows=(WindowSpec.parse("500rows"),))
    )
    rows = rng.normal(size=(1500, 200))
    rows[:, :80] += np.linspace(1, 3, 80)
    for i in range(0, 1500, 100):
        times = np.full(100, START_S + i / 10)
        table = Table(100, None, matrix=rows[i : i + 100])
        processor.on_batch(Batch(SHOP, "predict", times, table, None))
        processor.on_tick(START_S + i / 10)
    processor.on_tick(START_S + 200)
    processor.tell(START_S)

    inputs = [event for event in told if event.family == "inputs"]
    assert (inputs[0].feature, inputs[0].value) == ("", 80.0)
    assert len(inputs) == 51
    assert "x79" in {event.feature for event in inputs}
    assert "x0" not in {event.feature for event in inputs}


@given(st.floats(0, 1), st.booleans())
def test_the_floor_of_a_share_is_where_cohens_h_reaches_its_own(share: float, up: bool) -> None:
    """Beyond it h is .08, unless there is no room."""
    floor = share_floor(share, 1.0 if up else -1.0)
    room = np.pi / 2 - np.arcsin(np.sqrt(share)) if up else np.arcsin(np.sqrt(share))
    assert cohens_h(floor, share) == pytest.approx(min(0.08, 2 * room), abs=1e-7)

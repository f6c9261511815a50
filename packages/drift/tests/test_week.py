"""Windows that are compared with the same hours of the week before."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from tidegauge.batch import Batch, ModelKey, Table
from tidegauge.configuration import CoreSettings
from tidegauge.runtime import shared
from tidegauge.settings import SettingError, load
from tidegauge_drift import DriftProcessor, DriftSettings, build, save
from tidegauge_drift.calls import CALLS
from tidegauge_drift.evaluator import Evaluator
from tidegauge_drift.explanation import explain
from tidegauge_drift.layout import Layout
from tidegauge_drift.packing import narrow
from tidegauge_drift.pane import Pane
from tidegauge_drift.season import compared
from tidegauge_drift.state import dump, restore
from tidegauge_drift.status_files import Found
from tidegauge_drift.times import HOUR_OF_WEEK, slot
from tidegauge_drift.verdict import WindowVerdict
from tidegauge_drift.week import WEEK_S, Week, WeekError
from tidegauge_drift.window import ClosedWindow, WindowSpec

if TYPE_CHECKING:
    from pathlib import Path


MODEL = ModelKey("m", "1")
HOUR_S, PANE_S = 3600, 600
START_S = 1_700_000_000 // WEEK_S * WEEK_S
HOUR = (WindowSpec.parse("1h"),)


@pytest.fixture(scope="module")
def layout() -> Layout:
    """Return the layout of two numbers, a category and an output."""
    rng = np.random.default_rng(0)
    frame = {"a": rng.normal(size=3000), "b": rng.normal(size=3000)}
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({**frame, "c": rng.choice([*"xyz"], 3000)})
    return Layout(build(table, outputs=rng.random(3000)))


def rows(rng: np.random.Generator, number: int, shift: float = 0.0) -> Table:
    """Return live rows."""
    return Table(
        number, ("a", "b", "c"),
        columns=(rng.normal(size=number) + shift, rng.normal(size=number),
                 rng.choice([*"xyzw"], number)),
    )  # fmt: skip


def pane(layout: Layout, at_s: int, table: Table, operation: str = "predict") -> Pane:
    """Return the pane of some rows."""
    counts = np.zeros(layout.size, np.intp)
    counts[: layout.inputs.size] = layout.inputs.count(table, (0, 1, 2))
    found = narrow(counts, table.rows)
    made = Pane(MODEL, operation, layout.digest, at_s // PANE_S, PANE_S, found, table.rows)
    made.saw_stride(1, 1)
    return made


def evaluator(layout: Layout, seen: list[WindowVerdict], **more: Any) -> Evaluator:
    """Return an evaluator that compares with the week before."""
    options = {"windows": HOUR, "pane_s": PANE_S, **more}
    return Evaluator(
        MODEL, layout, week=Week(), listener=lambda _, verdict: seen.append(verdict), **options
    )


def stream(layout: Layout, weeks: int, hours: int, shifts: dict[int, float]) -> list[Pane]:
    """Return panes of the first hours of some weeks, each week's rows shifted."""
    rng = np.random.default_rng(1)
    return [
        pane(layout, START_S + week * WEEK_S + at_s, rows(rng, 60, shifts.get(week, 0.0)))
        for week in range(weeks)
        for at_s in range(0, hours * HOUR_S, PANE_S)
    ]


def run(each: Evaluator, panes: list[Pane]) -> Evaluator:
    """Fold panes as time goes on, and one hour more."""
    for given_pane in panes:
        each.fold([given_pane])
        each.advance(given_pane.index + 1)
    each.advance(panes[-1].index + HOUR_S // PANE_S)
    return each


def by_week(seen: list[WindowVerdict]) -> dict[int, list[WindowVerdict]]:
    """Return the verdicts on windows with rows, by the week that they are of."""
    found: dict[int, list[WindowVerdict]] = {}
    for verdict in seen:
        if verdict.rows:
            found.setdefault((verdict.opened_s - START_S) // WEEK_S, []).append(verdict)
    return found


def test_a_window_is_compared_with_the_same_hours_a_week_ago(layout: Layout) -> None:
    """Undecided in the first week; a shift is found in the week that has it, and in the next."""
    seen: list[WindowVerdict] = []
    run(evaluator(layout, seen), stream(layout, 4, 6, {2: 1.0}))
    weeks = by_week(seen)

    assert {v.features[0].finding.reason for v in weeks[0]} == {"week"}
    assert {v.features[0].state for v in weeks[0]} == {"undecided"}
    flags = {week: [v.features[0].flagged for v in weeks[week]] for week in (1, 2, 3)}
    assert flags == {1: [False] * 6, 2: [True] * 6, 3: [True] * 6}
    assert [v.features[1].flagged for week in (1, 2, 3) for v in weeks[week]] == [False] * 18
    assert not any(verdict.mismatch for verdict in seen)


def test_what_differs_from_own_rows_is_no_wrong_reference(layout: Layout) -> None:
    """Most features have changed in the first window that can be judged: drift, no mismatch."""
    rng = np.random.default_rng(10)
    seen: list[WindowVerdict] = []
    panes = stream(layout, 1, 3, {})
    for at_s in range(START_S + WEEK_S, START_S + WEEK_S + 3 * HOUR_S, PANE_S):
        a, b, c = rows(rng, 60).columns or ()
        panes.append(pane(layout, at_s, Table(60, ("a", "b", "c"), columns=(a + 1, b + 1, c))))
    run(evaluator(layout, seen), panes)
    verdicts = by_week(seen)[1]

    assert [v.features[1].state for v in verdicts] == ["suspected", "drifted", "drifted"]


def test_the_counts_are_those_of_the_hours_weighted_as_the_window_is(layout: Layout) -> None:
    """By hand for a window of two hours, of which the second had three times the rows before."""
    rng = np.random.default_rng(2)
    week = Week()
    before = [pane(layout, START_S + i * HOUR_S, rows(rng, n)) for i, n in enumerate((100, 300))]
    for each in before:
        week.fold(each)
    at = START_S + WEEK_S
    hours = {str(slot(at + i * HOUR_S, HOUR_OF_WEEK)): n for i, n in enumerate((30, 10))}
    window = ClosedWindow(HOUR[0], at, at + 2 * HOUR_S, 40, 1, 1, 10.0, None, hours)
    found = week.baseline(window, layout.slots)
    first = layout.slots[0]
    one, two = (each.counts[first.start : first.stop].astype(float) for each in before)
    size = 1 / (0.75**2 / 100 + 0.25**2 / 300)

    assert found.counts is not None
    assert found.counts[first.start : first.stop] == pytest.approx(
        size * (0.75 * one / 100 + 0.25 * two / 300)
    )
    # No row had outputs: there is no baseline of theirs.
    assert not found.counts[layout.slots[-1].start :].any()


def test_new_categories_of_last_week_are_expected_this_week(layout: Layout) -> None:
    """A quarter was of a category that the reference lacks: nothing new."""
    seen: list[WindowVerdict] = []
    last = run(evaluator(layout, seen), stream(layout, 2, 6, {}))
    verdicts = by_week(seen)[1]
    window = last.snapshot.closed[HOUR[0]][1].window
    against = compared(window, layout, 2)
    assert not isinstance(against, str)
    compared_slot, counts = against

    assert [v.features[2].flagged for v in verdicts] == [False] * 6
    assert [v.quality[2].flagged for v in verdicts] == [False] * 6
    assert compared_slot.singletons == pytest.approx(90, abs=30)
    assert counts.sum() == pytest.approx(360, rel=0.01)


def test_too_few_rows_a_week_ago_are_no_baseline(layout: Layout) -> None:
    """Nor are hours of which a tenth of the window's rows have no counterpart."""
    rng = np.random.default_rng(3)
    at = START_S + WEEK_S
    few, gap = Week(), Week()
    few.fold(pane(layout, START_S, rows(rng, 29)))
    gap.fold(pane(layout, START_S, rows(rng, 500)))
    hours = {str(slot(at + i * HOUR_S, HOUR_OF_WEEK)): n for i, n in enumerate((100, 20))}
    window = ClosedWindow(HOUR[0], at, at + 2 * HOUR_S, 120, 1, 1, 10.0, None, hours)
    one = ClosedWindow(HOUR[0], at, at + HOUR_S, 100, 1, 1, 10.0, None, dict([*hours.items()][:1]))

    assert not few.baseline(one, layout.slots).counts.any()  # type: ignore[union-attr]
    assert not gap.baseline(window, layout.slots).counts.any()  # type: ignore[union-attr]
    assert gap.baseline(one, layout.slots).counts.any()  # type: ignore[union-attr]
    assert Week().baseline(one, layout.slots).counts is None


def test_rows_of_the_smaller_side_are_what_a_value_is_worth(layout: Layout) -> None:
    """PSI of 600 rows against 100 of last week is noise: it is not shown."""
    rng = np.random.default_rng(4)
    seen: list[WindowVerdict] = []
    run(evaluator(layout, seen), [
        pane(layout, START_S, rows(rng, 100)),
        pane(layout, START_S + WEEK_S, rows(rng, 600)),
    ])  # fmt: skip
    finding = by_week(seen)[1][0].features[0].finding

    assert (finding.rows, finding.psi) == (600, None)
    assert finding.effective_rows == pytest.approx(100)


def test_last_weeks_rows_of_one_call_are_worth_less(layout: Layout) -> None:
    """Calls have one row now and had fifty then: how alike those are is not known."""
    rng = np.random.default_rng(12)
    seen: list[WindowVerdict] = []
    before = pane(layout, START_S, rows(rng, 300))
    calls = np.zeros(2 + 20 * len(layout.slots), np.uint16)
    calls[:2] = 6, 300 * 49
    before.add_extra({CALLS: calls})
    run(evaluator(layout, seen), [before, pane(layout, START_S + WEEK_S, rows(rng, 300))])

    assert [verdict.dependence for verdict in seen if verdict.rows] == ["", "unknown"]


def test_a_week_that_had_an_alarm_is_said_to_be_the_baseline(layout: Layout) -> None:
    """In the third week the shift of the second is usual; the status says since when."""
    seen: list[WindowVerdict] = []
    each = evaluator(layout, seen)
    run(each, stream(layout, 3, 8, {1: 1.0, 2: 1.0}))
    weeks = by_week(seen)
    alarms = [v.features[0].run.detected for v in weeks[1]]
    last = [c.window for c in each.snapshot.closed[HOUR[0]]][-1]

    assert alarms == [False, *[True] * 7]
    assert [v.features[0].flagged for v in weeks[2]] == [False] * 8
    assert last.baseline is not None
    assert last.baseline.alarmed == 1.0


@given(
    sizes=st.lists(st.integers(0, 90), min_size=20, max_size=60),
    takeovers=st.sets(st.integers(0, 59)),
)
@examples(max_examples=15, deadline=None)
def test_any_number_of_takeovers_changes_nothing(
    layout: Layout, sizes: list[int], takeovers: set[int]
) -> None:
    """From the complete hours, kept once an hour, and the state, kept with each pane."""
    rng = np.random.default_rng(len(sizes))
    # Panes of a quarter of a day, so that there are two weeks of them.
    panes = [
        pane(layout, START_S + i * 6 * HOUR_S, rows(rng, size, float(i > 40)))
        for i, size in enumerate(sizes) if size
    ]  # fmt: skip

    def replayed(takeovers: set[int]) -> tuple[list[WindowVerdict], bytes]:
        seen: list[WindowVerdict] = []
        options = {"windows": (WindowSpec.parse("1d"), WindowSpec.parse("100rows"))}
        each = evaluator(layout, seen, **options)
        turn, hours = None, b""
        for i, given_pane in enumerate(panes):
            each.fold([given_pane])
            each.advance(given_pane.index + 1)
            assert each.week is not None
            if each.week.turn != turn:
                turn, hours = each.week.turn, each.week.to_bytes()
            if i in takeovers:
                state = dump(each)
                each = evaluator(layout, seen, **options)
                assert each.week is not None
                each.week.restore(hours, layout.digest, layout.size)
                restore(each, state)
        return seen, dump(each)

    assert replayed(set()) == replayed(takeovers)


def _weeks(made: Any, processes: list[Any]) -> dict[Any, WindowVerdict]:
    """Send some rows in two hours of each of two weeks; after each week the leader is killed."""
    rng = np.random.default_rng(9)
    for week in range(2):
        for hour in range(2):
            start_s = float(START_S + week * WEEK_S + hour * HOUR_S)
            rows = rng.normal(size=(400, 3)) + np.array([0, week, 0])
            now_s = made.replay(processes, rows, start_s=start_s, seed=week + hour)
            made.settle(processes, now_s)
            if hour and len(processes) > 2:
                leader = next(each for each in processes if each.group.leads)
                processes.remove(leader)
                leader.die()
    return {key: v for key, v in made.verdicts().items() if v.rows}


def test_several_processes_have_one_week(
    launch: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever leads: the rows of all, and what the leaders before have counted."""
    monkeypatch.setattr(shared, "settings", CoreSettings(state_dir="none"))
    one, many = (launch(baseline="previous_week") for _ in range(2))
    expected = _weeks(one, [one.process(alone=True)])
    found = _weeks(many, [many.process() for _ in range(5)])
    last = expected[max(expected, key=lambda key: key[2])]

    assert expected == found
    assert {v.features[1].flagged for v in expected.values()} == {None, True}
    assert (last.features[0].state, last.features[1].state) == ("ok", "drifted")


def test_what_no_window_needs_is_forgotten(layout: Layout) -> None:
    """A week before the open window's beginning, and the hours since."""
    seen: list[WindowVerdict] = []
    each = evaluator(layout, seen)
    rng = np.random.default_rng(5)
    for hour in range(200):
        run(each, [pane(layout, START_S + hour * HOUR_S, rows(rng, 1))])

    assert each.week is not None
    assert len(each.week) in (168, 169)


def test_another_operation_or_reference_begins_anew(layout: Layout) -> None:
    """Its rows are not comparable."""
    rng = np.random.default_rng(6)
    week = Week()
    week.fold(pane(layout, START_S, rows(rng, 50)))
    week.fold(pane(layout, START_S + HOUR_S, rows(rng, 50), "predict_proba"))
    content = week.to_bytes()
    other = Week()
    other.restore(content, "another layout", layout.size)

    assert (len(week), len(other)) == (1, 0)
    for wrong in (content[:-1], b"", b"x" * 100):
        with pytest.raises(WeekError, match="of another format"):
            other.restore(wrong, layout.digest, layout.size)


def test_a_clock_that_was_set_back_leaves_no_future(layout: Layout) -> None:
    """What was counted then lies ahead."""
    rng = np.random.default_rng(7)
    each = evaluator(layout, [])
    run(each, [pane(layout, START_S + hour * HOUR_S, rows(rng, 5)) for hour in range(10)])
    each.advance((START_S + 4 * HOUR_S) // PANE_S)

    assert each.week is not None
    assert len(each.week) == 4


def test_a_service_that_starts_again_goes_on(state: Path, tmp_path: Path) -> None:
    """The file in the state folder holds the week: the second run has a baseline at once."""
    path = tmp_path / "a.json"
    rng = np.random.default_rng(8)
    save(build(rng.normal(size=(2000, 2))), path)
    chosen = DriftSettings(reference=str(path), windows=HOUR, baseline="previous_week")
    reasons = []
    seen: list[WindowVerdict] = []
    for week in range(2):
        seen.clear()
        processor = DriftProcessor(
            settings=chosen, listener=lambda _, verdict: seen.append(verdict)
        )
        now = float(START_S + week * WEEK_S)
        for _ in range(30):
            table = Table(20, None, matrix=rng.normal(size=(20, 2)))
            processor.on_batch(Batch(MODEL, "predict", np.full(20, now), table, None))
            processor.on_tick(now + 14)
            processor.tell(now + 14)
            now += 100
        processor.on_end(now, 5.0)
        processor.tell(now)
        reasons.append(seen[0].features[0].finding.reason)
        (window,) = json.loads((state / "m.1.status.json").read_bytes())["windows"]
        assert window["baseline"] == {"kind": "previous_week", "alarmed": 0.0}
    file = state / "m.1.week"

    assert reasons == ["week", ""]
    assert file.stat().st_mode & 0o777 == 0o600
    assert any("previous_week on" in str(point.attributes) for point in processor.points())


@pytest.mark.parametrize("wrong", [b"torn", b""])
def test_a_file_that_is_torn_is_said_once(
    state: Path, tmp_path: Path, wrong: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """And the week is counted anew."""
    path = tmp_path / "a.json"
    save(build(np.random.default_rng(0).normal(size=(200, 2))), path)
    state.mkdir()
    (state / "m.1.week").write_bytes(wrong)
    chosen = DriftSettings(reference=str(path), baseline="previous_week")
    processor = DriftProcessor(settings=chosen)
    table = Table(20, None, matrix=np.zeros((20, 2)))
    processor.on_batch(Batch(MODEL, "predict", np.full(20, float(START_S)), table, None))

    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "counted anew" in caplog.text


def test_explain_says_what_the_baseline_is(layout: Layout, tmp_path: Path) -> None:
    """And that it had an alarm itself."""
    window = {
        "window": "1h", "open_rows": 0, "closed_s": START_S, "opened_s": START_S - 60, "rows": 5,
        "states": {"ok": 1}, "kept_one_in": [1, 1], "reference_mismatch": False, "families": {},
        "features": [], "baseline": {"kind": "previous_week", "alarmed": 0.4},
    }  # fmt: skip
    status = {
        "model": "m", "version": "1", "pid": 1, "host": "h", "windows": [window],
        "reference": {"id": "0", "source": "a", "built": "", "rows": 1},
    }  # fmt: skip
    said = "\n".join(explain(Found(status, START_S, tmp_path), START_S))

    assert "compared with the same hours of the week before" in said
    assert "had an alarm itself, at 40.0 % of these rows' hours" in said
    assert max(map(len, said.splitlines())) <= 80


def test_a_window_longer_than_a_week_is_refused() -> None:
    """It would be its own baseline."""
    given_environment = {
        "TIDEGAUGE_DRIFT_BASELINE": "previous_week", "TIDEGAUGE_DRIFT_WINDOWS": "8d",
    }  # fmt: skip

    with pytest.raises(SettingError, match="got '8d' from the settings; expected 7d at most"):
        load(DriftSettings, given_environment)
    with pytest.raises(SettingError, match="one of reference, previous_week"):
        load(DriftSettings, {"TIDEGAUGE_DRIFT_BASELINE": "last_week"})

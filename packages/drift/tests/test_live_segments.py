"""Live rows by segment: counted in any parts, judged by themselves, kept, shown and told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tidegauge.batch import Batch, ModelKey, Table
from tidegauge.events import StateChange
from tidegauge_drift import DriftProcessor, DriftSettings, build, save
from tidegauge_drift.counter import PaneCounter
from tidegauge_drift.evaluator import Evaluator
from tidegauge_drift.explanation import explain
from tidegauge_drift.export import points
from tidegauge_drift.judge import judge_feature
from tidegauge_drift.layout import Layout
from tidegauge_drift.pane import Pane
from tidegauge_drift.segment_screen import cleared
from tidegauge_drift.segment_table import differing, undecided, unpack
from tidegauge_drift.state import dump, restore
from tidegauge_drift.status import document
from tidegauge_drift.status_files import Found
from tidegauge_drift.wanted import Wanted
from tidegauge_drift.window import WindowSpec

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tidegauge.events import StateChange
    from tidegauge_drift import ReferenceProfile
    from tidegauge_drift.verdict import WindowVerdict

    from conftest import Launch

MODEL = ModelKey("fraud", "3")
ROWS, MINUTE = WindowSpec.parse("300rows"), WindowSpec.parse("60s")
COUNTRIES = np.array(["SE", "NO", "DK", "XX"], object)
SHARES = (0.5, 0.3, 0.15, 0.05)
NAMES = ("a", "b", "plan", "country")


def columns(rng: np.random.Generator, rows: int) -> dict[str, Any]:
    """Return rows: XX is not a segment, and neither is who has no country."""
    country = rng.choice(COUNTRIES, rows, p=SHARES)
    country[rng.random(rows) < 0.02] = None
    return {
        "a": rng.normal(size=rows),
        "b": np.where(rng.random(rows) < 0.1, np.nan, rng.normal(size=rows)),
        "plan": rng.choice(np.array(["free", "paid", "gift"], object), rows, p=(0.6, 0.3, 0.1)),
        "country": country,
    }


@pytest.fixture(scope="module")
def profile() -> ReferenceProfile:
    """Return a reference with three segments, and an output."""
    rng = np.random.default_rng(0)
    held = pd.DataFrame(columns(rng, 4000))
    outputs = pd.DataFrame({"score": rng.normal(size=4000), "country": held["country"]})
    return build(pd.DataFrame(columns(rng, 5000)), outputs=outputs, segment="country")


@pytest.fixture(scope="module")
def layout(profile: ReferenceProfile) -> Layout:
    """Return it made ready."""
    return Layout(profile, Wanted(segments=True))


def table(found: dict[str, Any]) -> Table:
    """Return columns as a live table."""
    return Table(len(found["a"]), tuple(found), columns=tuple(found.values()))


def batch(
    found: dict[str, Any], end_s: float = 1.0, outputs: Any = None, calls: Any = None
) -> Batch:
    """Return live rows that end at one time."""
    rows = len(found["a"])
    scores = np.random.default_rng(rows).normal(size=rows) if outputs is None else outputs
    given = Table(rows, None, matrix=scores[:, None])
    return Batch(MODEL, "predict", np.full(rows, end_s), table(found), given, 1, calls)


def evaluator(layout: Layout) -> Evaluator:
    """Return one of two kinds of windows."""
    return Evaluator(MODEL, layout, (ROWS, MINUTE), 10)


def replay(
    layout: Layout,
    change: Callable[[int, dict[str, Any]], None] = lambda _, __: None,
    panes: int = 18,
    rows: int = 150,
) -> Evaluator:
    """Return the evaluator after panes of rows, changed by their number."""
    rng = np.random.default_rng(4)
    counter, made = PaneCounter(MODEL, layout, 10), evaluator(layout)
    for i in range(panes):
        found = columns(rng, rows)
        change(i, found)
        counter.take(batch(found, 10.0 * i + 1))
        made.fold(counter.pop(i + 1))
    return made


def norway(_: int, found: dict[str, Any]) -> None:
    """Move one feature of one country by one and a half standard deviations."""
    found["a"] = found["a"] + 1.5 * (found["country"] == "NO")


def told_of(made: Evaluator) -> list[StateChange]:
    """Return what has changed of the family."""
    news = [each for each in made.news if isinstance(each, StateChange)]
    return [each for each in news if each.family == "segments"]


def verdict(made: Evaluator, spec: WindowSpec = ROWS) -> WindowVerdict:
    """Return the last verdict."""
    found = made.snapshot.verdict(spec)
    assert found is not None
    return found


def test_each_segment_has_the_counts_of_its_own_rows(layout: Layout) -> None:
    """As if only they had come; the counts of all rows are what they are without segments."""
    found = columns(np.random.default_rng(1), 500)
    counter = PaneCounter(MODEL, layout, 10)
    counter.take(batch(found))
    (pane,) = counter
    assert layout.segments is not None
    by_segment = pane.extra["inputs.segments"].reshape(3, -1)
    for s, country in enumerate(layout.segments.texts):
        ours = found["country"] == country
        some = {name: column[ours] for name, column in found.items()}
        assert layout.inputs.count(table(some), (0, 1, 2, 3)).tolist() == by_segment[s].tolist()
        assert pane.extra["outputs.segments"].reshape(3, -1)[s].sum() == ours.sum()

    assert layout.inputs.count(table(found), (0, 1, 2, 3)).tolist() == (
        pane.counts[: layout.inputs.size].tolist()
    )


@given(st.integers(0, 2**32 - 1), st.lists(st.integers(1, 60), min_size=1, max_size=5))
@settings(deadline=None, max_examples=20)
def test_counts_are_the_same_in_any_order_and_any_processes(
    layout: Layout, seed: int, sizes: list[int]
) -> None:
    """One batch, or parts of it in several panes that are merged, to the last bit."""
    rng = np.random.default_rng(seed)
    found, scores = columns(rng, sum(sizes)), rng.normal(size=sum(sizes))
    whole = PaneCounter(MODEL, layout, 10)
    whole.take(batch(found, outputs=scores))
    order = rng.permutation(sum(sizes))
    panes: list[Pane] = []
    for part in np.split(order, np.cumsum(sizes)[:-1]):
        one = PaneCounter(MODEL, layout, 10)
        some = {name: column[part] for name, column in found.items()}
        one.take(batch(some, outputs=scores[part]))
        panes += [Pane.from_bytes(pane.to_bytes()) for pane in one]
    merged = panes[0]
    for pane in panes[1:]:
        merged = pane.merge(merged)

    assert next(iter(whole)).to_bytes() == merged.to_bytes()


def test_without_segments_nothing_more_is_counted(profile: ReferenceProfile) -> None:
    """Where the setting is off, or the reference has none: one and the same pane."""
    found = columns(np.random.default_rng(1), 100)
    off = PaneCounter(MODEL, Layout(profile, DriftSettings(segments=False).wanted), 10)
    off.take(batch(found))
    plain = build(pd.DataFrame(columns(np.random.default_rng(0), 1000)))

    assert [set()] == [set(pane.extra) for pane in off]
    assert Layout(plain).digest == Layout(plain, DriftSettings().wanted).digest
    assert DriftSettings().wanted.segments
    assert not DriftSettings(mode="classic").wanted.segments
    assert not DriftSettings(baseline="previous_week").wanted.segments


def test_a_change_in_one_segment_is_that_segments_alarm(layout: Layout) -> None:
    """After two windows, on the one feature of the one country; no other is flagged."""
    made = replay(layout, norway)
    found = list(differing(verdict(made).extra))

    assert [("a", 1, True)] == [
        (layout.slots[each.feature].name, each.segment, each.detected) for each in found
    ]
    assert verdict(made).detected["segments"]
    assert [("segments", "", "drifted", 1.0)] == [
        (news.family, news.feature, news.state, news.value)
        for news in told_of(made)
        if news.window == "300rows"
    ]


def test_an_alarm_of_a_segment_ends_after_two_windows_like_before(layout: Layout) -> None:
    """Until then it is shown with its numbers, small as they are."""

    def ended(i: int, found: dict[str, Any]) -> None:
        if i < 8:
            norway(i, found)

    states = []
    for panes in (4, 8, 10, 12):
        made = replay(layout, ended, panes)
        found = list(differing(verdict(made).extra))
        states.append((verdict(made).detected["segments"], [each.flagged for each in found]))
        assert all(each.ks is not None for each in found)

    assert [(True, [True]), (True, [True]), (True, [False]), (False, [])] == states


def test_clean_segments_are_quiet_and_small_ones_undecided(layout: Layout) -> None:
    """Of 300 rows about 45 are Danish: enough; of 100 they are too few."""
    few = WindowSpec.parse("100rows")
    made = Evaluator(MODEL, layout, (few,), 10)
    counter, rng = PaneCounter(MODEL, layout, 10), np.random.default_rng(8)
    for i in range(6):
        counter.take(batch(columns(rng, 50), 10.0 * i + 1))
        made.fold(counter.pop(i + 1))
    clean = replay(layout)

    assert [] == list(differing(verdict(clean).extra))
    assert not verdict(clean).detected["segments"]
    assert [False] * 3 == np.asarray(undecided(verdict(clean).extra)).tolist()
    assert [False, False, True] == np.asarray(undecided(verdict(made, few).extra)).tolist()


def test_segments_are_judged_as_features_are(layout: Layout) -> None:
    """The same statistic as of the rows of the segment alone, and the level of their number."""
    made = replay(layout, norway, panes=4)
    rows = unpack(verdict(made).extra)
    assert rows is not None
    rng, parts = np.random.default_rng(4), []
    for i in range(4):
        found = columns(rng, 150)
        norway(i, found)
        parts.append(found["a"][found["country"] == "NO"])
    live = np.concatenate(parts[2:])
    assert layout.segments is not None
    reference = layout.segments.reference[0]
    assert reference is not None
    slot = layout.slots[0]
    counts = np.bincount(layout.inputs.places(
        Table(len(live), None, columns=(live, live, live.astype(object), live.astype(object))),
        (0, 1, 2, 3),
    )[:, 0], minlength=slot.stop)[: slot.stop]  # fmt: skip
    expected = judge_feature(
        slot, reference[1].astype(np.int64), counts, layout.bins[: slot.stop], 1.0
    )

    assert expected.ks == pytest.approx(float(rows[0, 1]["ks"]), rel=1e-6)
    assert (len(live), len(live)) == (rows[0, 1]["rows"], expected.rows)
    assert expected.effect == pytest.approx(float(rows[0, 1]["effect"]), rel=1e-6)


@given(st.integers(0, 2**32 - 1), st.floats(0, 0.6), st.sampled_from([1.0, 3.0]))
@settings(deadline=None, max_examples=40)
def test_tests_that_are_not_made_one_by_one_could_not_be_flagged(
    layout: Layout, seed: int, shift: float, deff: float
) -> None:
    """Each that is cleared has a p-value above the laxest level, each far from it is cleared."""
    rng = np.random.default_rng(seed)
    slot = layout.slots[0]
    assert layout.segments is not None
    reference = layout.segments.reference[0]
    assert reference is not None
    live = [rng.normal(shift, size=rows) for rows in (400, 120, 25)]
    counts = np.stack([
        layout.inputs.count(Table(len(x), ("a",), columns=(x,)), (0, -1, -1, -1))[: slot.stop]
        for x in live
    ])  # fmt: skip
    bins = layout.bins[: slot.stop]
    clear = cleared(reference[:, :-2].astype(np.int64), counts[:, :-2], bins[:-2], np.full(3, deff))
    for s in range(3):
        found = judge_feature(slot, reference[s].astype(np.int64), counts[s], bins, deff)
        if clear[s]:
            assert found.p_value is not None
            assert found.p_value > 0.01
        elif s == 0 and deff == 1 and found.p_value is not None:
            assert found.p_value <= 0.01


def test_a_successor_goes_on_with_segments(layout: Layout) -> None:
    """Open and closed windows, runs and all: the bytes that it would leave are the same."""
    made = replay(layout, norway, panes=9)
    successor = evaluator(layout)
    restore(successor, dump(made))

    assert dump(made) == dump(successor)
    assert verdict(made) == verdict(successor)
    assert [] == [
        name for closed in made.snapshot.closed.values() for each in closed
        for name in each.window.extra if "segments" in name
    ]  # fmt: skip


def test_another_reference_with_other_segments_begins_anew(layout: Layout) -> None:
    """Windows of one are never compared with another's; the alarm ends as unknown."""
    data = pd.DataFrame(columns(np.random.default_rng(3), 4000))
    other = Layout(build(data, segment="plan"), Wanted(segments=True))
    made = replay(layout, norway, panes=6)
    made.news.clear()
    made.replace(other, 6)
    counter, rng = PaneCounter(MODEL, other, 10), np.random.default_rng(9)
    for i in range(6, 10):
        counter.take(batch(columns(rng, 150), 10.0 * i + 1))
        made.fold(counter.pop(i + 1))

    assert other.segments is not None
    assert {"free", "paid", "gift"} == set(other.segments.texts)
    assert "unknown" in [news.state for news in told_of(made)]
    assert [False] * 3 == np.asarray(undecided(verdict(made).extra)).tolist()


@pytest.mark.parametrize(
    "country",
    [np.nan, None, "??", [1], 3, np.datetime64("NaT", "s")],
    ids=["nan", "none", "new", "list", "number", "nat"],
)
def test_rows_with_odd_values_are_of_no_segment(layout: Layout, country: object) -> None:
    """Nothing is raised, and no segment has them."""
    found = columns(np.random.default_rng(1), 60)
    odd = np.empty(60, object)
    odd[:] = [country] * 60
    counter = PaneCounter(MODEL, layout, 10)
    counter.take(batch({**found, "country": odd}))

    assert [0, 0] == [int(pane.extra[f"{side}.segments"].sum())
                      for pane in counter for side in ("inputs", "outputs")]  # fmt: skip


def test_rows_without_the_column_have_no_segments(
    layout: Layout, caplog: pytest.LogCaptureFixture
) -> None:
    """It is said once; all else is compared."""
    counter = PaneCounter(MODEL, layout, 10)
    for i in range(2):
        found = columns(np.random.default_rng(i), 60)
        del found["country"]
        counter.take(batch(found, 10.0 * i + 1))

    assert [{}, {}] == [pane.extra for pane in counter]
    said = [r.getMessage() for r in caplog.records if "no segments" in r.getMessage()]
    assert ["fraud 3: no segments: the column 'country' is not among the live ones."] == said


def test_columns_without_names_are_found_by_their_place() -> None:
    """A bare array of numbers, of which one is a code."""
    rng = np.random.default_rng(0)
    rows = np.column_stack([rng.normal(size=2000), rng.integers(0, 3, 2000)])
    made = Layout(build(rows, segment="x1"), Wanted(segments=True))
    counter = PaneCounter(MODEL, made, 10)
    live = Table(100, None, matrix=rows[:100])
    counter.take(Batch(MODEL, "predict", np.full(100, 1.0), live, None, 1))
    (pane,) = counter
    assert made.segments is not None
    expected = [int((rows[:100, 1] == float(text)).sum()) for text in made.segments.texts]
    by_segment = pane.extra["inputs.segments"].reshape(3, -1)[:, : made.slots[0].stop]

    assert expected == by_segment.sum(axis=1).tolist()


def test_rows_of_one_call_are_worth_what_those_of_their_segment_are(layout: Layout) -> None:
    """Pairs are counted by segment: calls of one country do not make all others' rows alike."""
    found = columns(np.random.default_rng(1), 60)
    found["country"] = np.repeat(["SE", "NO", "DK", "SE"], [30, 10, 10, 10]).astype(object)
    counter = PaneCounter(MODEL, layout, 10)
    counter.take(batch(found, calls=np.array([30, 20, 0, *[1] * 10])))
    (pane,) = counter

    assert [30 * 29, 10 * 9, 10 * 9] == pane.extra["segments.pairs"].tolist()


def test_status_and_explanation_name_the_segment(layout: Layout, tmp_path: Path) -> None:
    """Which feature, which value, how far."""
    made = replay(layout, norway)
    found = document(made.snapshot, (ROWS, MINUTE), {})
    window = found["windows"][0]
    listed = window["segments"]["differing"]
    status = Found({**found, "pid": 1, "host": "h"}, 200.0, tmp_path)
    lines = list(explain(status, 200.0))

    assert [("a", "NO", True)] == [(e["feature"], e["segment"], e["detected"]) for e in listed]
    since_s = listed[0]["since_s"]
    assert {"detected": True, "since_s": since_s} == window["families"]["segments"]
    assert "             by country: 3 of 3 segments judged, 1 ALARM" in lines
    assert any("a where country = NO: alarm, KS 0.5" in line for line in lines)
    assert "segments" in lines[0]


def test_the_family_is_one_series_a_window(layout: Layout) -> None:
    """Whose value a segment's rows have is in no label."""
    made = replay(layout, norway)
    found = [
        (point.attributes, point.value)
        for point in points(made.snapshot, (ROWS, MINUTE), ("psi", "detected"))
        if "segments" in point.attributes
    ]

    reference = layout.reference
    assert [
        (("fraud", "3", reference, "", "300rows", "segments"), 1.0),
        (("fraud", "3", reference, "", "60s", "segments"), 1.0),
    ] == found


def test_segments_and_correlations_share_what_is_left_of_the_budget() -> None:
    """Both have half of their level where both are on; the other families have theirs."""
    rng = np.random.default_rng(0)
    data = pd.DataFrame(columns(rng, 5000))
    built = build(data, segment="country", correlation=True)
    levels = [
        verdict(replay(Layout(built, wanted), panes=2)).levels
        for wanted in (Wanted(correlation=True), Wanted(correlation=True, segments=True))
    ]

    assert levels[1]["correlation"] == levels[0]["correlation"] / 2
    assert levels[1]["inputs"] == levels[0]["inputs"]


def test_categories_that_all_rows_have_chosen_by_luck_flag_no_clean_segment() -> None:
    """500 equally frequent ones: those with a cell are too frequent in each slice, too."""
    smallest = []
    for seed in range(2):
        rng = np.random.default_rng(seed)

        def some(rows: int, rng: np.random.Generator = rng) -> dict[str, Any]:
            word = rng.integers(500, size=rows).astype(str).astype(object)
            half = rng.choice(np.array(["x", "y"], object), rows)
            return {"a": rng.normal(size=rows), "word": word, "half": half}

        made = Layout(build(pd.DataFrame(some(5000)), segment="half"), Wanted(segments=True))
        counter, judged = PaneCounter(MODEL, made, 10), Evaluator(MODEL, made, (ROWS,), 10)
        counter.take(batch(some(4000)))
        judged.fold(counter.pop(1))
        rows = unpack(verdict(judged).extra)
        assert rows is not None
        smallest += rows["adjusted"][1].tolist()

    assert min(smallest) > 0.01


def test_several_processes_say_what_one_would(
    launch: Callable[..., Launch], told: list[StateChange], tmp_path: Path
) -> None:
    """Whoever leads: the same verdicts on segments, and one event."""
    rng = np.random.default_rng(0)

    def some(rows: int) -> np.ndarray[Any, Any]:
        return np.column_stack([rng.normal(size=(rows, 2)), rng.integers(0, 2, rows)])

    path = tmp_path / "segments.json"
    save(build(some(3000), segment="x2"), path)
    rows = some(1200)
    rows[:, 0] += 2.0 * rows[:, 2]
    options = {"reference": str(path), "windows": (WindowSpec.parse("100rows"),)}
    alone, several = launch(**options), launch(**options)
    for one, processes in (
        (alone, [alone.process(alone=True)]),
        (several, [several.process() for _ in range(3)]),
    ):
        one.settle(processes, one.replay(processes, rows))
        assert any(found.detected.get("segments") for _, found in one.seen)

    assert alone.verdicts() == several.verdicts()
    assert 2 == sum(event.family == "segments" for event in told)


def test_the_switch_is_off_where_the_setting_says_so(
    profile: ReferenceProfile, tmp_path: Path
) -> None:
    """There is no such family then; all else is judged."""
    path = tmp_path / "a.json"
    save(profile, path)
    families: dict[bool, set[str]] = {}
    for on in (True, False):
        seen: list[WindowVerdict] = []
        chosen = DriftSettings(reference=str(path), windows=(ROWS,), segments=on)
        processor = DriftProcessor(settings=chosen, listener=lambda _, v, s=seen: s.append(v))  # type: ignore[misc]
        rng = np.random.default_rng(1)
        for i in range(4):
            processor.on_batch(batch(columns(rng, 150), 10.0 * i + 1))
            processor.on_tick(10.0 * i + 14)
        families[on] = {family for found in seen for family in found.detected}

    assert families[True] - families[False] == {"segments"}

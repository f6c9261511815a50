"""A canary or shadow is compared with the live version: its answers, if the questions are alike."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tidegauge
from hypothesis import given, settings
from hypothesis import strategies as st
from tidegauge import pipeline
from tidegauge.batch import Batch, ModelKey, Table
from tidegauge.configuration import CoreSettings
from tidegauge.events import StateChange
from tidegauge.pipeline import Pipeline
from tidegauge.runtime import shared
from tidegauge_drift import DriftProcessor, DriftSettings, build, ks, save
from tidegauge_drift.calls import CALLS
from tidegauge_drift.evaluator import Evaluator
from tidegauge_drift.explanation import explain
from tidegauge_drift.layout import Layout
from tidegauge_drift.leader import Leader
from tidegauge_drift.multiplicity import paging_alpha
from tidegauge_drift.packing import narrow
from tidegauge_drift.pane import Pane
from tidegauge_drift.state import dump, restore
from tidegauge_drift.status import document
from tidegauge_drift.status_files import Found
from tidegauge_drift.window import WindowSpec

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from tidegauge.events import StateChange
    from tidegauge_drift import ReferenceProfile

    Matrix = NDArray[np.float64]

LIVE, CANARY = ModelKey("m", "3"), ModelKey("m", "4", "canary")
FIRST, PANE_S = 170_000_000, 10
ROWS, MINUTE = WindowSpec.parse("100rows"), WindowSpec.parse("60s")
WINDOWS = (ROWS, MINUTE)


def profile() -> ReferenceProfile:
    """Return the reference of two inputs and an output that is their mean."""
    rows = np.random.default_rng(0).normal(size=(4000, 2))
    return build(rows[:2000], outputs=rows[2000:].mean(axis=1))


@pytest.fixture(scope="module")
def layout() -> Layout:
    """Return it made ready."""
    return Layout(profile())


def pane(layout: Layout, model: ModelKey, index: int, rows: Matrix, shift: float = 0.0) -> Pane:
    """Return the pane of some rows and the answers to them."""
    counts = np.zeros(layout.size, np.intp)
    outputs = rows.mean(axis=1, keepdims=True) + shift
    size = layout.inputs.size
    counts[:size] = layout.inputs.count(Table(len(rows), None, matrix=rows), (0, 1))
    counts[size:] = layout.outputs.count(Table(len(rows), None, matrix=outputs), (0,))
    made = Pane(
        model, "predict", layout.digest, FIRST + index, PANE_S, narrow(counts, len(rows)), len(rows)
    )
    made.saw_stride(1, 1)
    return made


def evaluators(layout: Layout) -> tuple[Leader, dict[ModelKey, Evaluator]]:
    """Return a leader, and the evaluators that it has made."""
    made: dict[ModelKey, Evaluator] = {}

    def make(key: ModelKey) -> Evaluator:
        made[key] = Evaluator(key, layout, WINDOWS, PANE_S)
        return made[key]

    return Leader(PANE_S, make, lambda _: None), made


def give(leader: Leader, panes: Sequence[Pane], limit: int) -> None:
    """Hand over the panes below a limit."""
    leader.give(FIRST + limit, panes)
    leader.work(60.0)


def replay(
    layout: Layout,
    *,
    shift: float = 0.0,
    inputs: float = 0.0,
    live: Callable[[int], int] = lambda _: 60,
    number: int = 24,
) -> Evaluator:
    """Return the canary's evaluator after panes of both versions, a step of time each."""
    rng = np.random.default_rng(1)
    leader, made = evaluators(layout)
    for i in range(number):
        panes = [pane(layout, CANARY, i, rng.normal(size=(20, 2)) + inputs, shift)]
        if live(i):
            panes.append(pane(layout, LIVE, i, rng.normal(size=(live(i), 2))))
        give(leader, panes, i + 1)
    return made[CANARY]


def state_changes(evaluator: Evaluator) -> list[StateChange]:
    """Return what an evaluator has to tell of alarms."""
    return [event for event in evaluator.news if isinstance(event, StateChange)]


def test_a_canary_that_answers_as_the_live_version_is_no_news(layout: Layout) -> None:
    """Over the same windows: its 100 rows and the live version's 300."""
    canary = replay(layout)
    closed = canary.snapshot.versus[ROWS]
    assert closed.window.baseline is not None

    assert (closed.window.baseline.version, closed.window.baseline.rows) == ("3", 300)
    assert closed.verdict.rows == 100
    assert [feature.state for feature in closed.verdict.features] == ["ok"] * 3
    assert canary.news == []
    # Two kinds of windows, each judged twice.
    level = paging_alpha(closed.window.a_month, 100 / 400) / 4
    assert closed.verdict.levels["outputs"] == pytest.approx(level)


def test_other_answers_to_the_same_questions_are_an_alarm(layout: Layout) -> None:
    """Two windows in a row, as everywhere; the event names the live version."""
    canary = replay(layout, shift=0.5)
    closed = canary.snapshot.versus[ROWS]
    found = [
        (n.family, n.feature, n.state) for n in state_changes(canary) if n.reference == "live:3"
    ]

    assert [feature.state for feature in closed.verdict.features] == ["ok", "ok", "drifted"]
    assert closed.verdict.detected["outputs"]
    assert ("outputs", "", "drifted") in found
    assert {family for family, _, _ in found} == {"outputs"}


def test_other_questions_are_no_fault_of_the_answers(layout: Layout) -> None:
    """Outputs are undecided, nothing is told, and the status names the inputs that differ."""
    canary = replay(layout, inputs=1.0)
    closed = canary.snapshot.versus[ROWS]
    output = closed.verdict.features[2]
    status = document(canary.snapshot, WINDOWS, {})["windows"][0]["live"]

    assert (output.state, output.finding.reason, output.flagged) == ("undecided", "traffic", None)
    assert [n for n in state_changes(canary) if n.reference.startswith("live")] == []
    assert sorted(status["inputs_differ"]) == ["x0", "x1"]
    assert (status["detected"], status["outputs"][0]["reason"]) == (False, "traffic")


def test_live_rows_of_one_call_are_worth_less(layout: Layout) -> None:
    """Nobody knows how alike they are: what differs raises no alarm, and the verdict says so."""
    rng = np.random.default_rng(11)
    leader, made = evaluators(layout)
    for i in range(12):
        live = pane(layout, LIVE, i, rng.normal(size=(60, 2)))
        calls = np.zeros(2 + 20 * len(layout.slots), np.uint16)
        calls[:2] = 1, 60 * 59
        live.add_extra({CALLS: calls})
        give(leader, [live, pane(layout, CANARY, i, rng.normal(size=(50, 2)), 0.8)], i + 1)
    closed = made[CANARY].snapshot.versus[ROWS]

    assert closed.verdict.dependence == "unknown"
    assert closed.verdict.features[2].flagged
    assert not closed.verdict.features[2].run.detected


@pytest.mark.parametrize("rows", [0, 4])
def test_too_few_live_rows_are_no_comparison(layout: Layout, rows: int) -> None:
    """Undecided; what is said of the reference does not change."""
    canary = replay(layout, shift=0.5, live=lambda _: rows)
    closed = canary.snapshot.versus[ROWS]

    assert {f.finding.reason for f in closed.verdict.features} == {"live"}
    assert canary.snapshot.closed[ROWS][0].verdict.detected["outputs"]


def test_the_distance_is_that_of_the_rows(layout: Layout) -> None:
    """As the function for samples computes it, up to the cells."""
    rng = np.random.default_rng(2)
    leader, made = evaluators(layout)
    mine, theirs = rng.normal(size=(600, 2)), rng.normal(size=(3000, 2))
    panes = [pane(layout, CANARY, 0, mine, 0.3), pane(layout, LIVE, 0, theirs)]
    give(leader, panes, 1)
    finding = made[CANARY].snapshot.versus[ROWS].verdict.features[2].finding
    exact = ks(theirs.mean(axis=1), mine.mean(axis=1) + 0.3)

    assert finding.ks is not None
    assert exact.statistic - 0.01 <= finding.ks <= exact.statistic
    assert finding.rows == 600


@pytest.mark.parametrize("at_once", [False, True])
def test_live_rows_are_those_of_the_window(layout: Layout, *, at_once: bool) -> None:
    """A pane that closes a window of rows is in it; one after the end of a minute is not."""
    rng = np.random.default_rng(3)
    leader, made = evaluators(layout)
    waiting: list[Pane] = []
    for i in range(14):
        waiting.append(pane(layout, LIVE, i, rng.normal(size=(i + 1, 2))))
        if i in {0, 2, 7, 13}:
            waiting.append(pane(layout, CANARY, i, rng.normal(size=(50, 2))))
        if not at_once or i == 13:
            give(leader, waiting, i + 1)
            waiting = []
    versus = made[CANARY].snapshot.versus
    spans = {
        spec: (closed.window.opened_s // PANE_S - FIRST, closed.window.closed_s // PANE_S - FIRST)
        for spec, closed in versus.items()
    }
    rows = {spec: closed.window.baseline.rows for spec, closed in versus.items()}  # type: ignore[union-attr]

    for spec, (first, last) in spans.items():
        assert rows[spec] == sum(i + 1 for i in range(first, last)), spec
    assert spans[ROWS] == (3, 14)


@given(
    sizes=st.lists(
        st.tuples(st.integers(0, 90), st.integers(0, 90)), min_size=1, max_size=20
    ),
    takeovers=st.sets(st.integers(0, 19)),
    parts=st.integers(1, 3),
)  # fmt: skip
@settings(max_examples=25, deadline=None)
def test_takeovers_and_processes_change_nothing(
    layout: Layout, sizes: list[tuple[int, int]], takeovers: set[int], parts: int
) -> None:
    """The same rows, in one pane a version or several, in any order, under one leader or many."""

    def run(takeovers: set[int], parts: int) -> tuple[bytes, list[StateChange]]:
        rng = np.random.default_rng(len(sizes))
        leader, made = evaluators(layout)
        news: list[StateChange] = []
        for i, pair in enumerate(sizes):
            panes = []
            for model, size in zip((LIVE, CANARY), pair, strict=True):
                rows = rng.normal(size=(size, 2))
                shift = 0.8 * (model == CANARY)
                pieces = [rows[part::parts] for part in range(parts)]
                panes += [pane(layout, model, i, piece, shift) for piece in pieces if len(piece)]
            give(leader, panes[::-1] if parts > 1 else panes, i + 1)
            if i in takeovers and CANARY in made:
                news += state_changes(made[CANARY])
                states = {key: dump(each) for key, each in made.items()}
                leader, made = evaluators(layout)
                leader.through = FIRST + i + 1
                for key, state in states.items():
                    restored = leader.evaluator(ModelKey(key.name, key.version))
                    assert restored is not None
                    restore(restored, state)
        last = made.get(CANARY)
        return (b"", []) if last is None else (dump(last), news + state_changes(last))

    assert run(set(), 1) == run(takeovers, parts)


def test_a_new_live_version_starts_the_comparison_anew(layout: Layout) -> None:
    """An alarm against the old one is over: nobody knows whether it would be."""
    rng = np.random.default_rng(4)
    leader, made = evaluators(layout)
    for i in range(20):
        live = LIVE if i < 10 else ModelKey("m", "5")
        panes = [
            pane(layout, CANARY, i, rng.normal(size=(50, 2)), 0.8 * (i < 10)),
            pane(layout, live, i, rng.normal(size=(50, 2))),
        ]
        give(leader, panes, i + 1)
    told = [
        (n.reference, n.state) for n in state_changes(made[CANARY])
        if n.window == "100rows" and not n.feature and n.reference.startswith("live")
    ]  # fmt: skip

    assert told == [("live:3", "drifted"), ("live:3", "unknown")]
    assert made[CANARY].snapshot.versus[ROWS].verdict.detected == {
        "inputs": False, "outputs": False, "data_quality": False,
    }  # fmt: skip


def test_a_canary_that_is_promoted_is_compared_no_more(layout: Layout) -> None:
    """And is the live version of the others from then on."""
    rng = np.random.default_rng(5)
    leader, made = evaluators(layout)
    shadow = ModelKey("m", "6", "shadow")
    for i in range(20):
        role = "canary" if i < 10 else "live"
        panes = [
            pane(layout, ModelKey("m", "4", role), i, rng.normal(size=(50, 2)), 0.8),
            pane(layout, shadow, i, rng.normal(size=(50, 2))),
            *([pane(layout, LIVE, i, rng.normal(size=(50, 2)))] if i < 10 else []),
        ]
        give(leader, panes, i + 1)
    told = [
        n.state for n in state_changes(made[CANARY]) if n.reference == "live:3" and not n.feature
    ]

    assert (made[CANARY].snapshot.role, made[CANARY].snapshot.versus) == ("live", {})
    assert told == ["drifted"] * 2 + ["unknown"] * 2  # of each kind of window
    assert made[shadow].snapshot.versus[ROWS].window.baseline.version == "4"  # type: ignore[union-attr]


def test_processes_that_disagree_on_the_role_still_say_one_thing(layout: Layout) -> None:
    """In whichever order their panes come."""
    one, other = (
        pane(layout, ModelKey("m", "4", r), 0, np.zeros((3, 2))) for r in ("live", "shadow")
    )

    assert one.merge(other).model.role == other.merge(one).model.role == "live"


def test_of_more_live_versions_than_four_the_first_are_compared(
    layout: Layout, caplog: pytest.LogCaptureFixture
) -> None:
    """Memory is bounded, and it is said once."""
    rng = np.random.default_rng(6)
    leader, _ = evaluators(layout)
    panes = [pane(layout, CANARY, 0, rng.normal(size=(20, 2)))]
    panes += [pane(layout, ModelKey("m", f"v{i}"), 0, rng.normal(size=(5, 2))) for i in range(6)]
    give(leader, panes, 1)

    assert "more than 4 versions are live" in caplog.text


class Prediction:
    """What the processes of a launch are sent: rows of both versions, answers with them."""

    def __init__(self, seconds: int) -> None:
        rng = np.random.default_rng(7)
        self.rows = rng.normal(size=(seconds * 40, 2))
        self.answers = self.rows.mean(axis=1) + np.where(np.arange(len(self.rows)) % 4 == 0, 0.8, 0)
        self.seconds = seconds

    def send(self, processes: Sequence[Any], start_s: float, killed: Sequence[int] = ()) -> float:
        """Send every fourth row to the canary, all by chance to one of the processes."""
        rng = np.random.default_rng(len(processes))
        living = list(processes)
        for second in range(self.seconds):
            for i in range(second * 40, second * 40 + 40):
                who = living[int(rng.integers(len(living)))]
                features = Table(1, None, matrix=self.rows[i : i + 1])
                outputs = Table(1, None, matrix=self.answers[i : i + 1, None])
                at = np.array([start_s + second + (i % 40) / 40])
                model = CANARY if i % 4 == 0 else LIVE
                who.drift.on_batch(Batch(model, "predict", at, features, outputs))
            for each in living:
                each.tick(start_s + second + 1)
            if second in killed:
                leader = next(each for each in living if each.group.leads)
                living.remove(leader)
                leader.die()
        for more in range(30):
            for each in living:
                each.tick(start_s + self.seconds + more + 1)
        return start_s + self.seconds


@pytest.fixture
def reference(tmp_path: Path) -> str:
    """Return the path of the reference."""
    path = tmp_path / "roles.json"
    save(profile(), path)
    return str(path)


def test_several_processes_say_what_one_says(
    launch: Callable[..., Any],
    reference: str,
    told: list[StateChange],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Rows of both versions spread over all, two leaders killed: the same events."""
    monkeypatch.setattr(shared, "settings", CoreSettings(state_dir="none"))
    said = []
    for number, killed in ((0, ()), (4, (19, 39))):
        made = launch(reference=reference)
        processes = [made.process(alone=not number) for _ in range(number or 1)]
        told.clear()
        Prediction(60).send(processes, 1_700_000_000.0, killed)
        said.append([
            (n.reference, n.family, n.feature, n.window, n.state, n.at_s) for n in told
            if n.model == CANARY and n.reference == "live:3"
        ])  # fmt: skip

    assert said[0] == said[1]
    assert ("live:3", "outputs", "", "100rows", "drifted") in [each[:5] for each in said[0]]


def test_status_metrics_and_explain_name_the_live_version(
    launch: Callable[..., Any], reference: str, state: Path
) -> None:
    """Of outputs alone; a live version has none of it."""
    process = launch(reference=reference).process(alone=True)
    now_s = Prediction(40).send([process], 1_700_000_000.0)
    points = [
        (p.spec.name, p.attributes[2:]) for p in process.drift.points()
        if p.attributes[1] == "4" and p.attributes[2].startswith("live")
    ]  # fmt: skip
    status = json.loads((state / "m.4.status.json").read_bytes())
    live = json.loads((state / "m.3.status.json").read_bytes())
    text = "\n".join(explain(Found(status, now_s, state), now_s))

    names = {name for name, _ in points}
    assert ("drift.detected", ("live:3", "", "100rows", "outputs")) in points
    assert ("drift.ks.statistic", ("live:3", "output", "100rows")) in points
    assert {"inputs", "data_quality", "x0", "x1"}.isdisjoint(a for _, each in points for a in each)
    assert names == {
        "drift.detected", "drift.ks.statistic", "drift.window.rows", "drift.features",
        "drift.effective.rows",
    }  # fmt: skip
    assert (status["role"], live["role"]) == ("canary", "live")
    assert ["live" in window for window in live["windows"]] == [False, False]
    assert status["windows"][0]["live"]["detected"]
    assert "ALARM against live 3" in text
    assert "output: drifted, KS 0." in text
    assert max(map(len, text.splitlines())) <= 80


def test_the_comparison_is_part_of_the_series_budget(layout: Layout) -> None:
    """Its output and its aggregates take the place of features."""
    rng = np.random.default_rng(8)
    members = []
    for role in ("live", "canary"):
        each = Evaluator(CANARY, layout, WINDOWS, PANE_S, budget=7)
        for i in range(6):
            each.fold([pane(layout, ModelKey("m", "4", role), i, rng.normal(size=(50, 2)))])
        members.append(len(each.snapshot.members))

    assert members == [3, 2]


def test_models_by_hand_have_their_role(
    reference: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the argument to the metric, through the one path."""
    now_s = 1_700_000_000.0
    monkeypatch.setattr(shared, "settings", CoreSettings(state_dir="none"))
    monkeypatch.setattr(shared, "clock", lambda: now_s)
    processor = DriftProcessor(settings=DriftSettings(reference=reference, windows=(ROWS,)))
    running = Pipeline([processor])
    monkeypatch.setattr(pipeline, "_current", running)
    models = tidegauge.Model("hand", "1"), tidegauge.Model("hand", "2", role="shadow")
    rng = np.random.default_rng(9)
    for _ in range(45):  # 30 calls must have been seen before anything alarms
        for shift, model in enumerate(models):
            rows = rng.normal(size=(50, 2))
            with model.prediction(rows) as prediction:
                prediction.output = rows.mean(axis=1) + shift
        now_s += 5.0
        running.flush()
    running.stop()
    found = {
        p.attributes[:3]: p.value for p in processor.points()
        if p.spec.name == "drift.detected" and p.attributes[3] == "output"
        and p.attributes[2].startswith("live")
    }  # fmt: skip

    assert found == {("hand", "2", "live:1"): 1.0}


def test_explain_says_why_nothing_is_compared(layout: Layout, tmp_path: Path) -> None:
    """Other inputs, or no live rows."""
    said = []
    for canary in (replay(layout, inputs=1.0), replay(layout, live=lambda _: 0)):
        status = {**document(canary.snapshot, WINDOWS, {}), "pid": 1, "host": "h"}
        said.append("\n".join(explain(Found(status, 0.0, tmp_path), 0.0)))
        assert max(map(len, said[-1].splitlines())) <= 80

    assert "inputs differ from live 3's: x" in said[0]
    assert "its inputs differ from the live version's" in said[0]
    assert "against live: no rows of it on this reference" in said[1]

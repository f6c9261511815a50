"""Columns that differ from the reference's: a state of the model, told when it begins and ends."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tidegauge.batch import Batch, ModelKey, Table
from tidegauge.events import SchemaChange, StateChange
from tidegauge_drift import DriftProcessor, DriftSettings, build, save
from tidegauge_drift.counter import PaneCounter
from tidegauge_drift.layout import Layout
from tidegauge_drift.pane import Pane
from tidegauge_drift.schema import KINDS, Note, joined
from tidegauge_drift.window import WindowSpec
from tidegauge_semconv import metrics as m
from tidegauge_testkit.contracts import commands

MODEL = ModelKey("fraud", "3")
START_S = 1_700_000_000.0
NAMES = ("amount", "age", "visits")
NOTES = st.lists(st.tuples(st.sampled_from(KINDS), st.text("abcdefgh", min_size=1, max_size=2)))


@given(st.lists(NOTES, max_size=6), st.randoms(use_true_random=False))
def test_notes_are_the_same_in_any_order(parts: list[list[Note]], random: Any) -> None:
    """Ten of each kind at most, the same ten whichever process saw which first."""
    shuffled = [part[:] for part in parts]
    random.shuffle(shuffled)
    left: tuple[Note, ...] = reduce(joined, parts, ())
    right: tuple[Note, ...] = reduce(lambda one, part: joined(part, one), shuffled, ())
    whole = joined((), [note for part in parts for note in part])

    assert left == right == whole
    assert all(sum(kind == each for kind, _ in whole) <= 10 for each in KINDS)


class Service:
    """A model that gets rows of any columns, ten rows a second."""

    def __init__(self, path: Path) -> None:
        specs = (WindowSpec.parse("300rows"),)
        self.path, self.specs, self.now_s = path, specs, START_S
        self.drift = DriftProcessor(settings=DriftSettings(reference=str(path), windows=specs))
        self.rng = np.random.default_rng(1)

    def serve(self, seconds: int, names: tuple[str, ...] | None, **columns: Any) -> None:
        """Serve rows whose columns have these names; some of them other values."""
        for _ in range(seconds):
            self.now_s += 1
            width = len(names or (0, 0))
            values = tuple(self.rng.normal(size=10) for _ in range(width))
            if names is not None:
                values = tuple(
                    np.full(10, columns[name], object) if name in columns else value
                    for name, value in zip(names, values, strict=True)
                )
            table = Table(10, names, columns=values)
            times = np.full(10, self.now_s)
            self.drift.on_batch(Batch(MODEL, "predict", times, table, None))
            self.drift.on_tick(self.now_s)
        self.drift.tell(self.now_s)

    def points(self, name: str) -> dict[tuple[str, ...], float]:
        """Return what is exported of a metric."""
        return {p.attributes: p.value for p in self.drift.points() if p.spec.name == name}


@pytest.fixture
def service(tmp_path: Path, state: Path) -> Service:
    """Return a service with a reference of three named features."""
    assert not state.exists()
    frame = pytest.importorskip("pandas").DataFrame(
        np.random.default_rng(0).normal(size=(3000, 3)), columns=list(NAMES)
    )
    path = tmp_path / "fraud.json"
    save(build(frame), path)
    return Service(path)


def _status(state: Path) -> Any:
    (path,) = state.glob("*.status.json")
    return json.loads(path.read_bytes())


def _schema(state: Path) -> dict[str, list[str]]:
    return {each["kind"]: each["texts"] for each in _status(state)["schema"]}


def _changes(told: list[Any]) -> list[tuple[str, tuple[str, ...], str]]:
    return [(e.kind, e.texts, e.state) for e in told if isinstance(e, SchemaChange)]


def test_columns_that_differ_are_a_state_that_begins_and_ends(
    service: Service, state: Path, told: list[Any]
) -> None:
    """Within a pane it is there, with an event; ten minutes of rows without it end it, too."""
    service.serve(60, NAMES)
    assert (_schema(state), _changes(told)) == ({}, [])
    service.serve(30, ("amount", "visits", "colour"))
    begun = dict(_schema(state))
    (missing,) = [v for a, v in service.points(m.DRIFT_FEATURES.name).items() if a[-1] == "missing"]
    shown = commands.run("explain", "fraud").text
    service.serve(300, NAMES)
    still = _schema(state)
    service.serve(400, NAMES)

    assert {"missing_columns": ["age"], "extra_columns": ["colour"]} == begun == still
    assert {} == _schema(state)
    assert [
        ("missing_columns", ("age",), "changed"), ("extra_columns", ("colour",), "changed"),
        ("missing_columns", ("age",), "ok"), ("extra_columns", ("colour",), "ok"),
    ] == _changes(told)  # fmt: skip
    assert "columns    some are missing since 2023-11-14 22:14:20 UTC\n             age\n" in shown
    assert "columns    some are not in the reference since" in shown
    assert [] == [line for line in shown.splitlines() if len(line) > 80]
    assert missing in (0, 1)  # the window that closed last may be the one before


def test_a_missing_feature_is_counted_as_one(service: Service) -> None:
    """In ``drift.features``, from the first window without it on, and no longer than that."""
    found = []
    for names in (NAMES, ("amount", "visits"), NAMES):
        service.serve(90, names)
        points = service.points(m.DRIFT_FEATURES.name)
        found += [value for at, value in points.items() if at[-1] == "missing"]

    assert [0, 1, 0] == found


def test_another_number_of_columns_is_seen_though_nothing_is_compared(
    service: Service, state: Path, told: list[Any]
) -> None:
    """No window closes, nothing is exported, but the status and an event say why."""
    service.serve(60, None)
    (found,) = _status(state)["schema"]
    shown = commands.run("explain", "fraud").text

    assert found["kind"] == "other_inputs"
    assert ["the reference has 3 columns, the model gets 2 without names"] == found["texts"]
    assert [("other_inputs", tuple(found["texts"]), "changed")] == _changes(told)
    assert shown.startswith("fraud 3: not judged yet, no window has closed; OTHER COLUMNS\n")
    assert "columns    other ones, NOTHING IS COMPARED since" in shown
    assert [] == list(service.drift.points())


def test_numbers_that_became_text_are_an_alarm_of_data_quality(
    service: Service, told: list[Any]
) -> None:
    """The share of ill-typed values says so, with an event when it begins and when it ends."""
    service.serve(90, NAMES)
    service.serve(90, NAMES, age="old")
    service.serve(150, NAMES)
    found = [(e.state, e.statistic) for e in told if isinstance(e, StateChange) and e.feature]

    assert ("drifted", "type_error.ratio") in found
    assert "ok" == found[-1][0]


def test_another_reference_ends_what_was_said_of_the_one_before(
    service: Service, state: Path, told: list[Any]
) -> None:
    """Nobody knows whether it would still be so."""
    service.serve(60, ("amount", "visits"))
    frame = pytest.importorskip("pandas").DataFrame(
        np.random.default_rng(5).normal(size=(3000, 2)), columns=["amount", "visits"]
    )
    save(build(frame), service.path)
    service.serve(60, ("amount", "visits"))

    assert [
        ("missing_columns", ("age",), "changed"), ("missing_columns", ("age",), "unknown")
    ] == _changes(told)  # fmt: skip
    assert {} == _schema(state)


def test_a_launch_says_it_once_and_a_successor_goes_on(
    launch: Callable[..., Any], told: list[Any]
) -> None:
    """One of two processes gets an extra column; the leader dies, its successor repeats nothing."""
    made = launch()
    processes = [made.process(), made.process()]
    rng = np.random.default_rng(2)
    now_s = START_S
    for second in range(90):
        for process in processes:
            width = 4 if process is processes[-1] else 3
            rows = rng.normal(size=(5, width))
            process.send(rows, np.full(5, now_s + second))
        for process in processes:
            process.tick(now_s + second + 1)
        if second == 50:
            processes.pop(0).die()
    (leader,) = (process for process in processes if process.group.leads)
    (evaluator,) = leader.drift._leader.shown

    assert ["other_inputs"] == [found.kind for found in evaluator.snapshot.schema]
    assert 1 == len(_changes(told))


def test_what_a_killed_process_saw_last_is_known(launch: Callable[..., Any]) -> None:
    """Its pane had rows already; then it noted other columns, and no further row."""
    made = launch()
    processes = [made.process(), made.process()]
    rng = np.random.default_rng(3)
    leader, other = processes
    for second in range(5):
        for process in processes:
            process.tick(START_S + second)
        if second < 4:
            width = 3 if second < 2 else 4
            other.send(rng.normal(size=(5, width)), np.full(5, START_S + second))
    assert leader.group.leads
    other.die()
    made.settle([leader], START_S + 5, seconds=40)
    (evaluator,) = leader.drift._leader.shown

    assert ["other_inputs"] == [found.kind for found in evaluator.snapshot.schema]


def test_panes_of_rows_that_are_not_compared_hold_only_notes() -> None:
    """They are merged and read again like any other."""
    layout = Layout(build(np.random.default_rng(0).normal(size=(500, 3))))
    counter = PaneCounter(MODEL, layout, 10)
    for width in (2, 5):
        table = Table(4, None, matrix=np.zeros((4, width)))
        counter.take(Batch(MODEL, "predict", np.full(4, 5.0), table, None))
    (pane,) = counter.pop(10**12)
    back = Pane.from_bytes(pane.to_bytes())

    assert (0, 2) == (back.rows, len(back.notes))
    assert pane.notes == back.notes == back.merge(pane).notes

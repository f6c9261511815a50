"""Counts by bin since the start: the same PSI as a window's, monotone, and handed on whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tidegauge.batch import Batch, CountPoint, GaugePoint, ModelKey, Table
from tidegauge_drift import DriftProcessor, DriftSettings, build, save
from tidegauge_drift.evaluator import Evaluator
from tidegauge_drift.fleet import FleetCounts, series
from tidegauge_drift.judge import judge_feature
from tidegauge_drift.layout import Layout
from tidegauge_drift.packing import PackingError, pack
from tidegauge_drift.pane import Pane
from tidegauge_drift.state import dump, restore
from tidegauge_drift.window import WindowSpec

if TYPE_CHECKING:
    from pathlib import Path

MODEL = ModelKey("fraud", "3")
NOW_S = 1_700_000_000


def reference(seed: int = 0, **changes: Any) -> Layout:
    """Return a layout with a number, a number of few values, categories and an output."""
    rng = np.random.default_rng(seed)
    frame = rows(rng, 2000)
    return Layout(build(frame, outputs=rng.beta(2, 5, 2000), built="2026-01-01", **changes))


def rows(rng: np.random.Generator, count: int, shift: float = 0.0) -> pd.DataFrame:
    """Draw rows, some of them without a value or with one that is new."""
    age = rng.normal(45 + shift, 12, count)
    age[rng.random(count) < 0.02] = np.nan
    cities = [f"c{i}" for i in range(30)]
    weights = np.arange(30, 0, -1) / np.arange(30, 0, -1).sum()
    city = rng.choice(cities, count, p=weights).astype(object)
    city[rng.random(count) < 0.01] = None
    visits = rng.poisson(3, count).astype(float)
    return pd.DataFrame({"age": age, "visits": visits, "city": city})


def pane(layout: Layout, frame: pd.DataFrame, outputs: Any = None, index: int = 0) -> Pane:
    """Count rows in a pane as the monitor does."""
    columns = tuple(frame[name].to_numpy() for name in frame.columns)
    table = Table(len(frame), tuple(frame.columns), columns=columns)
    counts = np.zeros(layout.size, np.uint32)
    counts[: layout.inputs.size] = layout.inputs.count(table, layout.match_inputs(table).columns)
    if outputs is not None:
        one = Table(len(frame), None, matrix=np.asarray(outputs)[:, None])
        found = layout.outputs.count(one, layout.match_outputs(one).columns)
        counts[layout.outputs.start :] = found
    place = NOW_S // 10 + index
    return Pane(MODEL, "predict", layout.digest, place, 10, counts, len(frame), 1, 1)


def counted(fleet: FleetCounts) -> dict[tuple[str, ...], float]:
    """Return (reference, feature, bin) -> rows."""
    return {p.attributes[2:]: p.value for p in fleet.points() if isinstance(p, CountPoint)}


def gauges(fleet: FleetCounts, name: str) -> dict[tuple[str, ...], float]:
    """Return attributes after the model -> value of one gauge."""
    found = (p for p in fleet.points() if isinstance(p, GaugePoint) and p.spec.name == name)
    return {p.attributes[2:]: p.value for p in found}


def watched(layout: Layout, *features: str) -> FleetCounts:
    """Return counts that have looked at a reference."""
    return FleetCounts(MODEL, layout, features)


def test_every_bin_is_there_at_zero_before_the_first_row() -> None:
    """A reader that sees a bin only with its first row would lose that row."""
    layout = reference()
    found = counted(watched(layout))
    assert set(found.values()) == {0}
    assert {name for _, feature, name in found if feature == "age"} == {
        *(str(i) for i in range(10)), "missing", "other",
    }  # fmt: skip
    assert {name for _, feature, name in found if feature == "city"} == {
        *(str(i) for i in range(10)), "rest", "new", "missing", "other",
    }  # fmt: skip
    assert {feature for _, feature, _ in found} == {"age", "visits", "city", "output"}
    assert {reference for reference, _, _ in found} == {layout.reference}


def test_counts_and_shares_give_the_psi_of_a_window() -> None:
    """Over all panes, for numbers, few values, categories and outputs: the verdict's own index."""
    layout = reference()
    fleet = watched(layout)
    rng = np.random.default_rng(1)
    panes = [
        pane(layout, rows(rng, 500, shift=5.0 * i), rng.beta(2, 4, 500), index=i) for i in range(4)
    ]
    for each in panes:
        fleet.fold(layout, each)
    total = np.sum([each.counts for each in panes], axis=0)
    found, shares = counted(fleet), gauges(fleet, "drift.reference.bin.ratio")
    for slot in layout.slots:
        place = slice(slot.start, slot.stop)
        finding = judge_feature(
            slot,
            layout.counts[place].astype(np.int64),
            total[place],
            layout.bins[place],
            layout.deff,
        )
        names = [key for key in shares if key[1] == slot.name]
        p = np.maximum([shares[key] for key in names], 1e-4)
        q = np.array([found[key] for key in names])
        q = np.maximum(q / q.sum(), 1e-4)
        assert float(((q - p) * np.log(q / p)).sum()) == pytest.approx(finding.psi, abs=1e-12)
        assert sum(shares[key] for key in names) == pytest.approx(1, abs=1e-12)
        assert sum(v for key, v in found.items() if key[1] == slot.name) == total[place].sum()


def test_what_is_no_number_and_no_value_is_counted_apart() -> None:
    """Missing values and those of another type are no bin."""
    layout = reference()
    fleet = watched(layout)
    frame = pd.DataFrame(
        {"age": [None, "x", 45.0], "visits": [1.0, 2.0, 3.0], "city": ["c0", "other", [1]]},
        dtype=object,
    )
    fleet.fold(layout, pane(layout, frame))
    found = {key[1:]: value for key, value in counted(fleet).items() if value}
    assert found["age", "missing"] == 1
    assert found["age", "other"] == 1
    assert (found["city", "new"], found["city", "other"]) == (1, 1)
    assert (
        sum(v for (feature, name), v in found.items() if feature == "city" and name != "new") == 2
    )


def test_globs_choose_features_and_the_number_of_series_is_known() -> None:
    """The count that doctor prints is that of the series there are."""
    layout = reference()
    for globs in ((), ("a*",), ("age", "out*"), ("nothing",)):
        fleet = watched(layout, *globs)
        fleet.fold(layout, pane(layout, rows(np.random.default_rng(2), 100)))
        points = list(fleet.points())
        assert len({(p.spec.name, p.attributes) for p in points}) == len(points)
        assert series(layout, globs) == len(points)
    assert series(layout, ("age",)) == 10 + 10 + 2 + 1


def test_attributes_are_those_of_the_metrics() -> None:
    """Each point has a value for each attribute of its metric."""
    layout = reference()
    for point in watched(layout).points():
        named = dict(zip(point.spec.attributes, point.attributes, strict=True))
        assert (named["model_name"], named["model_version"]) == ("fraud", "3")
        assert named["reference"] == layout.reference


def test_counts_never_shrink_and_two_processes_agree() -> None:
    """Taken over by another process in the middle, the counts are the same to the row."""
    layout = reference()
    rng = np.random.default_rng(3)
    panes = [pane(layout, rows(rng, 100), index=i) for i in range(6)]
    one = watched(layout)
    before: dict[tuple[str, ...], float] = {}
    for each in panes:
        one.fold(layout, each)
        now = counted(one)
        assert all(now[key] >= value for key, value in before.items())
        before = now

    first = watched(layout)
    for each in panes[:3]:
        first.fold(layout, each)
    second = watched(layout)
    second.restore(first.to_bytes())
    for each in panes[3:]:
        second.fold(layout, each)
    assert counted(one) == counted(second)
    starts = {p.start_s for p in second.points() if isinstance(p, CountPoint)}
    assert starts == {p.start_s for p in one.points() if isinstance(p, CountPoint)}


def test_a_successor_that_has_not_noticed_a_new_reference_takes_it_over() -> None:
    """It hands on what it does not know yet, and goes on with it once it does."""
    old, new = reference(seed=0), reference(seed=7)
    first = watched(old)
    first.fold(new, pane(new, rows(np.random.default_rng(4), 100)))
    second = watched(old)
    second.restore(first.to_bytes())
    assert {key[0] for key in counted(second)} == {old.reference}
    third = watched(old)
    third.restore(second.to_bytes())
    third.fold(new, pane(new, rows(np.random.default_rng(5), 50)))
    assert sum(v for k, v in counted(third).items() if k[:2] == (new.reference, "age")) == 150


def test_counts_of_other_features_are_not_taken_over() -> None:
    """Two processes with other globs count other series: the new one begins anew."""
    layout = reference()
    first, second = watched(layout), watched(layout, "age")
    first.fold(layout, pane(layout, rows(np.random.default_rng(5), 100)))
    second.restore(first.to_bytes())
    assert set(counted(second).values()) == {0}


def test_a_replaced_reference_stays_until_every_reader_has_come_by() -> None:
    """Both are there for ten minutes, then the new one alone; begun again, a count says so."""
    old, new = reference(seed=0), reference(seed=7)
    fleet = watched(old)
    rng = np.random.default_rng(6)
    fleet.fold(old, pane(old, rows(rng, 100), index=0))
    fleet.fold(new, pane(new, rows(rng, 100), index=60))
    both = counted(fleet)
    assert {key[0] for key in both} == {old.reference, new.reference}
    for layout in (old, new):
        assert sum(v for k, v in both.items() if k[:2] == (layout.reference, "age")) == 100
    fleet.fold(new, pane(new, rows(rng, 100), index=61))
    assert {key[0] for key in counted(fleet)} == {new.reference}

    fleet.fold(old, pane(old, rows(rng, 100), index=62))
    starts = {p.attributes[2]: p.start_s for p in fleet.points() if isinstance(p, CountPoint)}
    assert starts[old.reference] == NOW_S + 620


def test_of_three_references_the_first_one_goes() -> None:
    """A reference that changes every minute does not pile up series."""
    layouts = [reference(seed=seed) for seed in (0, 7, 8)]
    fleet = watched(layouts[0])
    for index, layout in enumerate(layouts):
        fleet.fold(layout, pane(layout, rows(np.random.default_rng(9), 50), index=index))
    assert {key[0] for key in counted(fleet)} == {layout.reference for layout in layouts[1:]}


@settings(max_examples=50, deadline=None)
@given(cut=st.integers(0, 200), more=st.binary(min_size=1, max_size=8))
def test_bytes_that_are_not_ours_change_nothing(cut: int, more: bytes) -> None:
    """Torn, longer or foreign bytes are an error that says so, and the counts stay."""
    layout = LAYOUT
    fleet = watched(layout, "age")
    fleet.fold(layout, pane(layout, ROWS))
    content, before = fleet.to_bytes(), counted(fleet)
    other = pack(b"tgfleet1", {"references": [["a", 0.0]]}, [])
    for wrong in (content[: min(cut, len(content) - 1)], content + more, b"x" + content, other):
        with pytest.raises(PackingError):
            fleet.restore(wrong)
        assert counted(fleet) == before


def evaluator(layout: Layout) -> Evaluator:
    """Return an evaluator that counts for the fleet."""
    windows = [WindowSpec.parse("1000rows")]
    return Evaluator(MODEL, layout, windows, 10, totals=FleetCounts(MODEL, layout))


def test_a_leaders_state_holds_the_counts() -> None:
    """A successor goes on to the row, also when it knows another reference than the one before."""
    old, new = reference(seed=0), reference(seed=7)
    first = evaluator(old)
    rng = np.random.default_rng(10)
    first.fold([pane(old, rows(rng, 100), index=0)])
    for layout in (old, new):
        second = evaluator(layout)
        restore(second, dump(first))
        second.fold([pane(layout, rows(rng, 50), index=1)])
        assert second.totals is not None
        found = {
            p.attributes[2:]: p.value for p in second.totals.points() if isinstance(p, CountPoint)
        }
        expected = 150 if layout is old else 50
        assert sum(v for k, v in found.items() if k[:2] == (layout.reference, "age")) == expected


def test_a_processor_counts_where_it_is_asked_to(tmp_path: Path) -> None:
    """Off by default; on, all bins of all features, whatever the budget of series is."""
    rng = np.random.default_rng(11)
    save(build(rng.normal(size=(2000, 30))), tmp_path / "a.json")
    options: dict[str, Any] = {"reference": str(tmp_path / "a.json"), "max_series": 50}
    off = DriftProcessor(settings=DriftSettings(**options))
    on = DriftProcessor(settings=DriftSettings(**options, fleet=True, fleet_features=("x1*",)))
    table = Table(500, None, matrix=rng.normal(size=(500, 30)))
    for processor in (off, on):
        processor.on_batch(Batch(MODEL, "predict", np.full(500, float(NOW_S)), table, None))
    assert not any(isinstance(p, CountPoint) for p in off.points())
    at_first = [p for p in on.points() if isinstance(p, CountPoint)]
    assert len(at_first) == 11 * 12
    assert {p.value for p in at_first} == {0}
    for processor in (off, on):
        processor.on_tick(NOW_S + 60)
    counts = [p for p in on.points() if isinstance(p, CountPoint)]
    assert sum(p.value for p in counts if p.attributes[3] == "x11") == 500
    gauges_off = {p.attributes for p in off.points() if p.spec.name == "drift.psi.value"}
    gauges_on = {p.attributes for p in on.points() if p.spec.name == "drift.psi.value"}
    assert gauges_off == gauges_on


def test_a_fleet_without_a_reference_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """Who asks for counts and gets none is told what is missing."""
    DriftProcessor(settings=DriftSettings(fleet=True))
    assert [record.getMessage() for record in caplog.records] == [
        "TIDEGAUGE_DRIFT_FLEET: got true, but no TIDEGAUGE_REFERENCE: nothing is counted. "
        "Set it to the reference that all replicas have."
    ]


LAYOUT = reference()
ROWS = rows(np.random.default_rng(8), 50)

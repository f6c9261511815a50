"""KL, JS and Wasserstein of live windows, against scipy; sums that no order of rows changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats
from scipy.spatial.distance import jensenshannon
from tidegauge.batch import Batch, ModelKey, Table
from tidegauge_drift import DriftProcessor, DriftSettings, build, compare, save
from tidegauge_drift.layout import Layout
from tidegauge_drift.wanted import Wanted
from tidegauge_drift.window import ClosedWindow, WindowSpec
from tidegauge_drift.window_judge import judge

if TYPE_CHECKING:
    from pathlib import Path

    from tidegauge_drift.judge import Finding

Matrix = NDArray[np.float64]
ALL = Wanted(kl=True, js=True, wasserstein=True)
START_S = 1_700_000_000.0
EXPORT = ("psi", "ks.statistic", "detected", "kl.divergence", "js.distance", "wasserstein.distance")


def _measure(layout: Layout, matrix: Matrix) -> tuple[Any, Any]:
    columns = tuple(range(matrix.shape[1]))
    counts, extra = layout.inputs.measure(Table(len(matrix), None, matrix=matrix), columns)
    return counts, extra["inputs.sums"]


def _findings(layout: Layout, table: Table) -> list[Finding]:
    counts, extra = layout.inputs.measure(table, layout.match_inputs(table).columns)
    window = ClosedWindow(
        WindowSpec("300rows", rows=300), 0, 10, table.rows, 1, 1, 2500,
        counts.astype(np.uint32), extra=extra,
    )  # fmt: skip
    return [feature.finding for feature in judge(window, layout, 1, None).features]


def _one(reference: Matrix, current: Matrix) -> Finding:
    layout = Layout(build(reference[:, None]), ALL)
    return _findings(layout, Table(current.size, None, matrix=current[:, None]))[0]


Draw = Callable[[np.random.Generator, int, float], Matrix]
# How far off may Wasserstein's distance be, as a part of it, where rows have moved by .3.
SHAPES: dict[str, tuple[Draw, float]] = {
    "normal": (lambda rng, n, s: rng.normal(s, 1, n), 0.005),
    "lognormal 1": (lambda rng, n, s: np.exp(rng.normal(s, 1, n)), 0.02),
    "t2": (lambda rng, n, s: s + rng.standard_t(2, n), 0.1),
    "zero-inflated": (
        lambda rng, n, s: np.where(rng.random(n) < 0.6, 0, np.exp(rng.normal(s, 1, n))), 0.02,
    ),
    "whole": (lambda rng, n, s: rng.poisson(3 + s, n).astype(float), 1e-3),
    "far from 0": (lambda rng, n, s: 1.7e9 + 5 * rng.normal(s, 1, n), 0.005),
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_wasserstein_is_near_scipys(shape: str) -> None:
    """At n = m = 10,000, from sums by tenths of the reference."""
    draw, tolerance = SHAPES[shape]
    rng = np.random.default_rng(5)
    for _ in range(3):
        reference, current = draw(rng, 10_000, 0.0), draw(rng, 10_000, 0.3)
        expected = float(stats.wasserstein_distance(reference, current))
        assert _one(reference, current).wasserstein == pytest.approx(expected, rel=tolerance)


def test_divergences_are_those_of_the_smoothed_cells() -> None:
    """Half a row more in each cell from below the minimum to above the maximum."""
    rng = np.random.default_rng(6)
    layout = Layout(build(rng.normal(size=(5000, 1))), ALL)
    current = rng.normal(0.3, 2, (1000, 1))
    counts, _ = _measure(layout, current)
    p, q = (side[1:-3] + 0.5 for side in (layout.counts.astype(float), counts))
    finding = _findings(layout, Table(1000, None, matrix=current))[0]

    assert finding.kl == pytest.approx(stats.entropy(q, p), rel=1e-12)
    assert finding.js == pytest.approx(jensenshannon(p, q, base=2), rel=1e-12)


def test_categories_have_divergences_and_no_distance() -> None:
    """New ones make them large and not infinite."""
    rng = np.random.default_rng(7)
    frame = pd.DataFrame({"a": rng.choice(list("wxyz"), 2000)})
    layout = Layout(build(frame), ALL)
    values = rng.choice(list("wxn"), 500)
    finding = _findings(layout, Table(500, ("a",), columns=(values.astype(object),)))[0]

    assert finding.kl is not None
    assert finding.js is not None
    assert 1 < finding.kl < 5
    assert 0.4 < finding.js < 1
    assert finding.wasserstein is None


@pytest.mark.parametrize(
    ("rows", "divergence", "distance"), [(29, False, False), (30, False, True), (300, True, True)]
)
def test_few_rows_say_little(rows: int, divergence: bool, distance: bool) -> None:
    """Divergences of fewer than 300 rows are noise; below 30 there is nothing."""
    rng = np.random.default_rng(8)
    finding = _one(rng.normal(size=2000), rng.normal(size=rows))

    assert [finding.kl is not None, finding.js is not None] == [divergence] * 2
    assert (finding.wasserstein is not None) == distance


VALUES = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([0.0, -0.0, 1.0, 5e-324, 1.7e308, -1.7e308, 3.5, 1e15]),
    st.floats(-3, 3),
)


@given(
    st.lists(VALUES, min_size=1, max_size=40),
    st.lists(VALUES, min_size=1, max_size=80),
    st.lists(st.integers(1, 79), max_size=4),
    st.randoms(use_true_random=False),
)
@settings(max_examples=150, deadline=None)
def test_sums_do_not_depend_on_order_or_chunks(
    reference: list[float], current: list[float], cuts: list[int], random: Any
) -> None:
    """Whatever the values, the same whole numbers; and a finite distance or none."""
    layout = Layout(build(np.array([*reference, 0.5])[:, None]), ALL)
    whole = np.array(current)[:, None]
    shuffled = current[:]
    random.shuffle(shuffled)
    parts = np.split(np.array(shuffled)[:, None], sorted(set(cuts)))
    counts, sums = _measure(layout, whole)
    distance = layout.points[0].distance(layout.counts, counts, sums)

    assert sums.tolist() == sum(_measure(layout, part)[1] for part in parts).tolist()
    assert distance is None or 0 <= distance < np.inf


def test_each_row_is_in_one_sum() -> None:
    """Steps from the minimum, by tenths, below and above; NaN and infinite values in none."""
    values = np.arange(1001.0)[::-1]
    layout = Layout(build(values[:, None]), ALL)
    current = np.array([-1.0, 0, 1, 999, 1000, 1500, np.inf, -np.inf, np.nan, 1e300, -1e300])
    _, sums = _measure(layout, current[:, None])
    unit = 2**30 / 1000

    assert sums[0] == round(-unit) - 2**30  # clipped to one range below
    assert sums[-1] == round(1500 * unit) + 2 * 2**30
    assert sums[1] == round(unit)
    assert sums[-2] == round(999 * unit) + 2**30
    assert not sums[2:-2].any()


def test_one_far_row_moves_the_distance_by_a_range_at_most() -> None:
    """Of 1,000 rows one at 1e300 counts for two ranges of the reference, divided by 1,000."""
    rng = np.random.default_rng(9)
    reference, current = rng.normal(size=5000), rng.normal(size=1000)
    before = _one(reference, current).wasserstein
    current[0] = 1e300
    after = _one(reference, current).wasserstein

    assert before is not None
    assert after is not None
    assert abs(after - before) <= 2 * np.ptp(reference) / 1000


def test_a_feature_without_a_width_has_a_distance_or_none() -> None:
    """A constant is measured by its own size; a range beyond float64 has no distance."""
    constant = _one(np.full(500, 7.0), np.full(300, 7.5))
    moved = _one(np.full(500, 7.0), np.full(300, 70.0))
    wide = _one(np.linspace(1, -1, 500) * 1.7e308, np.zeros(300))

    assert constant.wasserstein == pytest.approx(0.5, rel=1e-8)
    assert moved.wasserstein == pytest.approx(14)  # clipped at twice its size
    assert wide.wasserstein is None
    assert wide.ks is not None


def test_a_missing_feature_has_no_sums() -> None:
    """The others keep theirs."""
    rng = np.random.default_rng(10)
    frame = pd.DataFrame(rng.normal(size=(1000, 3)), columns=["a", "b", "c"])
    layout = Layout(build(frame), ALL)
    some = frame[["c", "a"]].to_numpy() + 1
    found = _findings(layout, Table(1000, ("c", "a"), matrix=some))

    assert [f.reason for f in found] == ["", "missing", ""]
    assert [f.wasserstein for f in found] == [
        pytest.approx(1, rel=0.01),
        None,
        found[2].wasserstein,
    ]


def test_a_seasons_reference_has_a_distance_too() -> None:
    """Its rows lie at the means of the cells, with the weights of the hours."""
    rng = np.random.default_rng(11)
    hours = pd.date_range("2024-01-01", periods=4800, freq="6min")
    day = np.asarray(hours.hour < 12, float)
    frame = pd.DataFrame({"at": hours, "x": rng.normal(3 * day, 1)})
    layout = Layout(build(frame, time_column="at", season="hour"), ALL)
    current = rng.normal(3, 1, 1000)[:, None]
    counts, sums = _measure(layout, current)
    spec = WindowSpec("300rows", rows=300)
    window = ClosedWindow(
        spec, 0, 10, 1000, 1, 1, 2500, counts.astype(np.uint32), {"5": 1000},
        {"inputs.sums": sums},
    )  # fmt: skip
    distance = judge(window, layout, 1, None).features[0].finding.wasserstein

    assert distance is not None
    assert distance < 0.3


def test_by_default_nothing_is_added() -> None:
    """No array in panes, no column in verdicts, the same digest as ever."""
    profile = build(np.random.default_rng(12).normal(size=(500, 2)))
    layout = Layout(profile)
    table = Table(500, None, matrix=np.zeros((500, 2)))
    counts, extra = layout.inputs.measure(table, (0, 1))
    window = ClosedWindow(
        WindowSpec("300rows", rows=300), 0, 10, 500, 1, 1, 2500, counts.astype(np.uint32)
    )

    assert (extra, layout.points, judge(window, layout, 1, None).extra) == ({}, {}, {})
    assert layout.digest == Layout(profile, Wanted(kl=True, js=True)).digest
    assert layout.digest != Layout(profile, ALL).digest


def test_they_are_exported_where_they_are_asked_for(tmp_path: Path) -> None:
    """One gauge a feature; with no other name asked for nothing else of a feature is shown."""
    path = tmp_path / "a.json"
    rng = np.random.default_rng(13)
    save(build(rng.normal(size=(5000, 3))), path)
    chosen = DriftSettings(
        reference=str(path), export=EXPORT[3:], windows=(WindowSpec.parse("300rows"),)
    )
    processor = DriftProcessor(settings=chosen)
    rows = rng.normal(size=(1000, 3)) + np.array([0, 0.5, 0])
    for i in range(10):
        now = START_S + i
        part = Table(100, None, matrix=rows[i * 100 : i * 100 + 100])
        processor.on_batch(Batch(ModelKey("m"), "predict", np.full(100, now), part, None))
    processor.on_tick(START_S + 60)
    found = {p.spec.name: p.value for p in processor.points() if p.attributes[3:4] == ("x1",)}

    assert set(found) == {f"drift.{name}" for name in EXPORT[3:]}
    assert found["drift.wasserstein.distance"] == pytest.approx(0.5, abs=0.1)
    assert 0.1 < found["drift.kl.divergence"] < 0.3
    assert 0.1 < found["drift.js.distance"] < 0.4


def test_verdicts_of_several_processes_are_those_of_one(launch: Callable[..., Any]) -> None:
    """Number by number, with all values asked for, and leaders that are killed on the way."""
    rows = np.random.default_rng(14).normal(size=(800, 3))
    rows[400:, 1] += 1
    one, many = launch(export=EXPORT), launch(export=EXPORT)
    alone = one.process(alone=True)
    one.settle([alone], one.replay([alone], rows))
    processes = [many.process() for _ in range(3)]
    many.replay(processes[1:], rows[:400])
    processes[1].die()
    rest = [processes[0], processes[2]]
    now_s = many.replay(rest, rows[400:], start_s=START_S + 20)
    many.settle(rest, now_s)
    expected = one.verdicts()

    assert any(v.features[1].finding.wasserstein for v in expected.values())
    assert expected == many.verdicts()


def test_a_report_from_a_profile_has_the_same_numbers() -> None:
    """Those of a live window of the same rows."""
    rng = np.random.default_rng(15)
    reference, current = rng.standard_t(2, (5000, 1)), 0.3 + rng.standard_t(2, (1000, 1))
    profile = build(reference)
    live = _findings(Layout(profile, ALL), Table(1000, None, matrix=current))[0]
    found = compare(profile, current).features[0].statistics

    assert [live.kl, live.js, live.wasserstein] == [
        found[name].value for name in ("kl_divergence", "js_distance", "wasserstein_distance")
    ]


@pytest.mark.parametrize("features", ["normal", "t2", "zero-inflated", "all"])
def test_a_long_table_is_what_its_rows_are(features: str) -> None:
    """Many short rows are computed as fewer long ones; counts and sums do not tell."""
    rng = np.random.default_rng(8)
    draws = [SHAPES[name][0] for name in ([features] if features != "all" else SHAPES)]
    draws.append(lambda _, n, s: np.full(n, 3.0 + s))  # a constant
    layout = Layout(build(np.stack([d(rng, 3000, 0.0) for d in draws], axis=1)), ALL)
    rows = 70_000 // len(draws) + 1
    x = np.stack([d(rng, rows, 0.1) for d in draws], axis=1)
    for value in (np.nan, np.inf, -np.inf, 1e300, -1e300):
        x[rng.integers(0, rows, 50), rng.integers(0, len(draws), 50)] = value
    parts = [_measure(layout, part) for part in np.array_split(x, rows // 100)]
    for given_as in (x, np.asfortranarray(x)):
        counts, sums = _measure(layout, given_as)

        assert np.sum([part[0] for part in parts], axis=0).tolist() == counts.tolist()
        assert np.sum([part[1] for part in parts], axis=0).tolist() == sums.tolist()

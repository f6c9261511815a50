"""Verdicts: statistics from counts, two in a row, families, mismatch, isolation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy import stats
from tidegauge import guard
from tidegauge.batch import Table
from tidegauge_drift import benjamini_hochberg, build, psi_from_counts
from tidegauge_drift.layout import Layout
from tidegauge_drift.verdict import Run, WindowVerdict
from tidegauge_drift.window import ClosedWindow, WindowSpec
from tidegauge_drift.window_judge import judge

SPEC = WindowSpec("300rows", rows=300)
Matrix = NDArray[np.float64]


def _window(layout: Layout, features: Table | None, outputs: Matrix | None = None) -> ClosedWindow:
    counts = np.zeros(layout.size, np.uint32)
    rows = 0
    if features is not None:
        matched = layout.match_inputs(features)
        counts[: layout.inputs.size] = layout.inputs.count(features, matched.columns)
        rows = features.rows
    if outputs is not None:
        table = Table(len(outputs), None, matrix=outputs)
        counts[layout.inputs.size :] = layout.outputs.count(
            table, layout.match_outputs(table).columns
        )
        rows = len(outputs)
    return ClosedWindow(SPEC, 0, 10, rows, 1, 1, 2500, counts)


def _matrix(values: Matrix) -> Table:
    return Table(len(values), None, matrix=values)


def _judge(layout: Layout, *windows: ClosedWindow, kinds: int = 1) -> WindowVerdict:
    verdict = None
    for window in windows:
        verdict = judge(window, layout, kinds, verdict)
    assert verdict is not None
    return verdict


@pytest.fixture(scope="module")
def reference() -> Matrix:
    """Return 10,000 rows of 6 normal features."""
    return np.random.default_rng(0).normal(size=(10_000, 6))


@pytest.fixture(scope="module")
def layout(reference: Matrix) -> Layout:
    """Return their layout, with an output."""
    return Layout(build(reference, outputs=np.random.default_rng(1).random(5000)))


def test_numbers_are_those_of_the_raw_samples(layout: Layout, reference: Matrix) -> None:
    """KS within .005 of scipy, PSI that of the quantile bins, p twice the smaller of both tests."""
    current = np.random.default_rng(2).normal(0.2, 1.0, (1000, 6))
    verdict = _judge(layout, _window(layout, _matrix(current)))
    for j, feature in enumerate(verdict.features[:6]):
        finding = feature.finding
        exact = stats.ks_2samp(reference[:, j], current[:, j], method="asymp")
        edges = np.quantile(reference[:, j], np.arange(1, 10) / 10)
        p, q = (
            np.bincount(np.searchsorted(edges, x[:, j], "right"), minlength=10)
            for x in (reference, current)
        )
        pearson = stats.chi2_contingency([p, q], correction=False).pvalue
        assert finding.ks == pytest.approx(exact.statistic, abs=0.005)
        assert finding.psi == pytest.approx(psi_from_counts(p, q), abs=0.02)
        assert finding.p_value is not None
        expected = min(1.0, 2 * min(exact.pvalue, pearson))
        assert np.log10(finding.p_value) == pytest.approx(np.log10(expected), rel=0.3)
        assert (finding.rows, finding.effective_rows, finding.low_power) == (1000, 1000.0, False)
    adjusted = [feature.adjusted_p_value for feature in verdict.features[:6]]
    p_values = [feature.finding.p_value for feature in verdict.features[:6]]
    assert adjusted == benjamini_hochberg(np.array(p_values, float)).tolist()


@pytest.mark.parametrize(
    ("flags", "detected"),
    [
        ([True], [False]),
        ([True, True], [False, True]),
        ([True, False, True, False], [False, False, False, False]),
        ([True, True, False, True, False, False], [False, True, True, True, True, False]),
        ([True, None, True, None, False, False], [False, False, True, True, True, False]),
        ([None, None], [None, None]),
    ],
)
def test_an_alarm_takes_two_windows_in_a_row(
    flags: list[bool | None], detected: list[bool | None]
) -> None:
    """Up and down alike; an undecided window counts for nothing."""
    run = Run()
    seen = []
    for flag in flags:
        run = run.after(flag)
        seen.append(run.detected)

    assert detected == seen


def test_one_shifted_feature_alarms_in_the_second_window(layout: Layout) -> None:
    """The feature and its family, nothing else; the first window only makes it suspected."""
    rng = np.random.default_rng(3)
    shift = np.array([1.0, 0, 0, 0, 0, 0])
    clean, one, two = (
        _window(layout, _matrix(rng.normal(size=(300, 6)) + s), rng.random((300, 1)))
        for s in (0.0, shift, shift)
    )
    after_one = _judge(layout, clean, one)
    after_two = _judge(layout, clean, one, two)

    assert after_one.states()["suspected"] == 1
    assert after_one.detected == {"inputs": False, "outputs": False, "data_quality": False}
    assert after_two.detected == {"inputs": True, "outputs": False, "data_quality": False}
    assert [feature.run.detected for feature in after_two.features] == [True] + [False] * 6
    assert after_two.states()["drifted"] == 1


def test_certain_but_tiny_changes_are_not_flagged(layout: Layout) -> None:
    """.02 sd at n = 100,000: a small p-value below every floor of the effect."""
    rng = np.random.default_rng(4)
    current = rng.normal(0.02, 1.0, (100_000, 6))
    verdict = _judge(layout, _window(layout, _matrix(current)))

    assert not any(feature.flagged for feature in verdict.features)
    assert all(feature.finding.effect < 1 for feature in verdict.features[:6])


@pytest.mark.parametrize(
    ("rows", "decided", "psi"),
    [(29, False, False), (30, True, False), (299, True, False), (300, True, True)],
)
def test_few_rows_say_little(layout: Layout, rows: int, decided: bool, psi: bool) -> None:
    """Below 30 rows there is no verdict, below 300 no PSI and the note of low power."""
    current = np.random.default_rng(5).normal(size=(rows, 6))
    finding = _judge(layout, _window(layout, _matrix(current))).features[0].finding

    assert decided == (finding.p_value is not None)
    assert psi == (finding.psi is not None)
    assert ("" if decided else "rows") == finding.reason
    assert (rows < 300) == finding.low_power


@pytest.mark.parametrize(("rows", "psi"), [(20, False), (299, False), (300, True)])
def test_a_reference_of_few_rows_has_no_psi(rows: int, psi: bool) -> None:
    """It would be noise, above .2 on clean rows, and its alert would fire for ever."""
    rng = np.random.default_rng(5)
    layout = Layout(build(rng.normal(size=(rows, 6))))
    verdict = _judge(layout, _window(layout, _matrix(rng.normal(size=(2_000, 6)))))

    assert [psi] * 6 == [feature.finding.psi is not None for feature in verdict.features[:6]]
    assert all(feature.finding.p_value is not None for feature in verdict.features[:6])


@pytest.mark.parametrize(("rows", "psi"), [(20, False), (299, False), (300, True)])
def test_a_reference_of_few_rows_with_categories_has_no_psi(rows: int, psi: bool) -> None:
    """As of numbers."""
    rng = np.random.default_rng(5)
    layout = Layout(build(pd.DataFrame({"plan": rng.choice(["a", "b", "c"], rows)})))
    table = Table(2_000, ("plan",), columns=(rng.choice(["a", "b", "c"], 2_000).astype(object),))
    (feature,) = _judge(layout, _window(layout, table)).features

    assert psi == (feature.finding.psi is not None)


def test_undecided_features_count_as_tests(reference: Matrix) -> None:
    """Five of six are worth too few rows: the sixth does not get the level of all for itself."""
    profile = build(reference)
    features = [replace(f, deff=20.0 if f.position else 1.0) for f in profile.features]
    layout = Layout(replace(profile, features=tuple(features)))
    current = np.random.default_rng(4).normal(0.15, 1.0, (300, 6))
    verdict = _judge(layout, _window(layout, _matrix(current)))

    first, *others = verdict.features
    assert [feature.finding.reason for feature in others] == ["dependent"] * 5
    assert first.finding.p_value is not None
    assert first.finding.p_value < 1 / 6
    assert first.adjusted_p_value == pytest.approx(6 * first.finding.p_value)


def test_a_wrong_reference_is_one_status(layout: Layout) -> None:
    """Half of the features flagged in the first window: no input alarm, also not in the second."""
    rng = np.random.default_rng(6)
    shift = np.array([1.0, 1, 1, 0, 0, 0])
    windows = [
        _window(layout, _matrix(rng.normal(size=(300, 6)) + shift), rng.random((300, 1)))
        for _ in range(3)
    ]
    verdict = _judge(layout, *windows)

    assert verdict.mismatch
    assert verdict.states()["reference_mismatch"] == 3
    assert verdict.detected == {"outputs": False, "data_quality": False}
    clean = [_window(layout, _matrix(rng.normal(size=(300, 6)))) for _ in range(2)]
    assert not _judge(layout, *windows, *clean).mismatch
    assert _judge(layout, *windows, *clean).detected["inputs"] is False
    assert not _judge(layout, clean[0], *windows).mismatch
    assert _judge(layout, clean[0], *windows).detected["inputs"] is True


def test_a_wrong_reference_says_nothing_of_data_quality(layout: Layout) -> None:
    """Its ranges are another model's: values beyond them page nobody, until it is replaced."""
    rng = np.random.default_rng(6)
    far = [
        _window(layout, _matrix(rng.normal(size=(300, 6)) + 9.0), rng.random((300, 1)))
        for _ in range(3)
    ]
    verdict = _judge(layout, *far)
    assert verdict.mismatch
    assert [True] * 6 == [found.flagged for found in verdict.quality[:6]]
    assert verdict.detected == {"outputs": False, "data_quality": False}
    clean = _window(layout, _matrix(rng.normal(size=(300, 6))), rng.random((300, 1)))
    assert _judge(layout, clean, *far).detected["data_quality"] is True


def test_what_is_missing_is_heard_though_the_reference_is_wrong(layout: Layout) -> None:
    """Of a feature whose values fit: its alarm is not about the reference."""
    rng = np.random.default_rng(6)
    windows = []
    for _ in range(2):
        rows = rng.normal(size=(300, 6)) + np.array([9.0, 9, 9, 0, 0, 0])
        rows[:150, 5] = np.nan
        windows.append(_window(layout, _matrix(rows), rng.random((300, 1))))
    verdict = _judge(layout, *windows)
    assert verdict.mismatch
    assert [False] * 5 + [True] == [found.run.detected is True for found in verdict.quality[:6]]


def test_rows_thinned_unevenly_are_undecided(layout: Layout) -> None:
    """More than 2 x between the rates of one window; the alarm before stays."""
    rng = np.random.default_rng(7)
    shift = np.array([1.0, 0, 0, 0, 0, 0])
    clean = _window(layout, _matrix(rng.normal(size=(300, 6))))
    moved = [_window(layout, _matrix(rng.normal(size=(300, 6)) + shift)) for _ in range(3)]
    uneven = replace(moved[2], stride_min=1, stride_max=3)
    verdict = _judge(layout, clean, *moved[:2], uneven)

    assert {feature.finding.reason for feature in verdict.features} == {"sampling"}
    assert verdict.features[0].run.detected is True
    even = replace(moved[2], stride_min=1, stride_max=2)
    assert _judge(layout, clean, even).features[0].flagged is True


def test_an_empty_window_decides_nothing(layout: Layout) -> None:
    """No rows: no value, no flag, no alarm ended."""
    verdict = _judge(layout, replace(_window(layout, None), counts=None))

    assert verdict.states()["undecided"] == 7
    assert verdict.detected == {}
    assert not verdict.judged


def test_a_missing_feature_is_named_and_the_others_go_on() -> None:
    """By name, one of three gone."""
    rng = np.random.default_rng(8)
    layout = Layout(build(pd.DataFrame(rng.normal(size=(2000, 3)), columns=["a", "b", "c"])))
    table = Table(300, ("c", "a"), matrix=rng.normal(size=(300, 2)))
    verdict = _judge(layout, _window(layout, table))

    assert [feature.state for feature in verdict.features] == ["ok", "missing", "ok"]


def test_a_broken_feature_is_undecided_and_the_others_go_on(reference: Matrix) -> None:
    """A fault in one feature's test is counted; the others have their verdict."""
    layout = Layout(build(reference))
    broken = layout.slots[2]
    layout.counts = layout.counts.astype(np.int64)
    layout.counts[broken.start : broken.stop] *= -1
    current = np.random.default_rng(9).normal(size=(300, 6))
    verdict = _judge(layout, _window(layout, _matrix(current)))

    assert [f.finding.reason for f in verdict.features] == ["", "", "fault", "", "", ""]
    assert guard.counts() == {"drift.verdict:ValueError": 1, "drift.quality:ValueError": 1}


def _quality(layout: Layout, values: Matrix) -> dict[str, float]:
    window = _window(layout, _matrix(values))
    verdict = _judge(layout, window, window)
    found = verdict.quality[0]
    assert verdict.detected["data_quality"] == (found.run.detected is True)
    return {c.name: c.share for c in found.shares.checks if found.flagged and c.effect >= 1}


def test_missing_and_out_of_range_values_are_a_family_of_their_own(layout: Layout) -> None:
    """3 % missing, 3 % of -999: the check is named; clean rows and one stray value are not."""
    rng = np.random.default_rng(10)
    clean = rng.normal(size=(5000, 6)).clip(-3, 3)
    missing, sentinel, stray, infinite = (clean.copy() for _ in range(4))
    missing[:150, 0] = np.nan
    sentinel[:150, 0] = -999
    infinite[:150, 0] = np.inf
    stray[0, 0] = 1e9

    assert _quality(layout, missing) == {"missing": 0.03}
    assert _quality(layout, sentinel) == {"out_of_range": 0.03}
    assert _quality(layout, infinite) == {"out_of_range": 0.03}
    assert _quality(layout, clean) == {}
    assert _quality(layout, stray) == {}


def test_all_missing_is_an_alarm_of_data_quality(layout: Layout) -> None:
    """No value is left to compare, and that is said."""
    values = np.random.default_rng(11).normal(size=(300, 6))
    values[:, 0] = np.nan
    verdict = _judge(layout, *[_window(layout, _matrix(values))] * 2)

    assert verdict.features[0].finding.reason == "rows"
    assert verdict.quality[0].run.detected is True


def _categories(values: list[str], rows: int, rng: np.random.Generator, shares: Any) -> Table:
    column = np.array(rng.choice(values, rows, p=shares), object)
    return Table(rows, ("c",), columns=(column,))


def test_categories_are_compared_by_share() -> None:
    """A share 10 points up is flagged, the same shares are not, KS does not exist."""
    rng = np.random.default_rng(12)
    levels, p = ["a", "b", "c", "d"], [0.4, 0.3, 0.2, 0.1]
    layout = Layout(build(pd.DataFrame({"c": rng.choice(levels, 10_000, p=p)})))
    same = _judge(layout, _window(layout, _categories(levels, 1000, rng, p)))
    moved = _judge(layout, _window(layout, _categories(levels, 1000, rng, [0.5, 0.2, 0.2, 0.1])))

    assert (same.features[0].flagged, moved.features[0].flagged) == (False, True)
    assert moved.features[0].finding.ks is None
    assert moved.features[0].finding.psi == pytest.approx(0.063, abs=0.03)


def test_a_rare_class_that_doubles_is_seen() -> None:
    """A fraud rate from 1 % to 2.5 % at n = 5,000, as a number and as a label."""
    rng = np.random.default_rng(13)
    number = (rng.random(10_000) < 0.01).astype(float)
    layout = Layout(build(rng.normal(size=(100, 1)), outputs=number))
    rate = (rng.random((5000, 1)) < 0.025).astype(float)
    assert _judge(layout, _window(layout, None, rate)).features[1].flagged is True
    levels = Layout(build(pd.DataFrame({"c": np.where(number > 0, "fraud", "ok")})))
    table = _categories(["fraud", "ok"], 5000, rng, [0.025, 0.975])
    assert _judge(levels, _window(levels, table)).features[0].flagged is True


def test_a_long_tail_of_categories_is_not_drift() -> None:
    """Clean rows of a Zipf tail bring new categories in every window; none of them alarms."""
    rng = np.random.default_rng(14)
    levels = [f"c{i}" for i in range(3000)]
    p = 1 / np.arange(1, 3001)
    p /= p.sum()
    flagged = quality = 0
    for _ in range(10):
        layout = Layout(build(pd.DataFrame({"c": rng.choice(levels, 5000, p=p)})))
        for n in (300, 1000, 5000):
            verdict = _judge(layout, _window(layout, _categories(levels, n, rng, p)))
            flagged += verdict.features[0].flagged is True
            quality += verdict.quality[0].flagged is True
            if n >= 1000:
                assert verdict.features[0].finding.psi is not None
                assert verdict.features[0].finding.psi < 0.1

    assert (flagged, quality) == (0, 0)


def test_only_new_categories_are_an_alarm_of_both_families() -> None:
    """A constant category replaced by another one."""
    # Of two features one would be half, and the reference not this model's.
    same = {name: ["x", "y"] * 2500 for name in ("d", "e")}
    layout = Layout(build(pd.DataFrame({"c": ["a"] * 5000, **same})))
    column, other = np.array(["z"] * 300, object), np.array(["x", "y"] * 150, object)
    table = Table(300, ("c", "d", "e"), columns=(column, other, other))
    verdict = _judge(layout, *[_window(layout, table)] * 2)

    assert verdict.detected == {"inputs": True, "data_quality": True}
    assert verdict.quality[0].run.detected is True
    assert verdict.features[0].run.detected is True
    assert verdict.features[1].flagged is False


def test_a_constant_that_moves_is_flagged_and_one_that_stays_is_not(layout: Layout) -> None:
    """Up or down; PSI large and finite."""
    constant = Layout(build(np.full((5000, 1), 3.0)))
    same, up, down = (
        _judge(constant, _window(constant, _matrix(np.full((300, 1), v)))).features[0]
        for v in (3.0, 4.0, -4.0)
    )

    assert (same.flagged, same.finding.psi) == (False, 0.0)
    assert (up.flagged, down.flagged) == (True, True)
    assert up.finding.psi == down.finding.psi == pytest.approx(2 * np.log(1e4), rel=1e-3)


def test_a_verdict_equals_one_that_says_the_same(layout: Layout) -> None:
    """Whatever else is no verdict; other numbers are another verdict."""
    values = np.random.default_rng(20).normal(size=(300, 6))
    one, same = (_judge(layout, _window(layout, _matrix(values))) for _ in range(2))
    other = _judge(layout, _window(layout, _matrix(values * 2)))

    assert one == same
    assert one != other
    assert one != "a verdict"


def test_a_table_of_other_features_is_refused(layout: Layout) -> None:
    """Its rows would be read under wrong names."""
    verdict = _judge(layout, _window(layout, _matrix(np.zeros((300, 6)))))
    with pytest.raises(ValueError, match="table"):
        WindowVerdict.restored(
            SPEC, verdict.state(), layout.slots[1:], verdict.table.view(np.uint8), {}, pairs={}
        )


def test_values_missing_from_the_reference_are_not_checked_further(reference: Matrix) -> None:
    """Of a window in which a feature is missing nearly always only that is said."""
    layout = Layout(build(reference))
    values = np.random.default_rng(21).normal(size=(300, 6))
    values[:280, 0] = np.nan
    checks = _judge(layout, _window(layout, _matrix(values))).quality[0].shares.checks

    assert [check.name for check in checks] == ["missing", "type_error"]


def test_a_numeric_column_of_texts_is_counted_as_errors(layout: Layout) -> None:
    """Columns are matched by position, an absent one is missing."""
    columns = tuple(np.array(["x"] * 4, object) for _ in range(6))
    table = Table(4, None, columns=columns)
    counts = layout.inputs.count(table, (0, -1, 2, 3, 4, 5))
    ends = [int(counts[slot.stop - 1]) for slot in layout.inputs.slots]

    assert ends == [4, 0, 4, 4, 4, 4]


def test_too_many_categories_have_no_new_ones() -> None:
    """Above 10,000 in the reference there is no telling; an absent column is missing."""
    names = np.array([f"c{i % 10_500}" for i in range(21_000)], object)
    frame = pd.DataFrame({"c": names, "x": np.random.default_rng(22).normal(size=len(names))})
    layout = Layout(build(frame))
    column = np.array(["c1", "other"] * 150, object)
    both = Table(300, ("c", "x"), columns=(column, np.zeros(300)))
    one = Table(300, ("x",), matrix=np.zeros((300, 1)))
    checks = _judge(layout, _window(layout, both)).quality[0].shares.checks

    assert [check.name for check in checks] == ["missing", "type_error"]
    assert _judge(layout, _window(layout, one)).features[0].state == "missing"


def test_categories_that_come_as_numbers() -> None:
    """A matrix without names: 1.0 is the category 1."""
    rng = np.random.default_rng(23)
    frame = pd.DataFrame({"c": rng.choice(["1", "2"], 2000), "x": rng.normal(size=2000)})
    layout = Layout(build(frame))
    live = np.column_stack((rng.choice([1.0, 2.0], 300), rng.normal(size=300)))

    assert [f.state for f in _judge(layout, _window(layout, _matrix(live))).features] == ["ok"] * 2


def test_a_small_reference_asks_for_more(layout: Layout, reference: Matrix) -> None:
    """A tenth of the reference: a lower level, of its own for each family."""
    rng = np.random.default_rng(17)
    small = Layout(build(reference[:1000], outputs=rng.random(500)))
    current = _matrix(rng.normal(size=(1000, 6)))
    window: dict[str, Any] = {"a_month": 10_000}
    found = [
        judge(replace(_window(chosen, current), **window), chosen, 1, None).levels
        for chosen in (layout, small)
    ]

    assert found[0]["inputs"] == pytest.approx(40_000 ** -(0.5 + 1 / 22))
    assert found[1]["inputs"] == pytest.approx(40_000**-0.75)
    assert found[1]["outputs"] == pytest.approx(40_000 ** -(0.5 + 1 / 3))
    assert found[1]["data_quality"] == found[1]["outputs"]
    two = judge(replace(_window(small, current), **window), small, 2, None).levels
    assert two["inputs"] == found[1]["inputs"] / 2

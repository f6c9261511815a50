"""``compare``: what a report says of two tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import stats
from tidegauge_drift import (
    CompareSettings,
    DriftReport,
    ReferenceProfile,
    benjamini_hochberg,
    build,
    compare,
    hellinger_distance,
    js_distance,
    kl_divergence,
    psi,
    wasserstein_distance,
)

Sound: TypeAlias = Callable[[DriftReport], DriftReport]
NUMBERS = (
    "psi", "psi_equal_width", "ks", "kl_divergence", "js_distance", "hellinger_distance",
    "wasserstein_distance", "wasserstein_in_sd", "chi_square",
)  # fmt: skip


def _frame(rng: np.random.Generator, n: int, *, shift: float = 0.0) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "amount": rng.normal(shift, 1, n),
            "income": rng.lognormal(size=n),
            "visits": rng.poisson(3, n),
            "country": rng.choice(["SE", "NO", "DK"], n, p=[0.5, 0.3, 0.2]),
            "member": rng.random(n) < 0.3,
        }
    )


@pytest.fixture(scope="module")
def reference() -> pd.DataFrame:
    return _frame(np.random.default_rng(1), 10_000)


def test_a_changed_column_is_found_and_the_others_are_not(
    reference: pd.DataFrame, sound: Sound
) -> None:
    """A quarter of a standard deviation in 1,000 rows."""
    current = _frame(np.random.default_rng(2), 1_000, shift=0.25)
    report = sound(compare(reference, current))

    assert ["amount"] == [feature.name for feature in report.features if feature.flagged]
    assert report.features[0].name == "amount"
    assert report.drifted
    assert {
        "features": 5, "drifted": 1, "not_drifted": 4, "undecided": 0, "quality_flagged": 0,
        "missing": 0,
    } == report.summary  # fmt: skip
    assert report.families["inputs"] == {"tested": 5, "flagged": 1}


def test_the_statistics_are_those_of_the_functions(reference: pd.DataFrame) -> None:
    """A report has no formula of its own; KS and chi-square agree with scipy."""
    current = _frame(np.random.default_rng(3), 2_000, shift=0.1)
    report = compare(reference, current)
    p, q = reference["amount"].to_numpy(), current["amount"].to_numpy()
    found = {name: s.value for name, s in report["amount"].statistics.items()}

    assert tuple(found) == NUMBERS
    assert found["psi"] == pytest.approx(psi(p, q, edges="quantile"), rel=1e-12)
    assert found["psi_equal_width"] == pytest.approx(psi(p, q), rel=1e-12)
    assert found["ks"] == pytest.approx(stats.ks_2samp(p, q).statistic, abs=1e-12)
    assert found["kl_divergence"] == pytest.approx(kl_divergence(p, q), rel=1e-12)
    assert found["js_distance"] == pytest.approx(js_distance(p, q), rel=1e-12)
    assert found["hellinger_distance"] == pytest.approx(hellinger_distance(p, q), rel=1e-12)
    assert found["wasserstein_distance"] == pytest.approx(wasserstein_distance(p, q), rel=1e-12)
    table = pd.crosstab(
        np.repeat([0, 1], [len(reference), len(current)]),
        np.concatenate((reference["country"], current["country"])),
    )
    chi = stats.chi2_contingency(table, correction=False)
    assert report["country"].statistics["chi_square"].value == pytest.approx(chi.statistic)
    assert report["country"].p_value == pytest.approx(chi.pvalue)
    assert report["country"].statistics["ks"].reason == "categories have no order and no distance"


def test_the_verdict_is_the_one_that_is_documented(reference: pd.DataFrame) -> None:
    """P = 2 min(KS, Pearson), Benjamini-Hochberg by family, and an effect above its floor."""
    current = _frame(np.random.default_rng(4), 3_000, shift=0.2)
    report = compare(reference, current)

    for feature in report.features:
        if feature.kind == "numeric":
            pair = feature.statistics["ks"].p_value, feature.statistics["chi_square"].p_value
            assert feature.p_value == min(1.0, 2 * min(p for p in pair if p is not None))
            ks, size = feature.statistics["ks"].value, feature.statistics["psi"].value
            assert ks is not None
            assert size is not None
            assert feature.effect >= max(ks / 0.05, size / 0.02) - 1e-12
        assert feature.drifted == (
            feature.effect >= 1
            and feature.adjusted_p_value is not None
            and feature.adjusted_p_value <= 0.05
        )
    expected = benjamini_hochberg([feature.p_value for feature in report.features])  # type: ignore[arg-type]
    assert [f.adjusted_p_value for f in report.features] == pytest.approx(expected.tolist())


def test_a_small_change_is_no_drift_however_certain(reference: pd.DataFrame) -> None:
    """.02 standard deviations in 100,000 rows: significant, and below every floor."""
    rng = np.random.default_rng(5)
    before, after = rng.normal(size=(100_000, 1)), rng.normal(0.02, 1, size=(100_000, 1))
    (feature,) = compare(before, after).features

    assert feature.p_value is not None
    assert feature.p_value < 0.01
    assert feature.drifted is False
    assert feature.effect < 1


def test_a_rare_class_that_doubles_is_found() -> None:
    """1 % of 10,000 rows against 2.5 % of 5,000: far below KS .05."""
    before = np.repeat([0, 1], [9_900, 100])[:, None]
    after = np.repeat([0, 1], [4_875, 125])[:, None]
    settings = CompareSettings(outputs=["x0"])
    (feature,) = compare(before, after, settings=settings).features

    assert feature.drifted is True
    assert (feature.family, feature.effect_of) == ("outputs", "cohens_h")


def test_a_sentinel_in_a_few_rows_is_a_matter_of_quality(
    reference: pd.DataFrame, sound: Sound
) -> None:
    """3 % of 5,000 rows become -999: out of range, in a family of its own."""
    current = _frame(np.random.default_rng(6), 5_000)
    current.loc[:149, "income"] = -999.0
    report = sound(compare(reference, current))

    assert ["income"] == [feature.name for feature in report.features if feature.flagged]
    (check,) = (check for check in report["income"].quality if check.flagged)
    assert (check.name, check.reference) == ("out_of_range", 0.0)
    assert check.current == pytest.approx(0.03, abs=0.002)
    assert report.families["data_quality"]["flagged"] == 1
    assert report.drifted


@pytest.mark.parametrize("kind", ["missing", "type_error", "new_category"])
def test_each_share_of_bad_values_is_found(
    reference: pd.DataFrame, kind: str, sound: Sound
) -> None:
    """A tenth of the rows, in one column."""
    current = _frame(np.random.default_rng(7), 1_000)
    column = "country" if kind == "new_category" else "amount"
    bad: dict[str, Any] = {"missing": None, "type_error": "n/a", "new_category": "FI"}
    current[column] = current[column].astype(object)
    current.loc[:99, column] = bad[kind]
    report = sound(compare(reference, current))

    flagged = {(f.name, c.name) for f in report.features for c in f.quality if c.flagged}
    assert {(column, kind)} == flagged


def test_a_profile_gives_the_same_verdict_from_its_cells(
    reference: pd.DataFrame, sound: Sound
) -> None:
    """Every number but PSI on bins of equal width is marked, and close to the one of the rows."""
    current = _frame(np.random.default_rng(8), 5_000, shift=0.25)
    exact, found = compare(reference, current), sound(compare(build(reference), current))

    assert {f.name: f.drifted for f in exact.features} == {
        f.name: f.drifted for f in found.features
    }
    for feature in found.features:
        for name, statistic in feature.statistics.items():
            known = statistic.value is not None
            assert statistic.from_cells == (known and name != "psi_equal_width"), name
        before, after = exact[feature.name], feature
        assert after.reference.mean == pytest.approx(before.reference.mean)
        assert after.current == before.current
        assert after.effect == pytest.approx(before.effect, rel=0.1, abs=0.15)
    near = exact["amount"].statistics, found["amount"].statistics
    assert near[0]["psi_equal_width"].value == near[1]["psi_equal_width"].value
    for name in ("ks", "psi", "wasserstein_distance"):
        a, b = near[0][name].value, near[1][name].value
        assert b == pytest.approx(a, rel=0.05)
    assert found.reference.profile


def test_a_profile_finds_its_outputs_by_name_or_place(reference: pd.DataFrame) -> None:
    """Outputs stand after the inputs where there are no names."""
    rng = np.random.default_rng(9)
    profile = build(rng.normal(size=(2_000, 2)), outputs=rng.random(2_000))
    live = np.column_stack((rng.normal(size=(500, 2)), rng.random(500) ** 2))
    named = build(reference[["amount"]], outputs=pd.DataFrame({"amount": rng.random(2_000)}))

    assert ["output"] == [f.name for f in compare(profile, live).features if f.drifted]
    assert compare(profile, live)["output"].family == "outputs"
    assert compare(profile, live[:, :2]).missing == ("output",)
    assert compare(named, reference[["amount"]])["amount (output)"].family == "outputs"


@pytest.mark.parametrize(
    "make",
    [
        lambda frame: frame,
        pl.from_pandas,
        pa.Table.from_pandas,
        lambda frame: frame.convert_dtypes(dtype_backend="pyarrow"),
        lambda frame: frame.convert_dtypes(),
    ],
    ids=["pandas", "polars", "pyarrow", "pandas of pyarrow", "pandas nullable"],
)
def test_every_kind_of_table_is_read_alike(
    reference: pd.DataFrame, make: Callable[[pd.DataFrame], Any], sound: Sound
) -> None:
    """The same rows: no difference at all."""
    current = reference[:2_000].copy()
    current.loc[:9, "country"] = None
    report = sound(compare(reference, make(current)))

    assert report.summary["undecided"] == 0
    assert all(feature.effect < 1 for feature in report.features)
    assert report["country"].current.missing == 10
    assert report["amount"].current.mean == pytest.approx(current["amount"].mean())
    assert {f.kind for f in compare(make(current), current).features} == {"numeric", "categorical"}


def test_columns_are_matched_by_name_in_any_order(reference: pd.DataFrame, sound: Sound) -> None:
    """What one side lacks is said; a feature that is gone is a reason to fail."""
    current = reference[["member", "country", "visits", "amount"]].assign(extra=1)
    report = sound(compare(reference, current))

    assert (report.missing, report.additional) == (("income",), ("extra",))
    assert report["income"].reason == "the current rows have no such column"
    assert report.summary["drifted"] == 0
    assert report.drifted


def test_a_label_may_be_dropped_that_one_side_has(reference: pd.DataFrame) -> None:
    """It is neither missing nor additional."""
    labelled = reference.assign(label=1)
    settings = CompareSettings(drop=["label"])
    for before, after in (
        (labelled, reference),
        (reference, labelled),
        (build(reference), labelled),
    ):
        report = compare(before, after, settings=settings)
        assert (report.missing, report.additional) == ((), ())


def test_single_precision_is_no_drift() -> None:
    """0.1 is two numbers; the other side is rounded before both are float64."""
    rng = np.random.default_rng(10)
    values = rng.choice([0.1, 0.2, 0.3, 0.7], 4_000)[:, None]
    (feature,) = compare(values, values.astype(np.float32)).features

    assert feature.effect == 0
    assert not feature.flagged


def test_dependent_rows_are_worth_fewer(sound: Sound) -> None:
    """AR(1) .9 in the order of time: independent tests would flag it."""
    rng = np.random.default_rng(11)
    noise = rng.normal(size=12_000)
    series = np.empty(12_000)
    series[0] = noise[0]
    for i in range(1, series.size):
        series[i] = 0.9 * series[i - 1] + noise[i]
    frame = pd.DataFrame({"t": pd.date_range("2026-01-01", periods=12_000, freq="h"), "x": series})
    shuffled = frame[:10_000].sample(frac=1, random_state=0)
    settings = CompareSettings(time_column="t")
    blind = compare(shuffled, frame[11_000:], settings=CompareSettings(drop=["t"]))
    report = sound(compare(shuffled, frame[11_000:], settings=settings))

    assert (blind.order, report.order) == ("unknown", "time")
    assert [feature.name for feature in report.features] == ["x"]
    assert report["x"].effective_rows[1] == pytest.approx(1_000 / 12, rel=0.4)
    assert report["x"].p_value > blind["x"].p_value  # type: ignore[operator]
    few = compare(shuffled, frame[11_900:], settings=settings)["x"]
    assert few.drifted is None
    assert few.reason.startswith("dependent rows: those of current with a value are worth ")


def test_the_dependence_of_categories_is_seen_too() -> None:
    """Runs of one category."""
    rng = np.random.default_rng(12)
    runs = np.repeat(rng.choice(["a", "b", "c"], 500), 20)
    frame = pd.DataFrame({"t": np.arange(runs.size) * 0.5, "c": runs})
    report = compare(frame, frame[:2_000], settings=CompareSettings(time_column="t"))

    assert report["c"].effective_rows[1] == pytest.approx(100, rel=0.5)


def test_a_season_is_compared_with_the_same_hours() -> None:
    """Nights with nights; without their times with all hours, and then it says so."""
    rng = np.random.default_rng(17)
    times = pd.Series(pd.date_range("2026-01-05", periods=60 * 24 * 12, freq="5min"))
    frame = pd.DataFrame(
        {"t": times, "x": rng.normal(np.sin(times.dt.hour * np.pi / 12), 1, len(times))}
    )
    nights = frame[frame["t"].dt.hour < 5][-600:]
    profile = build(frame, time_column="t", season="hour")
    blind, seeing = (
        compare(profile, nights, settings=CompareSettings(**options))
        for options in ({"drop": ["t"]}, {"time_column": "t"})
    )

    assert (blind.season, seeing.season) == ("pooled", "hour")
    assert (blind["x"].drifted, seeing["x"].drifted) == (True, False)
    assert seeing["x"].effect < blind["x"].effect
    assert "compared with all hours together" in blind.to_html()
    days = build(frame[frame["t"].dt.hour > 5], time_column="t", season="hour")
    lacking = compare(days, nights, settings=CompareSettings(time_column="t"))["x"]
    assert lacking.reason == "more than a tenth of the rows are in hours that the reference lacks"


def test_what_takes_no_part_says_why(reference: pd.DataFrame, sound: Sound) -> None:
    """Row ids, times, dropped and excluded columns."""
    n = len(reference)
    more = reference.assign(
        id=np.arange(n), at=pd.date_range("2026-01-01", periods=n, freq="s"), label=1
    )
    settings = CompareSettings(drop=["label"], exclude=["inc*"])
    report = sound(compare(more, more[:100], settings=settings))

    assert {"label", "income"}.isdisjoint(feature.name for feature in report.features)
    assert report["id"].reason == "left out: counts the rows: integers that only rise"
    assert report["at"].reason == "left out: holds times"
    assert report.missing == report.additional == ()


def test_flagged_features_come_first_then_the_larger_effect(reference: pd.DataFrame) -> None:
    """Those without a verdict are last."""
    current = _frame(np.random.default_rng(13), 1_000, shift=0.5)
    current.loc[:99, "country"] = None
    current["visits"] = np.nan
    names = [feature.name for feature in compare(reference, current).features]

    assert names[0] == "visits"
    assert set(names[1:3]) == {"amount", "country"}


def test_the_data_frame_has_a_row_a_feature(reference: pd.DataFrame) -> None:
    """Names, verdict, statistics, and both sides' summaries."""
    report = compare(reference, reference[:500])
    frame = report.to_dataframe().set_index("name")

    assert set(NUMBERS) <= set(frame.columns)
    assert frame.loc["amount", "reference_mean"] == pytest.approx(reference["amount"].mean())
    assert frame.loc["amount", "current_rows"] == 500
    with pytest.raises(KeyError):
        report["nobody"]


def test_nothing_is_changed_and_the_result_is_the_same_again(
    reference: pd.DataFrame, every: Callable[[Any], Iterator[Any]]
) -> None:
    """Inputs stay as they are; the order of rows does not matter."""
    current = _frame(np.random.default_rng(16), 500)
    copies = reference.copy(), current.copy()
    once = compare(reference, current).to_dict()
    again = compare(reference.sample(frac=1, random_state=1), current[::-1]).to_dict()

    pd.testing.assert_frame_equal(copies[0], reference)
    pd.testing.assert_frame_equal(copies[1], current)
    once.pop("created"), again.pop("created")
    for a, b in zip(every(once), every(again), strict=True):
        assert a == (pytest.approx(b) if isinstance(b, float) else b)


def test_a_table_against_itself_differs_by_nothing(reference: pd.DataFrame) -> None:
    """Every distance is 0, with rows and with a profile."""
    for before in (reference, build(reference)):
        assert isinstance(before, pd.DataFrame | ReferenceProfile)
        for feature in compare(before, reference).features:
            distances = {
                name: s.value
                for name, s in feature.statistics.items()
                if s.value is not None and name != "chi_square"
            }
            assert distances == pytest.approx(dict.fromkeys(distances, 0.0), abs=1e-12)
            assert feature.effect == pytest.approx(0, abs=1e-9)

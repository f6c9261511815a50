"""Rows that depend on each other, and hours that differ: neither is drift."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from tidegauge_drift import build, effective_sample_size
from tidegauge_drift.dependence import cautious
from tidegauge_drift.layout import Layout
from tidegauge_drift.multiplicity import MONTH_S
from tidegauge_drift.season import expected
from tidegauge_drift.times import slot, slots
from tidegauge_drift.verdict import FeatureVerdict, WindowVerdict

Values = NDArray[np.float64]
START_S = 1_700_000_000.0  # 22:13 on a Tuesday


def _ar1(rng: np.random.Generator, rows: int, rho: float) -> Values:
    noise = rng.normal(size=rows) * np.sqrt(1 - rho**2)
    values = np.empty(rows)
    values[0] = rng.normal()
    for i in range(1, rows):
        values[i] = rho * values[i - 1] + noise[i]
    return values


def _table(values: Values, every: str = "1min", **more: Any) -> pd.DataFrame:
    times = pd.date_range("2026-01-05", periods=len(values), freq=every)
    return pd.DataFrame({"a": values, **more, "ts": times})


def _judged(verdicts: list[WindowVerdict]) -> list[FeatureVerdict]:
    return [verdict.features[0] for verdict in verdicts]


def test_the_profile_holds_the_design_effect_of_each_feature() -> None:
    """Above what the function for samples computes, by its error; of categories by the worst."""
    rng = np.random.default_rng(0)
    slow = _ar1(rng, 15_000, 0.9)
    mixed = np.where(slow > 1, "high", rng.choice([*"defghijk"], 15_000))
    frame = _table(slow, b=rng.normal(size=15_000), c=np.where(slow > 0, "up", "down"), d=mixed)
    profile = build(frame, time_column="ts")
    found = {feature.name: feature.deff for feature in profile.features}

    measured = 15_000 / effective_sample_size(slow)
    assert found["a"] == pytest.approx(cautious(measured, 15_000), rel=1e-5)
    assert profile.deff == max(found.values())
    assert found["b"] < 2
    assert found["c"] > 8
    assert found["d"] > 8
    assert [(c.name, c.note) for c in profile.left_out] == [("ts", "holds the rows' times")]


def test_dependent_rows_are_no_drift(replay: Callable[..., Any]) -> None:
    """Of 40 clean windows many are flagged where the order of the reference is unknown."""
    rng = np.random.default_rng(3)
    reference, live = _ar1(rng, 20_000, 0.95), _ar1(rng, 40_000, 0.95)
    flagged = {}
    for time_column in ("", "ts"):
        profile = build(_table(reference), time_column=time_column, exclude=["ts"])
        run = replay(replace(profile, named=False, columns=1), windows=("1000rows",))
        verdicts = _judged(run.feed(live[:, None], rate=100.0, chunk=1000).end())
        flagged[time_column] = sum(verdict.flagged is True for verdict in verdicts)
        assert len(verdicts) > 30

    assert flagged[""] > 10
    assert flagged["ts"] == 0


def test_too_few_independent_rows_are_undecided(replay: Callable[..., Any]) -> None:
    """And it is said that their dependence is why; effective rows are divided by it."""
    rng = np.random.default_rng(4)
    values = _ar1(rng, 20_000, 0.99)
    profile = replace(build(_table(values), time_column="ts"), named=False, columns=1)
    run = replay(profile, windows=("300rows", "20000rows"))
    verdicts = run.feed(values[:, None], rate=100.0, chunk=1000).end()
    few = next(v for v in verdicts if v.spec.rows == 300).features[0]
    many = next(v for v in verdicts if v.spec.rows == 20_000).features[0]
    deff = profile.features[0].deff

    assert (few.state, few.finding.reason, few.flagged) == ("undecided", "dependent", None)
    assert many.finding.effective_rows == pytest.approx(many.finding.rows / deff)
    assert (many.state, many.finding.reason) == ("ok", "")


def _daily(rng: np.random.Generator, seconds: Any) -> Values:
    values: Values = 3 * np.sin(seconds / 86_400 * 2 * np.pi) + rng.normal(size=seconds.size)
    return values


def _daily_reference(rng: np.random.Generator, season: str) -> Any:
    at = START_S + np.arange(40_320) * 60.0  # four weeks, a row a minute
    frame = pd.DataFrame({"a": _daily(rng, at), "at": at})
    profile = build(frame, time_column="at", season=season)
    return replace(profile, named=False, columns=1)


@pytest.mark.backends  # needs no service, but long
@pytest.mark.parametrize("season", ["hour", "hour_of_week"])
def test_an_hour_is_compared_with_the_same_hour(season: str, replay: Callable[..., Any]) -> None:
    """Hourly windows of two days: clean ones are not flagged, a shift of half a sd in all are."""
    rng = np.random.default_rng(5)
    profile = _daily_reference(rng, season)
    at = START_S + np.arange(2 * 86_400 // 6) * 6.0
    live = _daily(rng, at)
    counts = {}
    for name, given, rows in (
        ("pooled", replace(profile, season="", features=(replace(
            profile.features[0], by_slot=None, deff=1.0),)), live),
        ("clean", profile, live),
        ("shifted", profile, live + 0.5),
    ):  # fmt: skip
        run = replay(given, windows=("1h",))
        verdicts = _judged(run.feed(rows[:, None], rate=1 / 6, chunk=200).end())[1:]
        counts[name] = sum(v.flagged is True for v in verdicts) / len(verdicts)

    assert counts["pooled"] > 0.9
    assert counts["clean"] == 0.0
    assert counts["shifted"] > (0.9 if season == "hour" else 0.5)
    assert profile.features[0].deff < 3  # what the season does is no dependence


def test_an_hour_of_the_reference_is_fewer_rows(replay: Callable[..., Any]) -> None:
    """A 24th of the reference is what windows share: the level is lower than without a season."""
    rng = np.random.default_rng(8)
    levels = {}
    for season in ("", "hour"):
        run = replay(_daily_reference(rng, season), windows=("1000rows",))
        at = START_S + np.arange(2000) / 10
        run.feed(_daily(rng, at)[:, None], rate=10.0, chunk=200)
        before, window = run.end()[:2]
        a_month = MONTH_S / (before.closed_s - before.opened_s)
        shared = window.rows / (window.rows + 40_320 / (24 if season else 1))
        levels[season] = window.levels["inputs"]
        assert levels[season] == pytest.approx((4 * a_month) ** (-(1 + shared) / 2), rel=0.02)

    assert levels["hour"] < levels[""] / 4


def test_the_expectation_is_the_mix_of_the_windows_hours() -> None:
    """Weighted by its rows; worth as many rows as the mix has."""
    profile = _daily_reference(np.random.default_rng(6), "hour")
    layout = Layout(profile)
    by_slot = profile.features[0].by_slot
    night, noon = slot(0, "hour_of_week"), slot(12 * 3600, "hour_of_week")
    found = expected(layout, 0, {str(night): 30, str(noon): 10})
    assert found is not None
    counts = found[1]
    shares = 0.75 * by_slot[0] / by_slot[0].sum() + 0.25 * by_slot[12] / by_slot[12].sum()
    size = 1 / (0.75**2 / by_slot[0].sum() + 0.25**2 / by_slot[12].sum())

    assert counts == pytest.approx(shares * size)
    assert expected(layout, 0, {})[1].tolist() == profile.features[0].counts.tolist()  # type: ignore[index]
    assert by_slot.sum(axis=0).tolist() == profile.features[0].counts.tolist()


def test_hours_without_a_reference_are_undecided(replay: Callable[..., Any]) -> None:
    """Rather than compared with others."""
    rng = np.random.default_rng(7)
    at = START_S + np.arange(5_000) * 1.0  # an hour and a half
    profile = build(pd.DataFrame({"a": _daily(rng, at), "at": at}), time_column="at", season="hour")
    run = replay(replace(profile, named=False, columns=1), windows=("1h",), now_s=START_S + 40_000)
    (_, verdict, *_) = run.feed(rng.normal(size=(9_000, 1)), rate=1.0, chunk=500).end()

    assert verdict.features[0].finding.reason == "season"
    assert verdict.quality[0].shares.checks == ()


def test_slots_are_hours_of_the_day_and_of_the_week() -> None:
    """In UTC; weeks begin on Monday, before 1970 too."""
    times = pd.date_range("1969-12-25", "1970-02-01", freq="37min")
    seconds = times.to_numpy("M8[s]").astype(float)

    assert slots(seconds, "hour").tolist() == times.hour.tolist()
    of_week = [24 * at.weekday() + at.hour for at in times]
    assert slots(seconds, "hour_of_week").tolist() == of_week
    assert [slot(int(s), "hour_of_week") for s in seconds] == of_week

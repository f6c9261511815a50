"""A change of correlation between inputs, as it is found, kept and shown."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from tidegauge.batch import Batch, ModelKey, Table
from tidegauge.settings import SettingError
from tidegauge_drift import DriftProcessor, DriftSettings, build, merge, save
from tidegauge_drift.correlated import correlated
from tidegauge_drift.correlation_judge import judge_pairs
from tidegauge_drift.explanation import explain
from tidegauge_drift.layout import Layout
from tidegauge_drift.state import StateError, dump, restore
from tidegauge_drift.status_files import Found
from tidegauge_drift.verdict import WindowVerdict
from tidegauge_drift.wanted import Wanted
from tidegauge_drift.window import ClosedWindow, WindowSpec

if TYPE_CHECKING:
    from tidegauge.events import StateChange

Matrix = NDArray[np.float64]
START_S = 1_700_000_000.0
NAMES = ("amount", "age", "balance", "income")


def _rows(rng: np.random.Generator, rows: int, rho: float) -> Matrix:
    """Return normal rows; only the first two features depend on each other."""
    found = rng.normal(size=(rows, 4))
    found[:, 1] = rho * found[:, 0] + np.sqrt(1 - rho * rho) * found[:, 1]
    return found


class Served:
    """A model whose rows are judged in windows of 1,000."""

    def __init__(self, path: Path, **changes: Any) -> None:
        options = {"correlation": True, "windows": (WindowSpec.parse("1000rows"),), **changes}
        self.seen: list[WindowVerdict] = []
        self.drift = DriftProcessor(
            settings=DriftSettings(reference=str(path), **options),
            listener=lambda _, verdict: self.seen.append(verdict),
        )
        self.now_s = START_S

    def window(
        self, matrix: Matrix, names: tuple[str, ...] | None = NAMES, **batch: Any
    ) -> WindowVerdict:
        """Judge these rows, 1,000 at least, as one window."""
        for part in np.array_split(matrix, 3):
            times = np.full(len(part), self.now_s)
            table = Table(len(part), names, matrix=part)
            self.drift.on_batch(Batch(ModelKey("m"), "predict", times, table, None, **batch))
        self.now_s += 20
        self.drift.on_tick(self.now_s)
        self.drift.tell(self.now_s)
        return self.seen[-1]


@pytest.fixture
def serve(tmp_path: Path) -> Callable[..., Served]:
    """Return the maker of services with a reference of 5,000 rows."""

    def make(rho: float = 0.5, **changes: Any) -> Served:
        path = tmp_path / "a.reference.json"
        rows = _rows(np.random.default_rng(1), 5000, rho)
        table = pd.DataFrame(rows, columns=list(NAMES))
        save(build(table, built="2026-01-01", correlation=True), path)
        return Served(path, **changes)

    return make


def test_two_windows_in_a_row_are_an_alarm_and_two_clean_ones_end_it(
    serve: Callable[..., Served],
) -> None:
    """Of the family, by the pair that has changed; no feature has drifted."""
    rng, served = np.random.default_rng(2), serve()
    verdicts = [served.window(_rows(rng, 1000, rho)) for rho in (0.5, 0.8, 0.8, 0.5, 0.5)]

    assert [v.detected["correlation"] for v in verdicts] == [False, False, True, True, False]
    assert [v.pairs["flagged"].tolist() for v in verdicts] == [
        [on, 0, 0, 0, 0, 0] for on in (0, 1, 1, 0, 0)
    ]
    assert not any(v.detected["inputs"] or v.detected["data_quality"] for v in verdicts)
    assert verdicts[2].pairs["since"][0] == verdicts[1].opened_s
    assert verdicts[4].pairs["since"].tolist() == [0] * 6


def test_it_is_shown_as_one_series_in_the_status_and_as_events(
    serve: Callable[..., Served], state: Path, told: list[StateChange]
) -> None:
    """With the pairs that have changed, before and after."""
    rng, served = np.random.default_rng(3), serve()
    for _ in range(2):
        served.window(_rows(rng, 1000, -0.5))
    (file,) = state.glob("*.status.json")
    document = json.loads(file.read_text(encoding="utf-8"))
    (window,) = document["windows"]
    (pair,) = window["correlation"]["pairs"]
    points = [p for p in served.drift.points() if p.attributes[-1] == "correlation"]
    lines = list(explain(Found(document, served.now_s, file), served.now_s))
    family, of_pair = (event for event in told if event.family == "correlation")

    assert (pair["features"], pair["detected"]) == (["amount", "age"], True)
    assert (pair["reference"], pair["now"]) == pytest.approx((0.5, -0.5), abs=0.05)
    assert window["families"]["correlation"]["detected"]
    assert [(p.attributes[3:], p.value) for p in points] == [(("", "1000rows", "correlation"), 1.0)]
    assert "ALARM since" in lines[0]
    assert any(
        line.startswith("             correlations of 6 of 6 pairs: ALARM") for line in lines
    )
    assert any(line.startswith("               amount ~ age: 0.") for line in lines)
    assert (family.feature, family.statistic, family.value) == ("", "pairs.changed", 1.0)
    assert (of_pair.feature, of_pair.state) == ("amount ~ age", "drifted")
    assert of_pair.value == pytest.approx(-0.5, abs=0.05)
    assert of_pair.threshold == pytest.approx(0.42, abs=0.04)


def test_pairs_of_a_feature_that_drifts_are_no_news(serve: Callable[..., Served]) -> None:
    """It is flagged itself; all others are judged."""
    rng, served = np.random.default_rng(4), serve()
    for _ in range(2):
        rows = _rows(rng, 1000, 0.9)
        rows[:, 1] += 2
        rows[:, 2] = rows[:, 3]
        verdict = served.window(rows)

    assert verdict.detected == {"inputs": True, "data_quality": True, "correlation": True}
    assert verdict.pairs["flagged"].tolist() == [-2, 0, 0, -2, -2, 1]
    assert np.isnan(verdict.pairs["now"]).tolist() == [True, False, False, True, True, False]


def test_a_pair_that_cannot_be_judged_keeps_its_alarm(serve: Callable[..., Served]) -> None:
    """A feature without a column, one that is constant and too few rows are no change."""
    rng, served = np.random.default_rng(5), serve()
    for _ in range(2):
        served.window(_rows(rng, 1000, 0.9))
    without = served.window(_rows(rng, 1000, 0.5)[:, 1:], NAMES[1:])
    assert without.pairs["flagged"].tolist() == [-1, -1, -1, 0, 0, 0]
    assert without.detected["correlation"]
    missing = _rows(rng, 1000, 0.5)
    missing[:, 0] = np.nan
    assert served.window(missing).pairs["flagged"].tolist()[:3] == [-1, -1, -1]
    missing[:20, 0] = 0.1
    assert served.window(missing).detected["correlation"]
    constant = _rows(rng, 1000, 0.5)
    constant[:, 0] = 0.1
    assert served.window(constant).pairs["flagged"].tolist()[:3] == [-1, -1, -1]


def test_a_reference_of_other_data_raises_nothing(serve: Callable[..., Served]) -> None:
    """While it is a mismatch no pair is judged."""
    served = serve()
    verdict = served.window(_rows(np.random.default_rng(6), 1000, 0.9) + 3)

    assert verdict.mismatch
    assert "correlation" not in verdict.detected
    assert set(verdict.pairs["flagged"].tolist()) == {-2}


def test_rows_of_calls_raise_no_alarm_before_enough_were_seen(
    serve: Callable[..., Served],
) -> None:
    """As no other family does."""
    rng, served = np.random.default_rng(7), serve()
    for _ in range(2):
        for part in np.array_split(_rows(rng, 1000, 0.9), 5):
            table = Table(200, NAMES, matrix=part)
            times = np.full(200, served.now_s)
            served.drift.on_batch(
                Batch(ModelKey("m"), "predict", times, table, None, calls=np.array([200]))
            )
        served.now_s += 20
        served.drift.on_tick(served.now_s)

    assert [v.pairs["flagged"][0] for v in served.seen] == [1, 1]
    assert not any(v.detected["correlation"] for v in served.seen)


def test_features_that_are_left_out_have_no_pairs(serve: Callable[..., Served]) -> None:
    """What remains is compared with the same numbers."""
    rng = np.random.default_rng(8)
    served = serve(exclude=("age",))
    verdict = served.window(_rows(rng, 1000, 0.5))
    whole = serve().window(_rows(np.random.default_rng(8), 1000, 0.5))

    assert verdict.pairs["now"].tolist() == whole.pairs["now"][[1, 2, 5]].tolist()


@pytest.mark.parametrize("exclude", [("age", "balance", "income"), ("a*", "balance")])
def test_one_feature_has_no_pairs(
    serve: Callable[..., Served], exclude: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    """One ERROR says so, and the feature is compared all the same."""
    verdict = serve(exclude=exclude).window(_rows(np.random.default_rng(9), 1000, 0.5))

    assert (verdict.pairs, verdict.detected["inputs"]) == ({}, False)
    assert len([r for r in caplog.records if r.levelno == logging.ERROR]) == 1


def test_a_reference_without_correlations_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """With what to do; all else is compared."""
    path = tmp_path / "a.reference.json"
    rng = np.random.default_rng(10)
    profile = merge([build(rng.normal(size=(500, 4)), correlation=True) for _ in range(2)])
    save(profile, path)
    served = Served(path)
    verdict = served.window(rng.normal(size=(1000, 4)), None)
    (error,) = [r.getMessage() for r in caplog.records if r.levelno == logging.ERROR]

    assert error == (
        f"{path}: got no correlations from the file, and TIDEGAUGE_DRIFT_CORRELATION=true; "
        "expected those of two numeric features. Build it with 'tidegauge reference build "
        "--correlation'. All else is compared."
    )
    assert verdict.detected == {"inputs": False, "data_quality": False}


def test_a_reference_with_correlations_costs_nothing_unless_asked(
    serve: Callable[..., Served],
) -> None:
    """Nothing is counted, nothing is said."""
    served = serve(correlation=False)
    verdict = served.window(_rows(np.random.default_rng(11), 1000, 0.9))
    (evaluator,) = served.drift._leader.shown
    ((closed,),) = evaluator.snapshot.closed.values()

    assert (verdict.pairs, closed.window.extra) == ({}, {})


@pytest.mark.parametrize(
    ("changes", "other"),
    [
        ({"mode": "classic"}, "TIDEGAUGE_DRIFT_MODE=classic"),
        ({"baseline": "previous_week"}, "TIDEGAUGE_DRIFT_BASELINE=previous_week"),
        ({"reference": "warmup:5000,24h"}, "TIDEGAUGE_REFERENCE=warmup"),
    ],
)
def test_what_it_does_not_go_with_is_refused(changes: dict[str, Any], other: str) -> None:
    """At the start, with what to do."""
    with pytest.raises(SettingError) as found:
        DriftSettings(correlation=True, **changes)

    assert str(found.value) == (
        "TIDEGAUGE_DRIFT_CORRELATION: got True from the settings; expected false with "
        f"{other}. Unset one of the two."
    )


@pytest.mark.parametrize(
    ("season", "label", "judged"),
    [("hour", "1d", True), ("hour", "6h", False), ("hour", "1000rows", False),
     ("hour_of_week", "1d", False), ("hour_of_week", "7d", True)],
)  # fmt: skip
def test_with_a_season_whole_cycles_are_judged(season: str, label: str, judged: bool) -> None:
    """Features that rise and fall together correlate otherwise within an hour."""
    rng = np.random.default_rng(12)
    table = pd.DataFrame(_rows(rng, 5000, 0.5), columns=list(NAMES))
    table["at"] = pd.date_range("2026-01-05", periods=5000, freq="15min", tz="UTC")
    profile = build(table, time_column="at", season=season, correlation=True)
    layout = Layout(profile, Wanted(correlation=True))
    given = Table(1000, NAMES, matrix=_rows(rng, 1000, 0.5))
    counts, extra = layout.inputs.measure(given, layout.match_inputs(given).columns)
    window = ClosedWindow(
        WindowSpec.parse(label), 0, 1, 1000, 1, 1, 100.0, counts.astype(np.uint64), extra=extra
    )
    assert layout.correlated is not None
    every = np.ones(4, np.bool_)
    found = judge_pairs(
        window, layout.correlated, {}, 0.01, deff=np.ones(4), steady=every, unknown=~every
    )

    assert (found["flagged"] >= 0).tolist() == [judged] * 6


def test_dependent_rows_are_worth_what_those_of_the_worse_feature_are() -> None:
    """So a pair of them has fewer rows."""
    rng = np.random.default_rng(13)
    profile = build(_rows(rng, 5000, 0.0), correlation=True)
    layout = Layout(profile, Wanted(correlation=True))
    given = Table(300, None, matrix=_rows(rng, 300, 0.45))
    _, extra = layout.inputs.measure(given, (0, 1, 2, 3))
    window = ClosedWindow(WindowSpec.parse("300rows"), 0, 1, 300, 1, 1, 100.0, extra=extra)
    assert layout.correlated is not None
    every = np.ones(4, np.bool_)
    flags = [
        judge_pairs(
            window, layout.correlated, {}, 0.001, deff=np.array([1.0, deff, 1.0, 1.0]),
            steady=every, unknown=~every,
        )["flagged"].tolist()
        for deff in (1.0, 8.0, 10.1)
    ]  # fmt: skip

    assert flags == [[1, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0], [-1, 0, 0, -1, -1, 0]]


@pytest.mark.parametrize(("rho", "flagged"), [(0.56, 0), (0.6, 1), (0.43, 0), (0.36, 1)])
def test_a_small_change_is_no_news_however_certain(rho: float, flagged: int) -> None:
    """From .5 on, as if each of 20,000 rows had come a thousand times."""
    rng = np.random.default_rng(19)
    layout = Layout(build(_rows(rng, 20_000, 0.5), correlation=True), Wanted(correlation=True))
    _, extra = layout.inputs.measure(
        Table(20_000, None, matrix=_rows(rng, 20_000, rho)), (0, 1, 2, 3)
    )
    many = {name: array.astype(np.int64) * 1000 for name, array in extra.items()}
    window = ClosedWindow(WindowSpec.parse("1d"), 0, 1, 20_000, 1, 1, 30.0, extra=many)
    assert layout.correlated is not None
    every = np.ones(4, np.bool_)
    found = judge_pairs(
        window, replace(layout.correlated, rows=layout.correlated.rows * 1000), {}, 0.01,
        deff=np.ones(4), steady=every, unknown=~every,
    )  # fmt: skip

    assert found["flagged"].tolist() == [flagged, 0, 0, 0, 0, 0]


def test_a_fault_is_counted_and_silences_nothing_else(
    serve: Callable[..., Served], caplog: pytest.LogCaptureFixture
) -> None:
    """Sums of another size: one message, and features are judged."""
    rng, served = np.random.default_rng(14), serve()
    served.window(_rows(rng, 1000, 0.5))
    (evaluator,) = served.drift._leader.shown
    known = evaluator.snapshot.layout.correlated
    assert known is not None
    evaluator.snapshot.layout.correlated = correlated(
        build(rng.normal(size=(300, 3)), correlation=True)
    )
    verdict = served.window(_rows(rng, 1000, 0.5))

    assert verdict.detected["inputs"] is False
    assert len([r for r in caplog.records if "drift.correlation" in r.getMessage()]) == 1


def _reference(tmp_path: Path) -> Path:
    path = tmp_path / "c.reference.json"
    rows = _rows(np.random.default_rng(15), 3000, 0.5)
    save(build(rows, built="2026-01-01", correlation=True), path)
    return path


def test_verdicts_of_several_processes_are_those_of_one(
    launch: Callable[..., Any], tmp_path: Path
) -> None:
    """Bit by bit, and a successor goes on where the leader before it was killed."""
    rows = np.concatenate([_rows(np.random.default_rng(16), 300, rho) for rho in (0.5, 0.95)])
    path = str(_reference(tmp_path))
    one, many = (launch(reference=path, correlation=True) for _ in range(2))
    alone = one.process(alone=True)
    one.settle([alone], one.replay([alone], rows))
    processes = [many.process() for _ in range(3)]
    now_s = many.replay(processes, rows[:400])
    processes.pop(0).die()
    many.settle(processes, many.replay(processes, rows[400:], start_s=now_s))

    assert any(v.detected.get("correlation") for v in one.verdicts().values())
    assert one.verdicts() == many.verdicts()


def test_a_restored_state_goes_on_as_it_was(serve: Callable[..., Served]) -> None:
    """The alarms of pairs too; columns of other pairs are refused."""
    rng, served = np.random.default_rng(17), serve()
    for _ in range(2):
        served.window(_rows(rng, 1000, 0.9))
    (evaluator,) = served.drift._leader.shown
    content = dump(evaluator)
    again = serve().drift._make(ModelKey("m"))
    assert again is not None
    restore(again, content)
    spec = WindowSpec.parse("1000rows")
    one, other = (e.snapshot.verdict(spec) for e in (evaluator, again))

    assert one == other
    assert other is not None
    assert other.detected["correlation"]
    assert dump(again) == content
    for column in (other.pairs["since"][:3], other.pairs["since"].astype(np.float64)):
        other.pairs["since"] = column
        with pytest.raises(StateError, match="pairs"):
            restore(again, dump(again))


def test_fifty_features_take_what_the_docs_say(tmp_path: Path) -> None:
    """Sums and rows of 1,275 pairs a pane and a window, 11 bytes a pair a verdict."""
    rng = np.random.default_rng(18)
    path = tmp_path / "a.reference.json"
    save(build(rng.normal(size=(1000, 60)), correlation=True), path)
    served = Served(path)
    verdict = served.window(rng.normal(size=(1000, 60)), None)
    (evaluator,) = served.drift._leader.shown
    ((closed,),) = evaluator.snapshot.closed.values()

    assert sum(array.nbytes for array in closed.window.extra.values()) == 1325 * 8 + 1275 * 2
    assert sum(array.nbytes for array in verdict.pairs.values()) == 1225 * 11

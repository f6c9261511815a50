"""Classic mode: the textbook's rules on the textbook's bins, window by window."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tidegauge.batch import Batch, ModelKey, Table
from tidegauge.settings import SettingError
from tidegauge_drift import (
    DriftProcessor,
    DriftSettings,
    build,
    compare,
    ks,
    merge,
    psi,
    save,
)
from tidegauge_drift.classic import leading
from tidegauge_drift.layout import Layout
from tidegauge_drift.profile import ProfileError
from tidegauge_drift.verdict import WindowVerdict
from tidegauge_drift.wanted import Wanted
from tidegauge_drift.window import WindowSpec

if TYPE_CHECKING:
    from tidegauge.events import StateChange

Matrix = NDArray[np.float64]
START_S = 1_700_000_000.0
CLASSIC = Wanted(classic=True)


class Served:
    """A model whose rows are judged in windows of 300."""

    def __init__(self, path: Path, **changes: Any) -> None:
        options = {"mode": "classic", "windows": (WindowSpec.parse("300rows"),), **changes}
        self.seen: list[WindowVerdict] = []
        self.drift = DriftProcessor(
            settings=DriftSettings(reference=str(path), **options),
            listener=lambda _, verdict: self.seen.append(verdict),
        )
        self._now_s = START_S

    def window(self, matrix: Matrix, names: tuple[str, ...] | None = None) -> WindowVerdict:
        """Judge these rows, 300 at least, as one window."""
        for part in np.array_split(matrix, 3):
            times = np.full(len(part), self._now_s)
            table = Table(len(part), names, matrix=part)
            self.drift.on_batch(Batch(ModelKey("m"), "predict", times, table, None))
        self._now_s += 20
        self.drift.on_tick(self._now_s)
        self.drift.tell(self._now_s)
        return self.seen[-1]


@pytest.fixture
def serve(tmp_path: Path) -> Callable[..., Served]:
    """Return the maker of services with a reference of these rows."""

    def make(reference: Any, **changes: Any) -> Served:
        path = tmp_path / "a.reference.json"
        save(build(reference), path)
        return Served(path, **changes)

    return make


SHAPES: dict[str, Callable[[np.random.Generator, int, float], Matrix]] = {
    "normal": lambda rng, n, s: rng.normal(s, 1, n),
    "lognormal 3": lambda rng, n, s: np.exp(3 * rng.normal(s, 1, n)),
    "pareto 1": lambda rng, n, s: (1 + s) * rng.pareto(1, n),
    "t2": lambda rng, n, s: s + rng.standard_t(2, n),
    "zero-inflated": lambda rng, n, s: np.where(rng.random(n) < 0.6, 0, rng.normal(s, 1, n)),
    "on the edges": lambda rng, n, s: np.floor(11 * rng.random(n)) + (rng.random(n) < s),
    "constant": lambda _, n, s: np.full(n, 7.0 + s),
    "tiny": lambda rng, n, s: 1 + 1e-12 * rng.normal(s, 1, n),
    "times": lambda rng, n, s: 1.7e9 + 5 * rng.normal(s, 1, n),
}


def test_psi_is_that_of_the_raw_samples(serve: Callable[..., Served]) -> None:
    """To 1e-12, of every shape, with missing and infinite values in both, clean and moved."""
    rng = np.random.default_rng(1)
    reference, clean, moved = (
        np.stack([np.asarray(d(rng, n, s), float) for d in SHAPES.values()], axis=1)
        for n, s in ((2000, 0.0), (400, 0.0), (400, 0.4))
    )
    for side in (reference, clean, moved):
        side[rng.random(side.shape) < 0.02] = np.nan
    moved[::50] = np.inf
    clean[::40] = -np.inf
    served = serve(pd.DataFrame(reference, columns=list(SHAPES)))
    for current in (clean, moved):
        verdict = served.window(current, tuple(SHAPES))
        for j, feature in enumerate(verdict.features):
            expected = psi(reference[:, j], current[:, j])
            assert feature.finding.psi == pytest.approx(expected, rel=1e-12, abs=1e-15), j
            exact = ks(reference[:, j], current[:, j])
            assert feature.finding.ks == pytest.approx(exact.statistic, abs=0.01)


VALUES = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([0.0, -0.0, 1.0, 5e-324, 1.7e308, -1.7e308, 3.5]),
    st.integers(-5, 5).map(float),
)


@given(
    st.lists(VALUES, min_size=1, max_size=40),
    st.lists(VALUES, min_size=1, max_size=60),
    st.lists(st.integers(1, 59), max_size=3),
)
@settings(max_examples=150, deadline=None)
def test_counts_are_those_of_the_offline_bins(
    reference: list[float], current: list[float], cuts: list[int]
) -> None:
    """Whatever the values and the parts they come in."""
    given_rows, rows = np.array([*reference, 0.5]), np.array(current)
    layout = Layout(build(given_rows[:, None]), CLASSIC)
    found = [
        layout.inputs.measure(Table(len(part), None, matrix=part[:, None]), (0,))[1]
        for part in np.split(rows, sorted(set(cuts)))
    ]
    counts = np.sum([extra["inputs.equal_width"] for extra in found], axis=0)
    if not np.isfinite(rows).any():
        assert not counts.any()
        return
    p, q = layout.wide[0] / layout.wide[0].sum(), counts / counts.sum()
    p, q = np.maximum(p, 1e-4), np.maximum(q, 1e-4)
    expected = psi(given_rows, rows)
    assert float(((q - p) * np.log(q / p)).sum()) == pytest.approx(expected, rel=1e-12, abs=1e-15)


def test_each_rule_alarms_by_itself_at_once(serve: Callable[..., Served]) -> None:
    """One window is enough, the next clean one ends it, and it says which rules fired."""
    rng = np.random.default_rng(2)
    reference = rng.normal(size=(20_000, 3))
    served = serve(reference)
    quiet = np.sort(reference[::10], axis=0)  # as even as it can be
    moved = quiet.copy()
    moved[:, 1] += 0.1  # KS alone
    moved[:, 2] += 1.0
    before, alarm, after = (served.window(rows) for rows in (quiet, moved, quiet))

    assert [f.finding.rules for f in before.features] == [(), (), ()]
    assert [f.finding.rules for f in alarm.features] == [
        (), ("ks.p_value",), ("psi", "ks.p_value", "kl.divergence"),
    ]  # fmt: skip
    assert [f.run.detected for f in alarm.features] == [False, True, True]
    assert [f.state for f in alarm.features] == ["ok", "drifted", "drifted"]
    assert [v.detected["inputs"] for v in (before, alarm, after)] == [False, True, False]
    assert [f.finding.effect >= 1 for f in alarm.features] == [False, True, True]
    assert [f.adjusted_p_value for f in alarm.features] == [None] * 3


def test_no_window_is_a_mismatch_and_quality_is_judged_as_ever(
    serve: Callable[..., Served],
) -> None:
    """All features moved: all alarm. Missing values need two windows."""
    rng = np.random.default_rng(3)
    served = serve(rng.normal(size=(2000, 3)))
    first, second = (rng.normal(1, 1, (300, 3)) for _ in range(2))
    first[:60, 0] = second[:60, 0] = np.nan
    one, two = served.window(first), served.window(second)

    assert (one.mismatch, one.states()["drifted"]) == (False, 3)
    assert [one.detected["data_quality"], two.detected["data_quality"]] == [False, True]


def test_categories_have_psi_and_kl(serve: Callable[..., Served]) -> None:
    """And no test: KS is of numbers."""
    rng = np.random.default_rng(4)
    served = serve(pd.DataFrame({"a": rng.choice(list("xyz"), 3000)}))
    table = Table(400, ("a",), columns=(np.array(list("xxxy") * 100, object),))
    times = np.full(400, START_S)
    served.drift.on_batch(Batch(ModelKey("m"), "predict", times, table, None))
    served.drift.on_tick(START_S + 60)
    (feature,) = served.seen[-1].features

    assert feature.finding.rules == ("psi", "kl.divergence")
    assert (feature.finding.ks, feature.finding.p_value) == (None, None)


@pytest.mark.parametrize(("rows", "decided"), [(29, False), (30, True)])
def test_thirty_rows_are_judged(serve: Callable[..., Served], rows: int, decided: bool) -> None:
    """PSI is there from the first verdict on, as the textbook has it."""
    rng = np.random.default_rng(5)
    served = serve(rng.normal(size=(1000, 2)), windows=(WindowSpec.parse("30s"),))
    matrix = rng.normal(size=(rows, 2))
    served.window(matrix)
    served._now_s += 60
    served.drift.on_tick(served._now_s)
    judged = [v for v in served.seen if v.rows]
    finding = judged[0].features[0].finding

    assert [finding.psi is not None, finding.reason == "rows"] == [decided, not decided]


def test_it_warns_at_the_start(
    serve: Callable[..., Served], caplog: pytest.LogCaptureFixture
) -> None:
    """Once, with what to do."""
    with caplog.at_level(logging.WARNING, "tidegauge.drift"):
        serve(np.random.default_rng(6).normal(size=(500, 2)))

    (message,) = caplog.messages
    assert message.startswith("TIDEGAUGE_DRIFT_MODE: got 'classic': PSI >= 0.2, KS p < 0.05 or KL")
    assert message.endswith("Unset it for verdicts with a budget of false alarms.")


def test_status_and_events_say_which_rule_fired(
    serve: Callable[..., Served], state: Path, told: list[StateChange]
) -> None:
    """The mode, the rules of each feature, and the first one's value and limit."""
    rng = np.random.default_rng(7)
    served = serve(rng.normal(size=(5000, 2)))
    served.window(rng.normal(size=(1000, 2)) + np.array([2.0, 0]))
    (file,) = state.glob("*.status.json")
    document = json.loads(file.read_text(encoding="utf-8"))
    listed = {f["feature"]: f["rules"] for f in document["windows"][0]["features"]}
    (event,) = (e for e in told if e.feature == "x0")

    assert (document["mode"], listed["x0"]) == ("classic", ["psi", "ks.p_value", "kl.divergence"])
    assert (event.statistic, event.threshold, event.state) == ("psi", 0.2, "drifted")
    assert event.value is not None
    assert event.value > 0.2


@pytest.mark.parametrize(
    ("bits", "said"), [(2, ("ks.p_value", 0.05)), (4, ("kl.divergence", 0.1)), (0, ("psi", 0.2))]
)
def test_an_event_has_the_first_rule_that_fired(
    serve: Callable[..., Served], bits: int, said: tuple[str, float]
) -> None:
    """PSI and its limit where none has: the alarm ends."""
    rng = np.random.default_rng(12)
    verdict = serve(rng.normal(size=(2000, 1))).window(rng.normal(size=(300, 1)))
    verdict.extra["rules"][0] = bits
    finding = verdict.features[0].finding
    values = {"psi": finding.psi, "ks.p_value": finding.p_value, "kl.divergence": finding.kl}

    assert leading(finding) == (said[0], values[said[0]], said[1])


def test_a_reference_without_counts_of_equal_width_is_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One of an older format or a merged one: an ERROR that says what to do, and no drift."""
    path = Path(__file__).parent / "references" / "format2.reference.json"
    served = Served(path)
    rng = np.random.default_rng(8)
    merged = merge([build(rng.normal(size=(500, 1))) for _ in range(2)])

    (error,) = [r.getMessage() for r in caplog.records if r.levelno == logging.ERROR]
    assert error.startswith("TIDEGAUGE_DRIFT_MODE: got 'classic' with a reference that has no")
    assert "Build it again with 'tidegauge reference build'." in error
    assert list(served.drift.points()) == []
    with pytest.raises(ProfileError, match="because it is merged or of an older format"):
        Layout(merged, CLASSIC)


def test_it_does_not_go_with_last_weeks_rows() -> None:
    """The rules are on the reference's bins."""
    with pytest.raises(SettingError, match="expected 'paging' with TIDEGAUGE_DRIFT_BASELINE"):
        DriftSettings(mode="classic", baseline="previous_week")


def test_windows_of_the_other_mode_start_anew(launch: Callable[..., Any], tmp_path: Path) -> None:
    """A process that leads on in another mode shows nothing that was judged before it."""
    rows = np.random.default_rng(9).normal(size=(400, 3))
    one = launch()
    first = one.process()
    now_s = one.settle([first], one.replay([first], rows))
    one.drift = DriftSettings(
        reference=one.drift.reference, windows=one.drift.windows, mode="classic"
    )
    second = one.process()
    first.die()
    one.settle([second], now_s, seconds=20)
    evaluators = second.drift._leader.shown

    assert second.group.leads
    assert [e.snapshot.closed for e in evaluators] == [{}]
    one.settle([second], one.replay([second], rows, start_s=now_s + 30))
    assert all(v.extra["rules"].size == 3 for _, v in one.seen if v.opened_s >= now_s + 30)
    assert any(v.opened_s >= now_s + 30 for _, v in one.seen)


def test_verdicts_of_several_processes_are_those_of_one(launch: Callable[..., Any]) -> None:
    """Number by number."""
    rows = np.random.default_rng(10).normal(size=(600, 3))
    rows[300:, 1] += 1
    one, many = launch(mode="classic"), launch(mode="classic")
    alone = one.process(alone=True)
    one.settle([alone], one.replay([alone], rows))
    processes = [many.process() for _ in range(3)]
    many.settle(processes, many.replay(processes, rows))

    assert any("psi" in v.features[1].finding.rules for v in one.verdicts().values())
    assert one.verdicts() == many.verdicts()


def test_a_report_from_a_profile_has_the_textbooks_psi() -> None:
    """Exactly, because the profile has the counts; from cells where it has not."""
    rng = np.random.default_rng(11)
    reference, current = rng.lognormal(size=(3000, 1)), rng.lognormal(0.2, 1, (800, 1))
    found = compare(build(reference), current).features[0].statistics["psi_equal_width"]

    assert found.value == pytest.approx(psi(reference[:, 0], current[:, 0]), rel=1e-12)
    assert not found.from_cells

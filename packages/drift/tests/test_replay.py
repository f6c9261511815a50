"""Whole replays: clean rows stay quiet, shifts alarm soon, and how rows come does not matter."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tidegauge.batch import ModelKey, Table
from tidegauge_drift import build
from tidegauge_drift.layout import Layout
from tidegauge_drift.packing import narrow
from tidegauge_drift.pane import Pane
from tidegauge_drift.verdict import WindowVerdict
from tidegauge_drift.window import Tumbler, WindowSpec
from tidegauge_drift.window_judge import judge

Matrix = NDArray[np.float64]
MakeReplay = Callable[..., Any]


def _draw(rng: np.random.Generator, n: int) -> Matrix:
    """Return 20 independent features of four shapes."""
    return np.concatenate(
        [
            rng.normal(size=(n, 8)),
            rng.lognormal(0, 1, (n, 6)),
            rng.standard_t(3, (n, 3)),
            rng.poisson(3, (n, 3)).astype(float),
        ],
        axis=1,
    )


@pytest.mark.backends  # needs no service, but long
@pytest.mark.parametrize(("seed", "rows"), [(1, 300), (2, 1000)])
def test_clean_rows_raise_no_alarm(replay: MakeReplay, seed: int, rows: int) -> None:
    """8 models, each with a reference of its own, 40 windows: no onset in any family."""
    rng = np.random.default_rng(seed)
    flagged = windows = 0
    for _ in range(8):
        run = replay(build(_draw(rng, 10_000), outputs=rng.random(10_000)), (f"{rows}rows",))
        live = _draw(rng, 40 * rows + 400)
        outputs = rng.random((len(live), 1))
        verdicts = run.feed(live, rate=rows / 10, chunk=1000, outputs=outputs).end()
        windows += len(verdicts)
        flagged += sum(any(f.flagged for f in verdict.features) for verdict in verdicts)
        assert not any(any(verdict.detected.values()) for verdict in verdicts)
        assert not any(verdict.mismatch for verdict in verdicts)

    assert windows >= 8 * 20
    assert flagged <= 0.02 * windows


@pytest.mark.parametrize(("shift", "within"), [(0.5, 900), (1.0, 900)])
def test_a_shift_alarms_within_rows(replay: MakeReplay, shift: float, within: int) -> None:
    """Windows of 300 rows at 30 rows/s: half an sd and one sd of one of 20 features."""
    rng = np.random.default_rng(3)
    for _ in range(5):
        run = replay(build(_draw(rng, 10_000)), ("300rows",))
        run.feed(_draw(rng, 900), rate=30)
        before = len(run.end())
        moved = _draw(rng, 2000)
        moved[:, 0] += shift
        start = run.now_s
        verdicts = run.feed(moved, rate=30).end()[before:]
        onset = next(v for v in verdicts if v.detected.get("inputs"))
        assert (onset.closed_s - start) * 30 <= within
        assert [f.name for f in onset.features if f.run.detected] == ["x0"]


@given(st.lists(st.integers(1, 400), min_size=1, max_size=8))
@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_chunks_do_not_change_the_verdicts(
    replay: MakeReplay, batch: MakeReplay, cuts: list[int]
) -> None:
    """Any batching of the same rows at the same times gives the same verdicts."""
    rng = np.random.default_rng(5)
    profile = build(_draw(rng, 1000))
    rows = _draw(rng, 1500)
    times = 1_700_000_000 + np.arange(1500) / 20
    bounds = sorted({0, 1500, *(c * 3 % 1500 for c in cuts)})

    def verdicts(bounds: list[int]) -> list[WindowVerdict]:
        run = replay(profile, ("300rows", "30s"))
        for a, b in itertools.pairwise(bounds):
            run.worker.take(batch(rows[a:b], times[a:b]))
            run.advance(float(times[b - 1]))
        run.advance(float(times[-1]) + 60)
        return sorted(run.seen, key=lambda verdict: verdict.spec.label)  # each kind by itself

    expected = verdicts([0, 1500])
    assert len(expected) >= 4
    assert expected == verdicts(bounds)


def test_panes_of_four_workers_give_the_verdicts_of_one() -> None:
    """Each worker counts its rows; the panes, sent as bytes and merged, are judged alike."""
    rng = np.random.default_rng(6)
    layout = Layout(build(_draw(rng, 2000)))
    spec = WindowSpec.parse("300rows")
    rows = _draw(rng, 2400)
    rows[1200:, 0] += 1.0
    columns = tuple(range(20))

    def pane(index: int, part: Matrix) -> Pane:
        counts = layout.inputs.count(Table(len(part), None, matrix=part), columns)
        made = Pane(
            ModelKey("m"), "predict", layout.digest, index, 10, narrow(counts, len(part)), len(part)
        )
        made.saw_stride(1, 1)
        return made

    def verdicts(panes: list[Pane]) -> list[WindowVerdict]:
        tumbler = Tumbler(spec, 10, 0)
        seen: list[WindowVerdict] = []
        for each in panes:
            for closed in tumbler.fold(each):
                seen.append(judge(closed, layout, 1, seen[-1] if seen else None))
        return seen

    parts = [rows[i : i + 100] for i in range(0, 2400, 100)]
    one = verdicts([pane(i, part) for i, part in enumerate(parts)])
    four = [
        [Pane.from_bytes(pane(i, part[w::4]).to_bytes()) for w in (2, 0, 3, 1)]
        for i, part in enumerate(parts)
    ]
    merged = verdicts([reduce(Pane.merge, workers) for workers in four])

    assert len(one) == 8
    assert one[-1].detected["inputs"] is True
    assert one == merged


def test_late_rows_are_counted_and_not_compared(replay: MakeReplay, batch: MakeReplay) -> None:
    """A pane closes 3 s after its end; a row that comes then is late."""
    rng = np.random.default_rng(7)
    run = replay(build(rng.normal(size=(1000, 2))), ("30rows",))
    pane_end = (int(run.now_s) // 10 + 1) * 10.0
    rows = rng.normal(size=(40, 2))
    times = np.full(40, pane_end - 1)
    run.worker.take(batch(rows, times))
    run.advance(pane_end + 2.9)
    assert run.seen == []
    run.worker.take(batch(rows[:20], times[:20]))
    run.advance(pane_end + 3)
    run.worker.take(batch(rows, times))

    assert [verdict.rows for verdict in run.seen] == [60]
    assert run.late_rows == 40


def test_a_clock_set_back_starts_windows_anew(replay: MakeReplay) -> None:
    """An hour back: rows are counted again at once, not after an hour."""
    rng = np.random.default_rng(8)
    run = replay(build(rng.normal(size=(1000, 2))), ("100rows",))
    run.feed(rng.normal(size=(400, 2)))
    before = len(run.end())
    run.now_s -= 3600
    run.advance(run.now_s)
    run.feed(rng.normal(size=(400, 2)))

    assert before == 4
    assert len(run.end()) >= before + 3
    assert run.late_rows == 0

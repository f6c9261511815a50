"""Rows of one call in verdicts: worth what they are, the same from any process, never an alarm."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tidegauge.batch import Batch, ModelKey, Table
from tidegauge_drift import build
from tidegauge_drift.calls import CALLS
from tidegauge_drift.counter import PaneCounter
from tidegauge_drift.evaluator import Evaluator
from tidegauge_drift.layout import Layout
from tidegauge_drift.pane import Pane
from tidegauge_drift.state import dump, restore
from tidegauge_drift.status import document
from tidegauge_drift.verdict import OK, SUSPECTED, UNKNOWN, WindowVerdict
from tidegauge_drift.window import WindowSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

MODEL = ModelKey("m")
FIRST = 170_000_000
SPEC = WindowSpec.parse("600rows")


@pytest.fixture(scope="module")
def profile() -> Any:
    """Return a reference of three normal features and an output."""
    rng = np.random.default_rng(0)
    return build(rng.normal(size=(5000, 3)), outputs=rng.normal(size=5000), built="2026-01-01")


@pytest.fixture(scope="module")
def layout(profile: Any) -> Layout:
    """Return it made ready."""
    return Layout(profile)


def _rows(
    rng: np.random.Generator, sizes: Sequence[int], alike: float, shift: float = 0.0
) -> NDArray[np.float64]:
    """Return rows of four columns whose calls share an effect."""
    shared = np.repeat(rng.normal(size=(len(sizes), 4)), sizes, axis=0)
    own = rng.normal(size=(sum(sizes), 4))
    return np.asarray(shift + np.sqrt(alike) * shared + np.sqrt(1 - alike) * own)


def _batch(rows: NDArray[np.float64], sizes: Sequence[int], times: Sequence[float]) -> Batch:
    inputs, outputs = (
        Table(len(rows), None, matrix=rows[:, part]) for part in (slice(3), slice(3, 4))
    )
    ends = np.repeat(np.array(times, np.float64), sizes)
    return Batch(MODEL, "predict", ends, inputs, outputs, 1, np.array(sizes, np.int64))


def _panes(
    layout: Layout, rows: NDArray[np.float64], sizes: Sequence[int], times: Sequence[float]
) -> list[Pane]:
    counter = PaneCounter(MODEL, layout, 10)
    counter.take(_batch(rows, sizes, times))
    return counter.pop(10**12)


class Served:
    """One model that is served calls, ``per`` of them in each pane."""

    def __init__(self, layout: Layout, per: int = 5) -> None:
        self.layout, self.per, self.index = layout, per, FIRST
        self.seen: list[WindowVerdict] = []
        self.evaluator = self.make()

    def make(self, layout: Layout | None = None) -> Evaluator:
        """Return an evaluator that has seen nothing."""
        return Evaluator(
            MODEL, layout or self.layout, (SPEC,), 10,
            listener=lambda _, verdict: self.seen.append(verdict),
        )  # fmt: skip

    def serve(self, rows: NDArray[np.float64], sizes: Sequence[int], *, known: bool = True) -> None:
        """Fold calls; without ``known`` as if each row were a call."""
        ends = np.cumsum(sizes)
        for first in range(0, len(sizes), self.per):
            some = sizes[first : first + self.per]
            part = rows[ends[first] - sizes[first] : ends[first + len(some) - 1]]
            for pane in _panes(
                self.evaluator.snapshot.layout, part, some, [self.index * 10.0] * len(some)
            ):
                self.evaluator.fold([pane if known else replace(pane, extra={})])
            self.index += 1
            self.evaluator.advance(self.index)


@given(
    st.lists(st.integers(0, 6), min_size=1, max_size=20),
    st.integers(0, 2**32 - 1),
    st.randoms(use_true_random=False),
)
@settings(deadline=None, max_examples=40)
def test_panes_are_the_same_in_any_batches(
    layout: Layout, sizes: list[int], seed: int, random: Any
) -> None:
    """In one batch over several panes, or call by call in any order and merged: the same bytes."""
    rng = np.random.default_rng(seed)
    rows = _rows(rng, sizes, 0.5)
    times = [1_700_000_000 + 3 * i for i in range(len(sizes))]
    whole = _panes(layout, rows, sizes, times)
    ends = np.cumsum(sizes).tolist()
    single = [
        pane
        for size, end, time in zip(sizes, ends, times, strict=True)
        for pane in _panes(layout, rows[end - size : end], [size], [time])
    ]
    random.shuffle(single)
    merged: dict[int, Pane] = {}
    for pane in single:
        merged[pane.index] = merged[pane.index].merge(pane) if pane.index in merged else pane

    assert [pane.to_bytes() for pane in whole] == [
        merged[index].to_bytes() for index in sorted(merged)
    ]


def test_calls_of_one_row_cost_a_pane_nothing(layout: Layout) -> None:
    """No array beside the counts, whether the batch has sizes or not."""
    rows = _rows(np.random.default_rng(1), [1] * 8, 0.0)
    (sized,) = _panes(layout, rows, [1] * 8, [0.0] * 8)
    counter = PaneCounter(MODEL, layout, 10)
    counter.take(replace(_batch(rows, [1] * 8, [0.0] * 8), calls=None))
    (plain,) = counter.pop(10**12)

    assert plain.to_bytes() == sized.to_bytes()
    assert plain.extra == {}


def test_sizes_that_do_not_fit_the_rows_are_left_out(layout: Layout) -> None:
    """Whoever makes a batch by hand may be wrong: its rows are counted, as single ones."""
    rows = _rows(np.random.default_rng(1), [4], 0.0)
    counter = PaneCounter(MODEL, layout, 10)
    counter.take(replace(_batch(rows, [4], [0.0]), calls=np.array([3])))
    (pane,) = counter.pop(10**12)

    assert (4, {}) == (pane.rows, pane.extra)


def test_rows_that_are_alike_are_worth_fewer(layout: Layout) -> None:
    """Clean ones differ in half of the windows as single rows, and in none as what they are."""
    rng = np.random.default_rng(2)
    sizes = [40] * 300
    rows = _rows(rng, sizes, 0.4)
    unaware, aware = Served(layout), Served(layout)
    unaware.serve(rows, sizes, known=False)
    aware.serve(rows, sizes)
    deff = aware.seen[-1].rows / aware.seen[-1].features[0].finding.effective_rows

    differ = [
        sum(any(f.flagged for f in verdict.features) for verdict in served.seen[1:])
        for served in (unaware, aware)
    ]

    assert differ[0] > 8
    assert differ[1] == 0
    assert [UNKNOWN, *[""] * 19] == [verdict.dependence for verdict in aware.seen]
    assert not any(True in verdict.detected.values() for verdict in aware.seen)
    assert 8 < deff < 14  # r of the deciles is .26


def test_most_rows_in_few_large_calls_are_worth_fewer_than_the_mean_size_says(
    layout: Layout,
) -> None:
    """Kish: the mean that counts is that over rows, not over calls."""
    rng = np.random.default_rng(3)
    sizes = ([2] * 20 + [110]) * 40
    served = Served(layout, per=42)
    served.serve(_rows(rng, sizes, 0.4), sizes)
    last = served.seen[-1]
    worth = last.rows / last.features[0].finding.effective_rows

    assert worth > 1 + 0.2 * (np.mean(sizes) - 1) * 4


def test_independent_rows_in_calls_are_found_changed_as_soon_as_single_ones(
    layout: Layout,
) -> None:
    """The estimate is about 0, and what it is above 0 costs no window."""
    rng = np.random.default_rng(4)
    sizes = [20] * 300
    rows = _rows(rng, sizes, 0.0)
    rows[3600:] += 0.5
    first = []
    for known in (False, True):
        served = Served(layout)
        served.serve(rows, sizes, known=known)
        first.append(next(i for i, v in enumerate(served.seen) if v.detected.get("inputs")))

    assert first == [7, 7]


def test_before_thirty_calls_what_differs_raises_no_alarm(layout: Layout) -> None:
    """The verdict is there and says that dependence is unknown; after 30 calls all is judged."""
    rng = np.random.default_rng(5)
    served = Served(layout, per=1)
    served.serve(_rows(rng, [200] * 24, 0.0, shift=1.0), [200] * 24)
    early = served.seen[:]
    served.serve(_rows(rng, [200] * 24, 0.0, shift=1.0), [200] * 24)
    status = document(served.evaluator.snapshot, (SPEC,), {})

    assert {UNKNOWN} == {verdict.dependence for verdict in early}
    assert [SUSPECTED] * 4 == [feature.state for feature in early[-1].features]
    assert {"inputs": False, "outputs": False, "data_quality": False} == early[-1].detected
    assert not any(verdict.mismatch for verdict in early)
    assert [600.0] * 4 == [f.finding.effective_rows for f in early[-1].features]
    assert "" == served.seen[-1].dependence == status["windows"][0]["dependence"]
    assert served.seen[-1].mismatch  # half of the inputs, in the first window that tells


def test_a_single_call_gets_its_verdict(layout: Layout) -> None:
    """A job that predicts once and ends."""
    rng = np.random.default_rng(6)
    served = Served(layout, per=1)
    served.serve(_rows(rng, [256], 0.0), [256])
    served.evaluator.end()
    (verdict,) = served.seen

    assert (UNKNOWN, [OK] * 4) == (verdict.dependence, [f.state for f in verdict.features])


def test_few_calls_of_several_rows_among_many_of_one_make_nothing_unknown(layout: Layout) -> None:
    """Whatever their rows are like, they cannot matter."""
    rng = np.random.default_rng(7)
    served = Served(layout, per=601)
    sizes = [*[1] * 600, 3]
    served.serve(_rows(rng, sizes, 0.0), sizes)

    assert ["", 603.0] == [
        served.seen[0].dependence, served.seen[0].features[0].finding.effective_rows
    ]  # fmt: skip


@given(
    st.lists(st.integers(1, 40), min_size=10, max_size=120),
    st.sets(st.integers(0, 119), max_size=3),
    st.integers(0, 2**32 - 1),
)
@settings(deadline=None, max_examples=15)
def test_a_successor_goes_on_with_what_is_known_of_calls(
    layout: Layout, sizes: list[int], takeovers: set[int], seed: int
) -> None:
    """After any pane, through bytes: the same verdicts to the last bit."""
    rows = _rows(np.random.default_rng(seed), sizes, 0.3)
    one, other = Served(layout, per=3), Served(layout, per=3)
    one.serve(rows, sizes)
    ends = np.cumsum(sizes).tolist()
    for i in range(0, len(sizes), 3):
        some = sizes[i : i + 3]
        other.serve(rows[ends[i] - sizes[i] : ends[i + len(some) - 1]], some)
        if i // 3 in takeovers:
            successor = other.make()
            restore(successor, dump(other.evaluator))
            other.evaluator = successor

    assert one.seen == other.seen


def test_another_reference_keeps_what_is_known_only_on_the_same_cells(
    layout: Layout, profile: Any
) -> None:
    """A file that was written again goes on; other rows make other cells, and all begins anew."""
    rng = np.random.default_rng(8)
    other = Layout(build(rng.normal(size=(5000, 3)), outputs=rng.normal(size=5000)))
    again = Layout(replace(profile, built="2026-02-02"))
    known = []
    for successor in (again, other):
        served = Served(layout)
        served.serve(_rows(rng, [20] * 40, 0.4), [20] * 40)
        served.evaluator.replace(successor, served.index)
        served.serve(_rows(rng, [20] * 5, 0.4), [20] * 5)
        restored = served.make(successor)
        restore(restored, dump(served.evaluator))
        known += [e.likeness.correlations() is not None for e in (served.evaluator, restored)]
        moved = served.make(successor)
        elsewhere = Served(layout)
        elsewhere.serve(_rows(rng, [20] * 40, 0.4), [20] * 40)
        restore(moved, dump(elsewhere.evaluator))
        known.append(moved.likeness.correlations() is not None)

    assert layout.digest != again.digest
    assert [True, True, True, False, False, False] == known


def test_windows_keep_of_calls_only_their_number_and_pairs(layout: Layout) -> None:
    """What is counted by feature is added up once a model, not in every window."""
    served = Served(layout)
    served.serve(_rows(np.random.default_rng(9), [20] * 60, 0.0), [20] * 60)
    kept = served.evaluator.snapshot.closed[SPEC]

    assert [[30, 30 * 20 * 19]] * 2 == [each.window.extra[CALLS].tolist() for each in kept]


def test_one_process_and_three_say_the_same(launch: Callable[..., Any]) -> None:
    """Calls of a launch, spread at random; the first leader dies on the way."""
    rng = np.random.default_rng(10)
    sizes = rng.integers(1, 12, size=400)
    shared = np.repeat(rng.normal(size=(400, 3)), sizes, axis=0)
    rows = shared * 0.6 + rng.normal(size=(int(sizes.sum()), 3)) * 0.8
    ends = np.cumsum(sizes)
    said = []
    for many in (1, 3):
        made = launch()
        processes = [made.process() for _ in range(many)]
        to = rng.integers(many, size=400)
        now_s = 1_700_000_000.0
        for second in range(80):
            for call in range(second * 5, second * 5 + 5):
                part = rows[ends[call] - sizes[call] : ends[call]]
                times = np.full(len(part), now_s + second + (call % 5) / 5)
                whose = processes[to[call] % len(processes)]
                whose.send(part, times, calls=sizes[call : call + 1])
            for process in processes:
                process.tick(now_s + second + 1)
            if second == 35 and many > 1:
                processes.pop(0).die()
        made.settle(processes, now_s + 80)
        said.append(made.verdicts())

    assert said[0] == said[1]
    effective = [v.features[0].finding.effective_rows / v.rows for v in said[0].values()]
    assert min(effective) < 0.6

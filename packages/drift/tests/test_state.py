"""What a leader leaves to its successor: everything, or a clear refusal."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tidegauge import guard
from tidegauge.batch import CountPoint, GaugePoint, ModelKey, Table
from tidegauge_drift import build
from tidegauge_drift.evaluator import Evaluator
from tidegauge_drift.layout import Layout
from tidegauge_drift.packing import narrow, pack, unpack
from tidegauge_drift.pane import Pane
from tidegauge_drift.state import StateError, dump, layout_of, restore
from tidegauge_drift.verdict import WindowVerdict
from tidegauge_drift.window import WindowSpec

MODEL = ModelKey("m")
FIRST = 170_000_000
WINDOWS = tuple(WindowSpec.parse(label) for label in ("100rows", "40s", "1d"))


class Rows:
    """The simplest totals: how many rows were folded."""

    def __init__(self) -> None:
        self.rows = 0

    def fold(self, layout: Layout, pane: Pane) -> None:
        """Add a pane."""
        assert layout.digest == pane.layout
        self.rows += pane.rows

    def points(self) -> list[CountPoint | GaugePoint]:
        """Show nothing."""
        return []

    def to_bytes(self) -> bytes:
        """Return the number."""
        return str(self.rows).encode()

    def restore(self, content: bytes) -> None:
        """Take the number."""
        self.rows = int(content)


@pytest.fixture(scope="module")
def layout() -> Layout:
    """Return the layout of three normal features and an output."""
    rng = np.random.default_rng(0)
    return Layout(build(rng.normal(size=(2000, 3)), outputs=rng.random(2000)))


def _pane(layout: Layout, index: int, matrix: NDArray[np.float64]) -> Pane:
    counts = np.zeros(layout.size, np.intp)
    table = Table(len(matrix), None, matrix=matrix)
    counts[: layout.inputs.size] = layout.inputs.count(table, (0, 1, 2))
    made = Pane(
        MODEL, "predict", layout.digest, FIRST + index, 10, narrow(counts, len(matrix)), len(matrix)
    )
    made.add_extra({"sums": np.array([len(matrix), -index])} if index % 3 else {})
    made.saw_stride(1, 1 + index % 2)
    return made


def _evaluator(layout: Layout, seen: list[WindowVerdict], **changes: Any) -> Evaluator:
    options = {"windows": WINDOWS, "pane_s": 10, "budget": 2, **changes}
    return Evaluator(
        MODEL, layout, totals=Rows(), listener=lambda _, verdict: seen.append(verdict), **options
    )


@given(
    sizes=st.lists(st.integers(0, 90), min_size=1, max_size=25),
    takeovers=st.sets(st.integers(0, 24)),
)
@settings(max_examples=25, deadline=None)
def test_any_number_of_takeovers_changes_nothing(
    layout: Layout, sizes: list[int], takeovers: set[int]
) -> None:
    """After any pane a new evaluator goes on from the bytes: the same verdicts and state."""
    rng = np.random.default_rng(len(sizes))
    panes = [
        _pane(layout, i, rng.normal(size=(size, 3)) + np.array([0, i > 10, 0]))
        for i, size in enumerate(sizes)
        if size
    ]

    def run(takeovers: set[int]) -> tuple[list[WindowVerdict], bytes]:
        seen: list[WindowVerdict] = []
        evaluator = _evaluator(layout, seen)
        for pane in panes:
            evaluator.fold([pane])
            evaluator.advance(pane.index + 1)
            if pane.index - FIRST in takeovers:
                content = dump(evaluator)
                evaluator = _evaluator(layout, seen)
                restore(evaluator, content)
        evaluator.advance(FIRST + 10_000)
        return seen, dump(evaluator)

    assert run(set()) == run(takeovers)


@given(st.integers(0, 10_000), st.integers(1, 255))
@settings(max_examples=50, deadline=None)
def test_torn_or_changed_bytes_are_refused(layout: Layout, place: int, change: int) -> None:
    """The evaluator is as it was."""
    evaluator = _evaluator(layout, [])
    evaluator.fold([_pane(layout, 0, np.zeros((120, 3)))])
    content = bytearray(dump(evaluator))
    place %= len(content)
    cut = bytes(content[:place])
    content[place] ^= change
    new = _evaluator(layout, [])
    before = dump(new)
    for wrong in (bytes(content), cut):
        with pytest.raises(StateError, match="torn or of another format"):
            restore(new, wrong)
        assert layout_of(wrong) == ""

    assert before == dump(new)


@pytest.mark.parametrize(
    "change",
    [
        {"closed": []}, {"members": 3}, {"open": [{}]}, {"open": 1},
        {"closed": [[{}], [], []]}, {"pane_s": 5}, {"windows": []},
    ],
)  # fmt: skip
def test_a_whole_state_of_another_version_is_refused(
    layout: Layout, change: dict[str, Any]
) -> None:
    """The checksum is right; what is in it is not."""
    evaluator = _evaluator(layout, [])
    evaluator.fold([_pane(layout, 0, np.zeros((120, 3)))])
    header, arrays = unpack(b"tgdrift2", dump(evaluator))
    new = _evaluator(layout, [])
    before = dump(new)
    with pytest.raises(StateError):
        restore(new, pack(b"tgdrift2", {**header, **change}, arrays))
    with pytest.raises(StateError):
        restore(new, pack(b"tgdrift2", header, arrays[:1]))

    assert before == dump(new)


def test_another_reference_starts_windows_anew_at_the_same_pane(layout: Layout) -> None:
    """What was folded is not folded again, and nothing of the other reference is shown."""
    evaluator = _evaluator(layout, [])
    evaluator.fold([_pane(layout, 0, np.zeros((120, 3)))])
    other = Layout(build(np.random.default_rng(9).normal(size=(500, 3))))
    new = _evaluator(other, [])
    restore(new, dump(evaluator))

    assert layout_of(dump(evaluator)) == layout.digest
    assert (new.first, new.operation) == (FIRST + 1, "predict")
    assert (new.tumblers, new.snapshot.closed) == ((), {})


def test_arrays_beside_the_counts_come_along(layout: Layout) -> None:
    """Those of open windows, of closed ones, and the further columns of verdicts."""
    evaluator = _evaluator(layout, [])
    for i in (1, 2, 4):
        evaluator.fold([_pane(layout, i, np.zeros((60, 3)))])
    for kept in evaluator.snapshot.closed.values():
        kept[0].verdict.extra["column"] = np.arange(4.0)
    new = _evaluator(layout, [])
    restore(new, dump(evaluator))
    closed = {spec.label: kept[0] for spec, kept in new.snapshot.closed.items()}

    assert [60, -4] == new.tumblers[0].state()[2]["sums"].tolist()
    assert [180, -7] == new.tumblers[2].state()[2]["sums"].tolist()
    assert [120, -3] == closed["100rows"].window.extra["sums"].tolist()
    assert [0, 1, 2, 3] == closed["100rows"].verdict.extra["column"].tolist()
    assert closed["100rows"].verdict == evaluator.snapshot.verdict(WINDOWS[0])
    closed["100rows"].verdict.extra["column"][2] = 7
    assert closed["100rows"].verdict != evaluator.snapshot.verdict(WINDOWS[0])


def test_two_windows_of_each_kind_are_kept(layout: Layout) -> None:
    """With their counts and verdicts, the newest first."""
    evaluator = _evaluator(layout, [])
    rng = np.random.default_rng(1)
    for i in range(9):
        evaluator.fold([_pane(layout, i, rng.normal(size=(60, 3)))])
    new = _evaluator(layout, [])
    restore(new, dump(evaluator))

    for kept in (evaluator.snapshot.closed, new.snapshot.closed):
        spans = {s.label: [c.window.closed_s // 10 - FIRST for c in kept[s]] for s in kept}
        assert spans == {"100rows": [8, 6], "40s": [8, 4]}
        for closed in kept.values():
            assert all(c.verdict.closed_s == c.window.closed_s for c in closed)
            assert all(c.window.counts is not None for c in closed)
    restored = [closed for kept in new.snapshot.closed.values() for closed in kept]
    hours = [c.window.hours for kept in evaluator.snapshot.closed.values() for c in kept]
    assert [c.window.hours for c in restored] == hours
    assert all(sum(each.values()) for each in hours)
    arrays = [array for c in restored for array in (c.window.counts, c.verdict.table)]
    # Each array by itself: a part would keep the whole state in memory.
    assert [array for array in arrays if array is not None and array.nbytes < _kept(array)] == []


def _kept(array: Any) -> int:
    """Return the bytes that an array keeps in memory."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return len(array.base) if isinstance(array.base, bytes) else array.nbytes


class Broken(Rows):
    """Totals that always fail."""

    def fold(self, layout: Layout, pane: Pane) -> None:
        """Fail."""
        raise ValueError

    def restore(self, content: bytes) -> None:
        """Fail."""
        raise ValueError


def test_totals_that_fail_do_not_stop_the_verdicts(layout: Layout) -> None:
    """They are counted as faults of ours."""
    seen: list[WindowVerdict] = []
    evaluator = _evaluator(layout, seen)
    evaluator.totals = Broken()
    evaluator.fold([_pane(layout, 0, np.zeros((120, 3)))])
    new = _evaluator(layout, seen)
    new.totals = Broken()
    restore(new, dump(evaluator))

    assert [verdict.rows for verdict in seen] == [120]
    assert new.first == FIRST + 1
    assert guard.counts() == {"drift.totals:ValueError": 2}

"""Rows kept for a reference: whole blocks, spread over all that came, in bounded memory."""

from __future__ import annotations

import sys
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tidegauge.batch import Batch, ModelKey, Table
from tidegauge_drift.reservoir import TIME, LiveRows, Reservoir, Shape, row_bytes

START_S = 1_700_000_000.0


def fed(sizes: list[int], capacity: int, **more: Any) -> Reservoir:
    """Return a reservoir that got rows 0, 1, 2, ... in batches of these sizes."""
    found = Reservoir(Shape("predict", None, 1, ()), 16)
    seen = 0
    for size in sizes:
        rows = np.arange(seen, seen + size, dtype=np.float64)
        table = Table(size, None, matrix=rows[:, None])
        batch = Batch(ModelKey("m"), "predict", START_S + rows, table, None, **more)
        found.add(batch, table, capacity)
        seen += size
    return found


def values(rows: LiveRows, name: str = "x0") -> list[float]:
    """Return a column of what is kept."""
    return [float(v) for part in rows.parts([name], ()) for v in part[name]]


@given(
    st.lists(st.integers(1, 400), min_size=1, max_size=60),
    st.lists(st.integers(1, 400), min_size=1, max_size=60),
    st.integers(1000, 9000),
)
@settings(max_examples=60, deadline=None)
def test_what_is_kept_depends_on_the_rows_alone(
    one: list[int], other: list[int], capacity: int
) -> None:
    """Not on the batches that they came in: the same blocks, never more rows than there is room."""
    rows = min(sum(one), sum(other))
    found = [fed(_cut(sizes, rows), capacity) for sizes in (one, other)]

    for reservoir in found:
        assert reservoir.seen == rows
        assert reservoir.kept == len(values(reservoir.rows())) <= max(capacity, 500)
        assert reservoir.kept >= min(rows, capacity) / 4
        assert values(reservoir.rows()) == sorted(set(values(reservoir.rows())))


def _cut(sizes: list[int], rows: int) -> list[int]:
    found: list[int] = []
    for size in sizes:
        some = min(size, rows - sum(found))
        if some:
            found.append(some)
    return found


def test_blocks_are_whole_and_spread_over_all_rows() -> None:
    """Of 200,000 rows 20 to 40 blocks of 500 stay, evenly spaced from the first to the last."""
    reservoir = fed([256] * 782, 20_000)
    kept = np.array(values(reservoir.rows())).astype(int)
    starts = kept[np.concatenate(([True], np.diff(kept) > 1))]

    assert 10_000 <= kept.size <= 20_000
    assert reservoir.length == 500
    assert set(np.diff(starts).tolist()) == {reservoir.period}
    assert starts[0] == 0
    assert starts[-1] > 200_192 - 2 * reservoir.period


def test_short_memory_makes_blocks_shorter_before_they_get_few() -> None:
    """20 blocks of 50 rows say more of dependence than 2 of 500."""
    reservoir = fed([256] * 400, 1500)

    assert 750 <= reservoir.kept <= 1500
    assert reservoir.length < 100
    assert reservoir.kept / reservoir.length >= 15


def test_rows_are_thinned_to_the_share_of_others() -> None:
    """A process that keeps all of its rows beside one that keeps a hundredth would count more."""
    reservoir = fed([256] * 40, 20_000)
    assert reservoir.kept == reservoir.seen
    reservoir.thin_to(0.05)

    assert 0.04 <= reservoir.kept / reservoir.seen <= 0.15


def test_times_of_service_are_intervals() -> None:
    """A gap of more than an hour, and a clock that is set back, begin another one."""
    reservoir = Reservoir(Shape("predict", None, 1, ()), 16)
    table = Table(2, None, matrix=np.zeros((2, 1)))
    for at in (0.0, 3000.0, 8000.0, 2000.0, 2001.0):
        batch = Batch(ModelKey("m"), "predict", START_S + at + np.array([0.0, 1.0]), table, None, 3)
        reservoir.add(batch, table, 1000)
    times = values(reservoir.rows(), TIME)

    assert [[a - START_S, b - START_S] for a, b in reservoir.intervals] == [
        [0, 3001], [8000, 8001], [2000, 2002],
    ]  # fmt: skip
    assert times == sorted(times)
    assert (reservoir.seen, reservoir.served) == (10, 30)


def test_rows_without_a_time_are_not_kept() -> None:
    """They have no place in an order."""
    reservoir = Reservoir(Shape("predict", None, 1, ()), 16)
    table = Table(1, None, matrix=np.zeros((1, 1)))
    for times in (np.array([np.nan]), np.empty(0)):
        reservoir.add(Batch(ModelKey("m"), "predict", times, table, None), table, 1000)

    assert reservoir.seen == 0


@pytest.mark.parametrize(
    ("features", "expected"),
    [
        (Table(2, None, matrix=np.zeros((2, 3))), 8 + 24 + 8),
        (Table(2, ("a",), columns=(np.array([1, 2], np.int32),)), 8 + 4 + 8),
        (
            Table(1, ("a",), columns=(np.array(["x" * 51], object),)),
            8 + 8 + sys.getsizeof("x" * 51) + 8,
        ),
    ],
)
def test_the_memory_of_a_row_is_estimated(features: Table, expected: int) -> None:
    """Objects by the largest of the first values; the time and an output beside."""
    assert expected == row_bytes(features, Table(1, None, matrix=np.zeros((1, 1))))


def test_a_row_is_a_copy() -> None:
    """The batch's own arrays may be large, and may be used again."""
    reservoir = Reservoir(Shape("predict", None, 1, ("output",)), 16)
    matrix, outputs = np.ones((4, 1)), np.ones((4, 1))
    table = Table(4, None, matrix=matrix)
    out = Table(4, None, matrix=outputs)
    reservoir.add(Batch(ModelKey("m"), "p", np.ones(4), table, out), table, 1000)
    matrix[:] = outputs[:] = 7
    given = reservoir.rows().outputs

    assert values(reservoir.rows()) == [1, 1, 1, 1]
    assert given is not None
    assert values(given, "output") == [1, 1, 1, 1]


@pytest.mark.parametrize("numeric", [True, False])
def test_the_memory_is_as_estimated(numeric: bool) -> None:
    """Though rows come one by one: 100 numbers, or 10 columns of which one has texts."""
    width = 100 if numeric else 10
    shape = Shape("predict", None, width, ())
    rng = np.random.default_rng(0)

    def table() -> Table:
        if numeric:
            return Table(1, None, matrix=rng.normal(size=(1, width)))
        text = np.array([f"category {rng.integers(0, 10**9):010d}"], object)
        return Table(1, None, columns=(text, *rng.normal(size=(width - 1, 1))))

    estimated = row_bytes(table(), None)
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    reservoir = Reservoir(shape, estimated)
    for at in range(6000):
        some = table()
        batch = Batch(ModelKey("m"), "predict", np.array([START_S + at]), some, None)
        reservoir.add(batch, some, 4000)
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert 2000 <= reservoir.kept <= 4000
    assert after - before < 1.3 * estimated * 4000

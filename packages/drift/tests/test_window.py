"""Tumbling windows: where they open, what closes them, at which level."""

from __future__ import annotations

import numpy as np
import pytest
from tidegauge.batch import ModelKey
from tidegauge_drift.multiplicity import MONTH_S
from tidegauge_drift.packing import narrow
from tidegauge_drift.pane import Pane
from tidegauge_drift.window import ClosedWindow, Tumbler, WindowSpec


def _pane(index: int, rows: int, stride: int = 1) -> Pane:
    counts = narrow(np.array([rows, 1]), rows)
    pane = Pane(ModelKey("m"), "predict", "0" * 16, index, 10, counts, rows)
    pane.saw_stride(stride, stride)
    return pane


def _spans(closed: list[ClosedWindow]) -> list[tuple[int, int, int]]:
    return [(w.opened_s, w.closed_s, w.rows) for w in closed]


@pytest.mark.parametrize(
    ("label", "rows", "seconds"),
    [
        ("1000rows", 1000, 0),
        ("30rows", 30, 0),
        ("90s", 0, 90),
        ("6h", 0, 21_600),
        ("30d", 0, 2_592_000),
    ],
)
def test_labels_are_read(label: str, rows: int, seconds: int) -> None:
    """Rows or a time with its unit."""
    assert WindowSpec(label, rows, seconds) == WindowSpec.parse(label)


@pytest.mark.parametrize("label", ["", "29rows", "1000", "1w", "0d", "-1d", "31d", "1.5h", "1 d"])
def test_other_labels_are_refused(label: str) -> None:
    """Too few rows for a verdict, no unit, no whole number, or longer than a month."""
    with pytest.raises(ValueError, match=r"^"):
        WindowSpec.parse(label)


def test_a_row_window_closes_with_the_pane_that_fills_it() -> None:
    """The next one opens at the pane after it, rows beyond N included in the first."""
    tumbler = Tumbler(WindowSpec("100rows", rows=100), 10, 5)
    closed = [w for i in range(5, 11) for w in tumbler.fold(_pane(i, 60))]

    assert _spans(closed) == [(50, 70, 120), (70, 90, 120), (90, 110, 120)]
    assert closed[0].counts is not None
    assert closed[0].counts.tolist() == [120, 2]


def test_a_row_window_closes_after_a_day_with_what_it_has() -> None:
    """A quiet model is judged once a day."""
    tumbler = Tumbler(WindowSpec("100rows", rows=100), 10, 0)
    closed = [*tumbler.fold(_pane(1, 40)), *tumbler.advance(8640)]

    assert _spans(closed) == [(0, 86_400, 40)]


def test_a_time_window_is_aligned_to_the_epoch() -> None:
    """A pane belongs to the window that it begins in; one without rows closes empty."""
    tumbler = Tumbler(WindowSpec("1m", seconds=60), 10, 4)
    closed = [*tumbler.fold(_pane(4, 7)), *tumbler.fold(_pane(6, 9)), *tumbler.advance(18)]

    assert _spans(closed) == [(40, 60, 7), (60, 120, 9), (120, 180, 0)]
    assert closed[2].counts is None


def test_a_long_sleep_is_skipped() -> None:
    """A machine that slept for years does not go through every minute of them."""
    tumbler = Tumbler(WindowSpec("1m", seconds=60), 10, 0)

    assert len(list(tumbler.advance(10_000_000))) <= 1002


def test_the_level_is_fixed_at_opening_by_the_rate_before() -> None:
    """The first window of rows counts as one a pane; a later one by the last one's duration."""
    tumbler = Tumbler(WindowSpec("100rows", rows=100), 10, 0)
    closed = [w for i in range(0, 60, 10) for w in tumbler.fold(_pane(i, 60))]

    assert [MONTH_S / 10, MONTH_S / 110] == [w.a_month for w in closed[:2]]
    day = Tumbler(WindowSpec("1d", seconds=86_400), 10, 0)
    assert next(day.advance(8640)).a_month == 30


def test_strides_are_kept_as_a_range() -> None:
    """The smallest and the largest thinning of a window's rows."""
    tumbler = Tumbler(WindowSpec("100rows", rows=100), 10, 0)
    closed = [w for i, s in enumerate((2, 1, 8)) for w in tumbler.fold(_pane(i, 40, s))]

    assert [(w.stride_min, w.stride_max) for w in closed] == [(1, 8)]


def test_counts_grow_as_wide_as_they_must() -> None:
    """Past 2 ** 32 rows too."""
    tumbler = Tumbler(WindowSpec("30d", seconds=MONTH_S), 10, 0)
    closed = [
        *tumbler.fold(_pane(0, 2**32 - 10)), *tumbler.fold(_pane(1, 20)),
        *tumbler.advance(MONTH_S // 10),
    ]  # fmt: skip

    assert [w.rows for w in closed] == [2**32 + 10]
    assert closed[0].counts is not None
    assert closed[0].counts.tolist() == [2**32 + 10, 2]


def test_a_pane_without_rows_changes_no_stride() -> None:
    """It has none."""
    tumbler = Tumbler(WindowSpec("100rows", rows=100), 10, 0)
    empty = Pane(ModelKey("m"), "predict", "0" * 16, 0, 10, narrow(np.zeros(2), 0))
    closed = [*tumbler.fold(empty), *tumbler.fold(_pane(1, 120, 4))]

    assert [(w.stride_min, w.stride_max, w.rows) for w in closed] == [(4, 4, 120)]

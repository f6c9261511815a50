"""Which rows of a call are taken: few enough, each as likely as any other, before any copy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st
from tidegauge.snapshot import MAX_ROWS, choose, row_count, take


@pytest.mark.parametrize(
    ("data", "rows"),
    [
        ([1, 2, 3], 3),
        (np.zeros((4, 2)), 4),
        (pd.DataFrame({"a": [1, 2]}), 2),
        (pl.DataFrame({"a": [1, 2]}), 2),
        (scipy.sparse.csr_matrix((5, 2)), 5),
        (scipy.sparse.csr_array((5, 2)), 5),
        ({"a": 1, "b": 2}, 1),
        ("a text", 1),
        (b"an image", 1),
        (bytearray(b"an image"), 1),
        (np.array(1.0), 1),
        (7, 1),
        (None, 1),
    ],
)
def test_row_count(data: Any, rows: int) -> None:
    """What has no length is one row, and so is a text or an image, however long."""
    assert rows == row_count(data)


@given(st.integers(0, 100_000), st.sampled_from([0, 1, 2, 8, 4096]))
def test_at_most_256_rows_are_chosen(rows: int, stride: int) -> None:
    """Whatever the size of a call."""
    start, step = choose(rows, stride)
    chosen = len(range(start, rows, step))
    assert chosen <= min(MAX_ROWS, rows)
    assert not chosen or stride
    if stride == 1 and rows <= MAX_ROWS:
        assert rows == chosen


@pytest.mark.parametrize(("rows", "stride"), [(300, 1), (1000, 1), (257, 4), (5, 2), (3, 8)])
def test_every_row_has_the_same_chance(
    rows: int, stride: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The head of a batch is no more likely than its tail (chi-square over many draws)."""
    import random

    from scipy.stats import chi2, chisquare

    monkeypatch.setattr("tidegauge.snapshot.randrange", random.Random(42).randrange)
    hits = np.zeros(rows)
    draws = 4000
    for _ in range(draws):
        start, step = choose(rows, stride)
        hits[start::step] += 1
    step = max(stride, -(-rows // MAX_ROWS)) if rows > MAX_ROWS else stride
    starts = hits[:step] if step <= rows else np.append(hits, draws - hits.sum())
    if step <= rows:
        assert draws == starts.sum()
        assert all((hits[i::step] == hits[i]).all() for i in range(step))
        assert chisquare(starts).pvalue > 0.001
    else:
        expected = draws / step
        assert chi2.sf(((hits - expected) ** 2 / expected).sum(), rows - 1) > 0.001


def test_single_rows_are_thinned_at_the_stride(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of single rows one in ``stride`` is kept."""
    import random

    monkeypatch.setattr("tidegauge.snapshot.randrange", random.Random(7).randrange)
    kept = sum(choose(1, 8)[0] == 0 for _ in range(8000))
    assert abs(kept - 1000) < 4 * (8000 * 1 / 8 * 7 / 8) ** 0.5


def test_a_big_batch_is_selected_before_it_is_copied() -> None:
    """A million rows by a hundred columns cost the bytes of 256 rows."""
    big = np.broadcast_to(np.arange(100.0), (1_000_000, 100))
    start, step = choose(len(big), 1)
    snapshot = take(big, start, step)
    assert isinstance(snapshot, tuple)
    assert len(snapshot[1]) <= MAX_ROWS * 100 * 8


class Stored:
    """An array that is in a file, or on a device, until it is asked for."""

    def __init__(self, rows: np.ndarray[Any, Any], read: list[int]) -> None:
        self._rows, self._read, self.shape = rows, read, rows.shape

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, which: slice) -> Stored:
        return Stored(self._rows[which], self._read)

    def __array__(self, *_: Any, **__: Any) -> np.ndarray[Any, Any]:
        self._read.append(len(self._rows))
        return self._rows


def test_of_what_is_not_in_memory_only_the_chosen_rows_are_read() -> None:
    """It may be larger than memory."""
    read: list[int] = []
    start, step = choose(100_000, 1)
    snapshot = take(Stored(np.zeros((100_000, 2)), read), start, step)
    assert isinstance(snapshot, tuple)
    assert "array" == snapshot[0]
    assert MAX_ROWS >= sum(read) > MAX_ROWS // 2


def test_a_graph_that_is_not_computed_yet_stays_so() -> None:
    """To look at a row would run it all."""

    class Graph(Stored):
        def __dask_graph__(self) -> None:
            """Be what dask recognises its collections by."""

    read: list[int] = []
    assert take(Graph(np.zeros((10, 2)), read), 0, 1) is None
    assert [] == read

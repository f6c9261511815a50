"""What waits is bounded, and sampled above a rate."""

from __future__ import annotations

import numpy as np
from tidegauge_exporter_whylabs.backlog import Backlog
from tidegauge_testkit.batches import NOON_S, batch, table


def offered(backlog: Backlog) -> tuple[int, int]:
    """Return how many rows wait, and of how many."""
    found = backlog.pop_all()
    return sum(t.batch.end_times.size for t in found), sum(t.rows_offered for t in found)


def test_rows_come_out_in_their_order() -> None:
    """All of them, once."""
    backlog = Backlog(1_000_000, 1000, lambda _: None)
    for value in range(3):
        backlog.append(batch(np.full((2, 2), float(value))))
    found = [taken.batch.features.matrix[0, 0] for taken in backlog.pop_all()]  # type: ignore[union-attr,index]
    assert [0.0, 1.0, 2.0] == found
    assert (0, 0) == (len(backlog), backlog.size_bytes)


def test_beyond_the_bound_the_oldest_go_and_are_counted() -> None:
    """Text counts with its own memory."""
    lost: list[int] = []
    backlog = Backlog(10_000, 10**6, lost.append)
    for value in range(10):
        backlog.append(batch(features=table({"a": [str(value)] * 20})))
    kept = backlog.pop_all()
    assert "9" == kept[-1].batch.features.columns[0][0]  # type: ignore[union-attr,index]
    assert 10 * 20 == sum(t.batch.end_times.size for t in kept) + sum(lost)
    assert sum(t.size_bytes for t in kept) <= 10_000


def test_long_texts_count_with_their_length() -> None:
    """Ten thousand characters each: two batches of twenty do not fit into 300 kB."""
    lost: list[int] = []
    backlog = Backlog(300_000, 10**6, lost.append)
    for _ in range(2):
        backlog.append(batch(features=table({"a": ["x" * 10_000] * 20})))
    assert [20] == lost


def test_above_the_rate_a_sample_is_kept() -> None:
    """From the second after the first that is too many, and all again when fewer come."""
    backlog = Backlog(10**9, 1000, lambda _: None)
    rates = []
    for second, batches in enumerate([20, 20, 20, 2, 2]):
        for _ in range(batches):
            backlog.append(batch(np.ones((200, 3)), at_s=NOON_S + second))
        rates.append(offered(backlog))
    assert [(4000, 4000), (1000, 4000), (1000, 4000), (100, 400), (400, 400)] == rates


def test_the_sample_is_of_all_rows_of_a_batch() -> None:
    """Random in its start, so no row is never in it."""
    backlog = Backlog(10**9, 50, lambda _: None)
    values = np.arange(200.0).reshape(-1, 1)
    seen = set()
    for second in range(60):
        backlog.append(batch(values, at_s=NOON_S + second))
        for taken in backlog.pop_all()[: second > 0]:  # nothing has told of the first second
            seen |= {int(v) % 4 for v in taken.batch.features.matrix[:, 0]}  # type: ignore[union-attr,index]
            assert 50 == taken.batch.end_times.size
    assert {0, 1, 2, 3} == seen


def test_models_that_lag_behind_do_not_hide_the_rate() -> None:
    """Each drain brings rows of the second before; a clock that was set back begins anew."""
    backlog = Backlog(10**9, 1000, lambda _: None)
    for second in range(3):
        for late in (0, 1) * 10:
            backlog.append(batch(np.ones((200, 3)), at_s=NOON_S + second + 1 - late))
    assert (6_000, 12_000) == offered(backlog)
    backlog.append(batch(np.ones((200, 3)), at_s=NOON_S - 3600))
    assert (200, 200) == offered(backlog)

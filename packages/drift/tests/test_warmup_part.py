"""What processes have learnt, and what comes of it together."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tidegauge.batch import Batch, ModelKey, Table
from tidegauge_drift import ProfileError, build
from tidegauge_drift.reservoir import Reservoir, Shape
from tidegauge_drift.warmup_part import (
    Head,
    PartError,
    alike,
    combined,
    concurrency,
    covered_s,
    learn,
    read_head,
    read_profile,
    target,
)
from tidegauge_drift.warmup_spec import WarmupSpec

Matrix = NDArray[np.float64]
HOUR_S = 3600.0


def head(worker: str = "a", **changes: Any) -> Head:
    """Return a part's head."""
    found = Head(
        ModelKey("m", "1"), "predict", worker, WarmupSpec(), 100, 1000, 1000, ((0.0, HOUR_S),)
    )
    return replace(found, **changes)


def autocorrelated(rho: float, rows: int, seed: int = 0) -> Matrix:
    """Return AR(1) rows of two columns, of unit variance."""
    rng = np.random.default_rng(seed)
    found = rng.normal(size=(rows, 2))
    for at in range(1, rows):
        found[at] = rho * found[at - 1] + np.sqrt(1 - rho**2) * found[at]
    return found


def learnt(rows: Matrix, which: NDArray[np.bool_], worker: str, **more: Any) -> tuple[Head, Any]:
    """Return the part of a process that got some of the rows, one a second."""
    times = np.arange(len(rows), dtype=np.float64)[which]
    reservoir = Reservoir(Shape("predict", None, 2, ()), 16)
    for start in range(0, times.size, 200):
        part = slice(start, start + 200)
        table = Table(times[part].size, None, matrix=rows[which][part])
        reservoir.add(
            Batch(ModelKey("m"), "predict", times[part], table, None, **more), table, 9999
        )
    kept = reservoir.rows()
    spans = tuple((first, last) for first, last in reservoir.intervals)
    found = Head(
        ModelKey("m"), "predict", worker, WarmupSpec(), kept.kept, reservoir.seen,
        reservoir.served, spans,
    )  # fmt: skip
    return found, learn(kept, include=(), exclude=(), hashed=False)


@pytest.mark.parametrize("processes", [1, 4])
@pytest.mark.parametrize(("rho", "low", "high"), [(0.0, 1.0, 2.6), (0.9, 9.0, 22.0)])
def test_the_design_effect_is_that_of_all_rows(
    processes: int, rho: float, low: float, high: float
) -> None:
    """Rows that each process sees are further apart, but windows hold those of all."""
    rows = autocorrelated(rho, 40_000)
    owner = np.random.default_rng(1).integers(0, processes, len(rows))
    parts = [learnt(rows, owner == i, str(i)) for i in range(processes)]
    profile = combined(parts, [head for head, _ in parts], "warmup")

    assert profile.columns == 2
    assert all(low <= feature.deff <= high for feature in profile.features)
    assert profile.deff == max(feature.deff for feature in profile.features)


def test_the_design_effect_is_that_of_rows_before_they_were_thinned() -> None:
    """One row in four was taken: neighbours are four rows apart, until the load is less."""
    rows = autocorrelated(0.9, 40_000)
    one = learnt(rows, np.arange(len(rows)) % 4 == 0, "a", stride=4)
    profile = combined([one], [one[0]], "warmup")

    assert one[1].deff < 7
    assert all(9 <= feature.deff <= 22 for feature in profile.features)


def test_processes_that_served_at_other_times_share_nothing() -> None:
    """One after the other, each sees all rows; half of the time together, a half more."""
    one = head("a", seen=1000, served=1000, intervals=((0.0, 100.0),))

    assert concurrency(one, [one]) == 1
    assert concurrency(one, [one, head("b", served=500, intervals=((100.0, 200.0),))]) == 1
    assert concurrency(one, [one, head("b", served=1000, intervals=((50.0, 150.0),))]) == 1.5
    assert concurrency(one, [one, head("b", served=3000, intervals=((0.0, 100.0),))]) == 4
    assert concurrency(replace(one, served=2000), [one]) == 2


def test_hours_of_service_are_counted_once() -> None:
    """However many processes; gaps of an hour are part of them, longer ones are not."""
    one = head(intervals=((0.0, HOUR_S), (3 * HOUR_S, 4 * HOUR_S)))

    assert covered_s([]) == 0
    assert covered_s([one]) == 2 * HOUR_S
    assert covered_s([one, head("b", intervals=((HOUR_S / 2, 2 * HOUR_S),))]) == 4 * HOUR_S
    assert covered_s([one, one]) == 2 * HOUR_S


def test_parts_of_like_shares_are_added() -> None:
    """The set of the most rows: a quiet hour kept whole would weigh as much as a busy day."""
    busy = [head(str(i), seen=100_000, kept=kept) for i, kept in enumerate((10_000, 20_000))]
    quiet = head("q", seen=10_000, kept=10_000)
    other = head("o", operation="score_samples", seen=10**6, kept=10**5)

    assert alike([]) == []
    assert alike([quiet, *busy, other]) == busy
    assert alike([quiet, head("r", seen=300_000, kept=300_000), *busy])[0] == quiet


def test_who_served_last_says_what_is_enough() -> None:
    """A setting that was changed half-way is in force."""
    later = head("b", intervals=((9.0, 99 * HOUR_S),), wanted=WarmupSpec(9000, 60))

    assert target([later, head()]) == WarmupSpec(9000, 60)


def test_a_part_is_read_as_it_was_written() -> None:
    """Its first line by itself, and its profile."""
    profile = build(np.random.default_rng(0).normal(size=(200, 2)))
    content = head(intervals=((0.0, 1.5), (9.0, 9.0))).to_bytes(profile)

    assert read_head(content.partition(b"\n")[0]) == head(intervals=((0.0, 1.5), (9.0, 9.0)))
    assert read_profile(content).rows == 200


@pytest.mark.parametrize("line", [b"", b"[]", b"{}", b'{"format": 2}', b"\xff", b"null"])
def test_what_is_no_part_is_refused(line: bytes) -> None:
    """Whatever it is."""
    with pytest.raises(PartError):
        read_head(line)


def test_a_torn_profile_is_refused() -> None:
    """The first line alone is not enough."""
    with pytest.raises(ProfileError):
        read_profile(b"{}\n")

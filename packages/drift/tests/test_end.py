"""The end of a job: windows that never closed are judged on what they have, once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tidegauge.batch import Batch, ModelKey, Table
from tidegauge_drift import DriftProcessor, DriftSettings, build, save
from tidegauge_drift.window import WindowSpec

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tidegauge_drift.verdict import WindowVerdict

Matrix = NDArray[np.float64]

START_S = 1_700_000_003.0
NEVER_S = 5.0
JOB = ModelKey("job", "1")
WINDOWS = ("1000rows", "1d")


@pytest.fixture
def seen() -> list[WindowVerdict]:
    """Collect the verdicts."""
    return []


@pytest.fixture
def job(tmp_path: Path, seen: list[WindowVerdict]) -> Callable[[], DriftProcessor]:
    """Make the processor of a process alone."""
    random = np.random.default_rng(0)
    path = tmp_path / "job.reference.json"
    save(build(random.normal(size=(5000, 3)), built="2026-01-01"), path)
    settings = DriftSettings(reference=str(path), windows=tuple(map(WindowSpec.parse, WINDOWS)))
    return lambda: DriftProcessor(settings=settings, listener=lambda _, said: seen.append(said))


def call(processor: DriftProcessor, rows: int, now_s: float, shift: float = 0.0) -> None:
    """Let one call end now; the first of three features has moved."""
    table: Any = np.random.default_rng(rows).normal(0, 1, (rows, 3))
    table[:, 0] += shift
    times = np.full(rows, now_s)
    processor.on_batch(Batch(JOB, "predict", times, Table(rows, None, matrix=table), None))
    processor.on_tick(now_s)


def labels(seen: list[WindowVerdict]) -> list[tuple[str, int]]:
    """Return the windows that were judged, with their rows."""
    return [(verdict.spec.label, verdict.rows) for verdict in seen]


def exported(processor: DriftProcessor, name: str) -> dict[tuple[str, ...], float]:
    """Return the gauges of one name by what follows model, version and reference."""
    return {p.attributes[3:]: p.value for p in processor.points() if p.spec.name == name}


def test_a_job_that_predicts_in_one_call_has_its_verdict(
    job: Callable[[], DriftProcessor], seen: list[WindowVerdict]
) -> None:
    """Its pane is still open; it moved, and nobody is called yet: that takes two windows."""
    processor = job()
    call(processor, 800, START_S, shift=2.0)
    assert labels(seen) == []
    processor.on_end(START_S + 0.1, NEVER_S)
    assert labels(seen) == [("1000rows", 800), ("1d", 800)]
    assert [True, False, False] == [feature.flagged for feature in seen[0].features]
    assert max(exported(processor, "drift.psi.value").values()) > 0.2
    assert set(exported(processor, "drift.detected").values()) == {0.0}


def test_a_job_that_did_not_move_is_told_so(
    job: Callable[[], DriftProcessor], seen: list[WindowVerdict]
) -> None:
    """No alarm because the window was short."""
    processor = job()
    call(processor, 800, START_S)
    processor.on_end(START_S + 0.1, NEVER_S)
    assert not any(feature.flagged for verdict in seen for feature in verdict.features)
    states = exported(processor, "drift.features")
    assert states["1000rows", "ok"] == 3.0


def test_too_few_rows_have_no_verdict(
    job: Callable[[], DriftProcessor], seen: list[WindowVerdict]
) -> None:
    """As in any other window: below 30 effective rows it is undecided."""
    processor = job()
    call(processor, 20, START_S, shift=2.0)
    processor.on_end(START_S + 0.1, NEVER_S)
    assert labels(seen) == [("1000rows", 20), ("1d", 20)]
    assert exported(processor, "drift.features")["1000rows", "undecided"] == 3.0
    assert exported(processor, "drift.psi.value") == {}


def test_the_rest_after_a_whole_window_does_not_replace_its_verdict(
    job: Callable[[], DriftProcessor], seen: list[WindowVerdict]
) -> None:
    """Only the kind that never closed is judged at the end, on all rows."""
    processor = job()
    call(processor, 1200, START_S)
    call(processor, 100, START_S + 30)
    assert labels(seen) == [("1000rows", 1200)]
    processor.on_end(START_S + 30.1, NEVER_S)
    assert labels(seen) == [("1000rows", 1200), ("1d", 1300)]
    assert exported(processor, "drift.window.rows") == {("1000rows",): 1200.0, ("1d",): 1300.0}


def test_the_end_may_come_twice(
    job: Callable[[], DriftProcessor], seen: list[WindowVerdict]
) -> None:
    """A signal, and then the normal end."""
    processor = job()
    call(processor, 800, START_S)
    for _ in range(2):
        processor.on_end(START_S + 0.1, NEVER_S)
    assert labels(seen) == [("1000rows", 800), ("1d", 800)]


def test_nothing_was_predicted(
    job: Callable[[], DriftProcessor], seen: list[WindowVerdict]
) -> None:
    """There is nothing to say, with a reference or without."""
    for processor in (job(), DriftProcessor(settings=DriftSettings())):
        processor.on_end(START_S, NEVER_S)
        assert list(processor.points()) == []
    assert seen == []


def test_the_time_is_limited(job: Callable[[], DriftProcessor], seen: list[WindowVerdict]) -> None:
    """A job with more models than can be judged in time ends all the same."""
    processor = job()
    call(processor, 800, START_S)
    processor.on_end(START_S + 0.1, -1.0)
    assert seen == []


def test_the_last_of_several_processes_judges_the_rows_of_all(
    launch: Callable[..., Any],
) -> None:
    """The others have handed over; the pane of the last second is in it; nobody else concludes."""
    many = launch(windows=tuple(map(WindowSpec.parse, WINDOWS)))
    processes = [many.process() for _ in range(3)]
    now_s = many.replay(processes, np.random.default_rng(1).normal(size=(400, 3)))
    leader = next(process for process in processes if process.group.leads)
    for process in processes:
        if process is not leader:
            process.drift.on_end(now_s, NEVER_S)
            process.drift.on_leave(now_s)
            process.die()
    assert many.verdicts() == {}
    leader.drift.on_end(now_s, NEVER_S)
    found = many.verdicts().values()
    assert sorted((verdict.spec.label, verdict.rows) for verdict in found) == [
        ("1000rows", 400),
        ("1d", 400),
    ]

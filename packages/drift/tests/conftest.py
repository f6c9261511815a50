"""Replays: rows at given times, in batches, with ticks, through a worker and a leader."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tidegauge import guard
from tidegauge.batch import Batch, ModelKey, Table
from tidegauge_drift.evaluator import Evaluator
from tidegauge_drift.layout import Layout
from tidegauge_drift.leader import Leader
from tidegauge_drift.window import WindowSpec
from tidegauge_drift.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tidegauge_drift import ReferenceProfile
    from tidegauge_drift.verdict import WindowVerdict

START_S = 1_700_000_000.0
MODEL = ModelKey("fraud", "3")
Matrix = NDArray[np.float64]


def make_batch(
    features: Matrix, times: Matrix, outputs: Matrix | None = None, **more: Any
) -> Batch:
    """Return a batch of numeric rows without names."""
    given = None if outputs is None else Table(len(outputs), None, matrix=outputs)
    return Batch(
        more.get("model", MODEL), more.get("operation", "predict"), times,
        Table(len(features), more.get("names"), matrix=features), given, more.get("stride", 1),
    )  # fmt: skip


@dataclass
class Replay:
    """One process alone that is fed with rows as time goes on."""

    profile: ReferenceProfile
    windows: tuple[str, ...] = ("300rows",)
    pane_s: int = 10
    now_s: float = START_S
    seen: list[WindowVerdict] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Build both sides."""
        self.layout = Layout(self.profile)
        self.worker = Worker(lambda _: self.layout, self.pane_s)
        specs = [WindowSpec.parse(label) for label in self.windows]
        self.leader = Leader(
            self.pane_s,
            lambda key: Evaluator(
                key, self.layout, specs, self.pane_s,
                listener=lambda _, verdict: self.seen.append(verdict),
            ),
            lambda _: None,
        )  # fmt: skip

    def advance(self, now_s: float) -> None:
        """Close panes and windows."""
        closed = self.worker.close(now_s)
        if self.leader.is_due(closed):
            self.leader.give(closed, self.worker.pop(closed))
        self.leader.work(60.0)

    @property
    def late_rows(self) -> int:
        """Rows that came after their pane was closed."""
        return sum(counter.late_rows for counter in self.worker.counters())

    def feed(
        self,
        features: Matrix,
        *,
        rate: float = 10.0,
        chunk: int = 64,
        outputs: Matrix | None = None,
        stride: int = 1,
    ) -> Replay:
        """Send rows at a rate, ``chunk`` rows a batch, and tick after each batch."""
        times = self.now_s + np.arange(len(features)) / rate
        for i in range(0, len(features), chunk):
            part = slice(i, i + chunk)
            some = None if outputs is None else outputs[part]
            self.worker.take(make_batch(features[part], times[part], some, stride=stride))
            self.advance(float(times[part][-1]))
        self.now_s = float(times[-1]) + 1 / rate
        return self

    def end(self) -> list[WindowVerdict]:
        """Let the last pane close; return all verdicts so far."""
        self.now_s += 2 * self.pane_s + 3
        self.advance(self.now_s)
        return self.seen


@pytest.fixture
def replay() -> Callable[..., Replay]:
    """Return the maker of replays."""
    return Replay


@pytest.fixture
def batch() -> Callable[..., Batch]:
    """Return the maker of batches."""
    return make_batch


@pytest.fixture(autouse=True)
def _forget_causes() -> Iterator[None]:
    guard.reset()
    yield
    guard.reset()

"""Reads what was recorded, in memory: a pipeline of its own for each test."""

# A process has one pipeline, and no public way to change it: this module is the exception.
# ruff: noqa: SLF001

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from tidegauge import guard, identity, pipeline
from tidegauge.batch import Batch, GaugePoint, PredictionProcessor
from tidegauge.channel import Channels
from tidegauge.configuration import CoreSettings
from tidegauge.counts import CallCounts, Exemplar, RowCounts
from tidegauge.pipeline import Pipeline
from tidegauge.runtime import shared

_TIMEOUT_S = 30.0


class Kept(PredictionProcessor):
    """A processor that keeps every batch."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []

    def on_batch(self, batch: Batch) -> None:
        """Keep the batch."""
        self.batches.append(batch)

    def on_tick(self, now_s: float) -> None:
        """Do nothing: batches wait for the test."""

    def points(self) -> Iterable[GaugePoint]:
        """Return nothing."""
        return ()

    def on_leave(self, now_s: float) -> None:
        """Do nothing."""

    def on_end(self, now_s: float, timeout_s: float) -> None:
        """Do nothing."""

    def reset(self) -> None:
        """Forget the batches."""
        self.batches.clear()


class Recording:
    """All that is recorded within a ``with`` block, apart from what went before and comes after.

    Parameters
    ----------
    settings : CoreSettings, optional
        The core's settings in the block; the defaults if left out.
    processors : iterable of PredictionProcessor
        Further processors beside the one that keeps batches.

    Examples
    --------
    >>> from tidegauge import Model
    >>> with Recording() as recording, Model("fraud").prediction([1.0, 2.0]) as p:
    ...     p.output = 0.5
    >>> recording.calls()
    1
    """

    def __init__(
        self,
        settings: CoreSettings | None = None,
        processors: Iterable[PredictionProcessor] = (),
    ) -> None:
        self._settings = settings or CoreSettings()
        self._kept = Kept()
        self._processors = [self._kept, *processors]
        self._pipeline = Pipeline(self._processors)

    def __enter__(self) -> Self:
        self._before = (shared.channels, shared.settings, shared.stride, pipeline._current)
        _stop(pipeline._current)  # its thread would drain our channels
        self._start_afresh()
        shared.channels, shared.settings, shared.stride = Channels(), self._settings, 1
        pipeline._current = self._pipeline = Pipeline(self._processors)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        pipeline.flush(_TIMEOUT_S)
        self._faults = guard.counts()
        _stop(self._pipeline)
        shared.channels, shared.settings, shared.stride, pipeline._current = self._before
        self._start_afresh()

    @staticmethod
    def _start_afresh() -> None:
        guard.reset()
        identity.forget_all()
        identity._named_by_environment.clear()

    def batches(self) -> list[Batch]:
        """Return the batches that processors were given so far."""
        self._count()
        return list(self._kept.batches)

    def counts(self) -> dict[tuple[str, str], CallCounts]:
        """Return the counts of each model (by name) and operation that was called."""
        self._count()
        return {
            (key.name, operation): counts
            for (key, operation), counts in self._pipeline.tally.calls.items()
            if counts.success or counts.cancelled or counts.errors
        }

    def calls(self, operation: str | None = None) -> int:
        """Return how many calls were recorded, whatever became of them."""
        return sum(
            counts.success + counts.cancelled + sum(counts.errors.values())
            for (_, called), counts in self.counts().items()
            if operation in (None, called)
        )

    def models(self) -> set[str]:
        """Return the names of the models that were called."""
        return {name for name, _ in self.counts()}

    def versions(self) -> set[tuple[str, str]]:
        """Return the names and versions of the models that were seen."""
        self._count()
        return {(key.name, key.version) for key in self._pipeline.tally.rows}

    def errors(self) -> Counter[str]:
        """Return how often each type of exception was raised."""
        return sum((counts.errors for counts in self.counts().values()), Counter())

    def cancelled(self) -> int:
        """Return how many calls were cancelled."""
        return sum(counts.cancelled for counts in self.counts().values())

    def rows(self) -> RowCounts:
        """Return what became of the rows of all models."""
        self._count()
        found = self._pipeline.tally.rows.values()
        return RowCounts(
            sum(rows.seen for rows in found),
            sum(rows.used for rows in found),
            sum(rows.dropped for rows in found),
        )

    def values(self) -> dict[tuple[str, str], int]:
        """Return how many values each model (by name) and output has in its histogram."""
        self._count()
        return {
            (key.name, output): int(histogram.counts.sum())
            for (key, output), histogram in self._pipeline.tally.values.items()
        }

    def exemplars(self) -> list[Exemplar]:
        """Return the slow calls that buckets of all models' latencies point to."""
        counts = self.counts().values()
        return [each for count in counts for each in count.latency.exemplars.values()]

    def faults(self) -> dict[str, int]:
        """Return what went wrong in Tidegauge itself, by cause."""
        self._count()
        return guard.counts() if pipeline.current() is self._pipeline else self._faults

    def _count(self) -> None:
        if pipeline.current() is self._pipeline and not self._pipeline.flush(_TIMEOUT_S):
            raise AssertionError(f"the drain lock was not free within {_TIMEOUT_S} s")


def _stop(running: Pipeline) -> None:
    running.stop()
    thread = running._thread
    if thread is not None:
        thread.join(_TIMEOUT_S)

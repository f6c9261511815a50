"""The processors of a process, each in a guard of its own: one that fails costs its own work."""

from __future__ import annotations

import time
from collections.abc import Iterable

from tidegauge.batch import (
    Batch,
    CountPoint,
    GaugePoint,
    ModelKey,
    PredictionProcessor,
    ValueBounds,
)
from tidegauge.guard import guarded
from tidegauge.late_import import late_import
from tidegauge.plugins import load_processors


class Processors:
    """What happens to all processors.

    Parameters
    ----------
    given : iterable of PredictionProcessor or None
        None for those found by entry point, when the first one is needed.
    """

    def __init__(self, given: Iterable[PredictionProcessor] | None) -> None:
        #: Those that there are; None until somebody needs them.
        self.known = None if given is None else list(given)

    def all(self) -> list[PredictionProcessor]:
        """Return the processors, found at the first call."""
        found = self.known
        if found is None:
            with late_import():  # nobody else builds them meanwhile, and no fork cuts it short
                found = self.known
                if found is None:  # pragma: no branch - unless another thread was first
                    found = self.known = load_processors()
        return found

    def found(self) -> list[PredictionProcessor]:
        """Return the processors; none while they cannot be imported, for which files are opened."""
        with guarded("pipeline.processors"):
            self.all()
        return self.known or []

    def take(self, batch: Batch) -> None:
        """Hand a batch to all."""
        for processor in self.all():
            with guarded(f"processor.{type(processor).__name__}"):
                processor.on_batch(batch)

    def tick(self, now_s: float) -> None:
        """Let all do what is due."""
        for processor in self.found():
            with guarded(f"processor.{type(processor).__name__}"):
                processor.on_tick(now_s)

    def leave(self, now_s: float) -> None:
        """Let those that there are leave their work to other processes."""
        for processor in self.known or ():
            with guarded(f"processor.{type(processor).__name__}"):
                processor.on_leave(now_s)

    def end(self, now_s: float, deadline: float) -> None:
        """Let those that there are conclude, all of them by one time of the monotonic clock."""
        for processor in self.known or ():
            with guarded(f"processor.{type(processor).__name__}"):
                processor.on_end(now_s, max(0.0, deadline - time.monotonic()))

    def tell(self, now_s: float) -> None:
        """Let those that there are send and write what they have to say."""
        for processor in self.known or ():
            tell = getattr(processor, "tell", None)
            if tell is not None:
                with guarded(f"tell.{type(processor).__name__}"):
                    tell(now_s)

    def points(self) -> list[GaugePoint | CountPoint]:
        """Return the gauges and counts of all as they stand."""
        found: list[GaugePoint | CountPoint] = []
        for processor in self.found():
            with guarded(f"points.{type(processor).__name__}"):
                found.extend(processor.points())
        return found

    def value_bounds(
        self, model: ModelKey, operation: str, outputs: tuple[str, ...]
    ) -> ValueBounds:
        """Return what the first one that knows says of a model's outputs."""
        for processor in self.all():
            with guarded(f"bounds.{type(processor).__name__}"):
                offer = getattr(processor, "value_bounds", None)
                found = None if offer is None else offer(model, operation, outputs)
                if found is not None:
                    return found  # type: ignore[no-any-return]
        return ValueBounds()

    def reset(self) -> None:
        """Let those that there are start from zero: this is a forked child."""
        for processor in self.known or ():
            with guarded(f"processor.{type(processor).__name__}"):
                processor.reset()

"""What the pipeline hands to a processor: rows of one model, as columns, and what comes back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from tidegauge_semconv import MetricSpec

Floats: TypeAlias = NDArray[np.float64]
Sizes: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True, order=True)
class ModelKey:
    """The identity that every metric of a model carries.

    ``role`` is what the version does (``info.Role``). No metric has it, and two keys that differ in
    it alone are one model.
    """

    name: str
    version: str = ""
    role: str = field(default="live", compare=False)

    def __str__(self) -> str:
        """Return what a message calls it: the name, and the version where it has one."""
        return f"{self.name} {self.version}".rstrip()


@dataclass(frozen=True, slots=True)
class Table:
    """Columns of equal length: one float64 matrix where all are numeric, else one array a column.

    Exactly one of ``matrix`` (rows, features) and ``columns`` is set. Missing values are NaN in a
    matrix; in an object column they are whatever the caller passed (None, NaN, pandas.NA).
    ``names`` is None when the input had none (a bare array): position then identifies a column.
    """

    rows: int
    names: tuple[str, ...] | None
    matrix: Floats | None = None
    columns: tuple[NDArray[Any], ...] | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """Sampled rows of one model and operation, in the order in which the calls ended.

    ``end_times`` (rows,) are Unix seconds of each row's call. ``outputs`` has the same rows as
    ``features``. ``stride`` is the thinning in force: one row in ``stride`` was kept.
    Either table is None where it could not be read. ``calls`` are the rows of each call, one after
    the other, and None where each call has one row. Rows of one call have one end time.
    """

    model: ModelKey
    operation: str
    end_times: Floats
    features: Table | None
    outputs: Table | None
    stride: int = 1
    calls: Sizes | None = None


@dataclass(frozen=True, slots=True)
class GaugePoint:
    """One value to export now; ``attributes`` in the order of ``spec.attributes``."""

    spec: MetricSpec
    attributes: tuple[str, ...]
    value: float


@dataclass(frozen=True, slots=True)
class CountPoint:
    """A count that only grows since ``start_s`` (Unix seconds), as a sum to export.

    Each reader has it as it has the requests: as a whole or as the change. A later ``start_s`` says
    that it began anew. Where ``spec.merge`` is SUM each process counts for itself and the counts of
    a launch add up, those of ended processes included; where it is LEADER one process speaks. What
    adds up must do so exactly in any order (whole numbers do): a total never falls.
    """

    spec: MetricSpec
    attributes: tuple[str, ...]
    value: float
    start_s: float


@dataclass(frozen=True, slots=True)
class ValueBounds:
    """Where the buckets of a model's prediction values end, by output; each strictly increasing.

    ``origin`` names what the bounds were taken from. With another origin the series begin anew.

    Raises
    ------
    ValueError
        Bounds are not finite or not in order.
    """

    origin: str = ""
    bounds: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for bounds in self.bounds.values():
            rising = all(a < b for a, b in pairwise(bounds))
            if not bounds or not np.isfinite(bounds).all() or not rising:
                raise ValueError(
                    f"value bounds: got {bounds!r} from {self.origin}; expected finite numbers, "
                    "each above the one before. Correct the processor that offers them."
                )


class PredictionProcessor(Protocol):
    """Turns batches into metrics. Found by the entry point group ``tidegauge_processor``.

    Built with no arguments; the constructor never raises. ``on_batch``, ``on_tick``, ``on_leave``
    and ``on_end`` run on one thread at a time, under the drain lock; ``points`` may run at the same
    time as any of them, on any thread, and must only read what they stored: collecting never
    changes state.

    It may have a method ``value_bounds(model, operation, outputs) -> ValueBounds | None`` as well,
    if it knows how a model's outputs are spread. That is asked with each slice of rows, under the
    drain lock; the names of the outputs are those of the batch.

    It may have a method ``tell(now_s)``: events to send, files to write. That is called about once
    a second and at the end, on a background thread as a rule, without the lock, and never because
    somebody collects.
    """

    def on_batch(self, batch: Batch) -> None:
        """Take in rows. An exception is counted and the rows are lost to this processor only."""
        ...

    def on_tick(self, now_s: float) -> None:
        """Do what is due at this time (Unix seconds); called about every 100 ms."""
        ...

    def points(self) -> Iterable[GaugePoint | CountPoint]:
        """Return the gauges and counts that stand now."""
        ...

    def on_leave(self, now_s: float) -> None:
        """Leave to the other processes of the launch what they go on with: this one ends."""
        ...

    def on_end(self, now_s: float, timeout_s: float) -> None:
        """Say what there is to say: no process of the launch comes after this one."""
        ...

    def reset(self) -> None:
        """Start from zero: this is a forked child."""
        ...

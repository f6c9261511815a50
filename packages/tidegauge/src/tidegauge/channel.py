"""Where callers leave their calls: one deque for each model and operation.

``deque.append`` is atomic, so a caller takes no lock. The deque has no maximum: counts are exact,
and memory is bounded by leaving features out (``calls.check``) and, far above that, by letting
the caller itself do some of the background work.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tidegauge.batch import ModelKey
from tidegauge.guard import once
from tidegauge.info import ModelInfo
from tidegauge.request import Request
from tidegauge.snapshot import Snapshot

#: Models that are told apart in one process; further ones are counted as ``other``.
MAX_MODELS = 1000
OTHER = ModelKey("other")

#: Operations that are told apart in one process; further ones are counted as ``other``.
MAX_OPERATIONS = 50

#: Channels in one process; the names and classes of models beyond it are not looked at.
MAX_CHANNELS = 10_000

#: Above this length the caller drains a slice before it returns.
MAX_ENTRIES = 100_000


class Trace(NamedTuple):
    """What leads from a call to where it came from: the recording span, the web request, or both.

    The ids are 0, and the prediction's is empty, where no span records.
    """

    trace_id: int
    span_id: int
    prediction_id: str
    request: Request | None = None


#: The ``failure`` of a call that was cancelled or interrupted. Not a valid type name.
CANCELLED = "<cancelled>"

#: One finished call, a plain tuple because the hot path makes it: end (Unix seconds), seconds,
#: rows, failure (None: success; an exception type's name; CANCELLED), features, outputs, stride,
#: trace.
Plain = tuple[float, float, int, str | None, Snapshot, Snapshot, int, "Trace | None"]


class Channel:
    """The calls of one model and operation that wait for the background thread."""

    __slots__ = ("append", "entries", "info", "key", "operation", "row_bytes", "waiting_bytes")

    def __init__(self, key: ModelKey, operation: str, info: ModelInfo) -> None:
        self.key = key
        self.operation = operation
        self.info = info
        self.entries: deque[Plain] = deque()
        self.append: Callable[[Plain], None] = self.entries.append
        #: Bytes of one single-row entry, as last seen; a tuple and its floats to begin with.
        self.row_bytes = 500
        #: Bytes of multi-row entries. Callers add to it without a lock, so it may run low by a few;
        #: the drain sets it to 0 whenever the deque is empty.
        self.waiting_bytes = 0

    def size_bytes(self) -> int:
        """Estimate the memory of what waits."""
        return len(self.entries) * self.row_bytes + self.waiting_bytes

    def clear(self) -> None:
        """Forget what waits, in place: callers hold ``append``."""
        self.entries.clear()
        self.waiting_bytes = 0


def payload_bytes(snapshot: Snapshot) -> int:
    """Estimate the memory of a snapshot; texts by those of its first row."""
    if snapshot is None:
        return 0
    data: Any = snapshot[1] if isinstance(snapshot, tuple) else snapshot
    kind = snapshot[0] if isinstance(snapshot, tuple) else ""
    if kind == "blocks":
        return 300 + sum(300 + int(values.nbytes) + _block_texts(values) for _, values in data)
    if isinstance(data, bytes):
        return len(data) + 33
    if isinstance(data, list):
        first = data[0] if data else ()
        wide = len(first) if hasattr(first, "__len__") else 1
        return 64 + len(data) * (56 + 32 * wide + _texts(first))
    if isinstance(data, dict):
        return 64 + 100 * len(data) + _texts(data)
    if kind == "polars":
        cells = data.estimated_size() // 16
    else:  # a table of Arrow's, a frame, a sparse matrix
        cells = data.nbytes // 16 if kind == "arrow" else getattr(data, "size", None)
    return 1000 + 16 * cells if isinstance(cells, int) else 1000


def _texts(row: Any) -> int:
    """Count the characters of a row; they may be more than all else of it."""
    values = row.values() if isinstance(row, dict) else row
    known = isinstance(row, dict | list | tuple)
    return sum(len(v) for v in values if isinstance(v, str | bytes)) if known else 0


def _block_texts(values: Any) -> int:
    if not isinstance(values, np.ndarray) or not values.dtype.hasobject or not values.size:
        return 0
    rows: int = values.shape[-1]
    return rows * _texts(values[..., 0].tolist())


class Channels:
    """All channels of the process."""

    def __init__(self) -> None:
        self._all: dict[tuple[ModelKey, str, str, ModelInfo], Channel] = {}
        self._models: set[ModelKey] = set()
        self._operations: set[str] = set()
        #: Estimate of all that waits. Callers add to it without a lock; ``size_bytes``, of which
        #: the background asks at each turn, puts it right.
        self.waiting_bytes = 0

    def get(self, key: ModelKey, operation: str, info: ModelInfo) -> Channel:
        """Return the channel of a model and operation, made at the first call."""
        if key not in self._models:
            if len(self._models) >= MAX_MODELS:
                once(
                    "models.limit",
                    "More than %d models in this process: further ones are counted as model %r. "
                    "Name models by what they do, not by instance.",
                    MAX_MODELS,
                    OTHER.name,
                )
                key = OTHER
            self._models.add(key)
        if operation not in self._operations:
            if len(self._operations) >= MAX_OPERATIONS:
                once(
                    "operations.limit",
                    "More than %d operations in this process: further ones are counted as "
                    "operation %r. Name operations by what they do, not by call.",
                    MAX_OPERATIONS,
                    OTHER.name,
                )
                operation = OTHER.name
            else:
                self._operations.add(operation)
        if len(self._all) >= MAX_CHANNELS:
            # Models that are made again and again, each with names or classes of its own.
            info = ModelInfo(info.framework, info.class_name, task=info.task, labels=info.labels)
        # All of it: a model that was fitted again may have other names and classes.
        identity = (key, key.role, operation, info)
        channel = self._all.get(identity)
        if channel is None:
            # setdefault, not assignment: two threads may meet a new model at once.
            channel = self._all.setdefault(identity, Channel(key, operation, info))
        return channel

    def all(self) -> list[Channel]:
        """Return the channels as they stand."""
        return list(self._all.values())

    def size_bytes(self) -> int:
        """Estimate the memory of all that waits."""
        self.waiting_bytes = sum(channel.size_bytes() for channel in self.all())
        return self.waiting_bytes

"""Slices of entries become exact counts, value histograms and batches for the processors."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import TypeAlias

import numpy as np
from tidegauge_semconv.metrics import VALUE_BUCKETS

from tidegauge.batch import Batch, ModelKey, Table, ValueBounds
from tidegauge.channel import CANCELLED, Channel, Plain, Trace
from tidegauge.counts import CallCounts, Exemplar, Histogram, RowCounts
from tidegauge.guard import once
from tidegauge.operations import rank
from tidegauge.outputs import is_value, name_outputs
from tidegauge.pieces import pieces
from tidegauge.request import Request
from tidegauge.runtime import shared
from tidegauge.snapshot import THINNED

#: Outputs of one model that are told apart; further ones are counted as ``other``.
MAX_OUTPUTS = 50
_OTHER_OUTPUT = "other"

_VALUE_BOUNDS = np.array(VALUE_BUCKETS)
_EXEMPLAR_QUANTILE = 0.95
_NO_REQUEST = Request()

#: Says where the buckets of a model's outputs end: of which operation, and what they are called.
FindBounds: TypeAlias = Callable[[ModelKey, str, tuple[str, ...]], ValueBounds]


class Tally:
    """All counts of one process. Written under the drain lock only."""

    def __init__(self, find_bounds: FindBounds = lambda *_: ValueBounds()) -> None:
        self._find_bounds = find_bounds
        self.start_s = shared.clock()
        self.calls: dict[tuple[ModelKey, str], CallCounts] = {}
        self.rows: dict[ModelKey, RowCounts] = {}
        self.values: dict[tuple[ModelKey, str], Histogram] = {}
        self.value_operations: dict[ModelKey, str] = {}
        self._value_start_s: dict[ModelKey, float] = {}
        self._value_origins: dict[ModelKey, str] = {}
        self._outputs: Counter[ModelKey] = Counter()
        self.total = 0
        #: Raised with each change, and what it was at the last change of each model.
        self.revision = 0
        self.revisions: Counter[ModelKey] = Counter()

    def _changed(self, key: ModelKey) -> None:
        self.revision += 1
        self.revisions[key] = self.revision

    def touch(self, key: ModelKey, operation: str) -> CallCounts:
        """Return the counts of a model and operation; at 0 from the model's first call on."""
        counts = self.calls.get((key, operation))
        if counts is None:
            counts = self.calls[(key, operation)] = CallCounts()
            self.rows.setdefault(key, RowCounts())
            self._changed(key)
        return counts

    def add(self, channel: Channel, entries: Sequence[Plain]) -> Iterator[Batch]:
        """Count entries of one channel, then yield their rows."""
        try:
            yield from self._add(channel, entries)
        finally:
            # After, not before: who could not wait for the lock has seen a part.
            self._changed(channel.key)

    def _add(self, channel: Channel, entries: Sequence[Plain]) -> Iterator[Batch]:
        counts = self.touch(channel.key, channel.operation)
        _, seconds, rows, failures, _, _, strides, traces = zip(*entries, strict=True)
        self.total += len(entries)
        succeeded = failures.count(None)
        finished = np.array(seconds)
        if succeeded < len(entries):
            counts.cancelled += failures.count(CANCELLED)
            counts.add_errors([f for f in failures if f is not None and f != CANCELLED])
            finished = finished[[f != CANCELLED for f in failures]]
            entries = [entry for entry in entries if entry[3] is None]
            rows = tuple(map(itemgetter(2), entries))
        counts.success += succeeded
        seen = sum(rows)
        counts.rows += seen
        if any(traces):
            _point_out(counts.latency, seconds, traces)
        counts.add_latency(finished)
        self.rows[channel.key].seen += seen
        if strides.count(strides[0]) == len(strides):  # nearly always
            yield from self._batches(channel, entries, strides[0])
            return
        for stride, run in groupby(entries, key=itemgetter(6)):
            yield from self._batches(channel, list(run), stride)

    def _batches(self, channel: Channel, entries: Sequence[Plain], stride: int) -> Iterator[Batch]:
        counts = self.rows[channel.key]
        if not stride:
            counts.dropped += sum(map(itemgetter(2), entries))
            return
        if stride > 1:
            entries = [entry for entry in entries if entry[4] is not THINNED]
        if not entries:
            return
        end_times, _, rows, _, features, outputs, _, _ = zip(*entries, strict=True)
        info = channel.info
        absent = np.nan if info.absent_is_missing else 0.0
        for piece in pieces(features, outputs, info.feature_names, absent):
            found = piece.outputs
            if piece.features is None:
                counts.dropped += sum(rows[piece.start : piece.stop])
            else:
                counts.used += piece.features.rows
            if found is not None:
                found = name_outputs(info, channel.operation, found)
                self._add_values(channel, found)
            if piece.features is not None or found is not None:
                ends, calls = np.array(end_times[piece.start : piece.stop]), None
                if piece.counts.count(1) < len(piece.counts):
                    calls = np.array(piece.counts)
                    ends = np.repeat(ends, calls)
                yield Batch(
                    channel.key, channel.operation, ends, piece.features, found, stride, calls
                )

    def _add_values(self, channel: Channel, table: Table) -> None:
        key, operation = channel.key, channel.operation
        known = self.value_operations.get(key)
        if known not in (None, operation) and rank(operation) <= rank(known or ""):
            return
        names = table.names or ()
        found = self._find_bounds(key, operation, names)
        if known != operation or self._value_origins[key] != found.origin:
            self.value_operations[key] = operation
            self._value_origins[key] = found.origin
            self._outputs[key] = 0
            before_s = self._value_start_s.get(key)
            # A series that starts anew says so: its change since the last export is no difference.
            # Later than the last start even if the clock stands still.
            self._value_start_s[key] = (
                self.start_s
                if before_s is None
                else max(shared.clock(), math.nextafter(before_s, math.inf))
            )
            for identity in [identity for identity in self.values if identity[0] == key]:
                del self.values[identity]
        if not is_value(channel.info, operation):
            return
        columns = table.matrix.T if table.matrix is not None else table.columns or ()
        for name, column in zip(names, columns, strict=True):
            if column.dtype.kind == "f":  # a label beside it is no value
                self._values(key, name, found.bounds).add(column[np.isfinite(column)])

    def _values(
        self, key: ModelKey, output: str, bounds: Mapping[str, tuple[float, ...]]
    ) -> Histogram:
        histogram = self.values.get((key, output))
        if histogram is None:
            if self._outputs[key] >= MAX_OUTPUTS:
                once(
                    "outputs.limit",
                    "Model %r has more than %d outputs: the values of further ones are counted "
                    "together as %r.",
                    key.name,
                    MAX_OUTPUTS,
                    _OTHER_OUTPUT,
                )
                output = _OTHER_OUTPUT
            else:
                self._outputs[key] += 1
            ends = np.array(bounds[output]) if output in bounds else _VALUE_BOUNDS
            histogram = self.values.setdefault(
                (key, output), Histogram(ends, self._value_start_s[key])
            )
        return histogram


def _point_out(
    latency: Histogram, seconds: Sequence[float], traces: Sequence[Trace | None]
) -> None:
    """Keep what leads to calls slower than the running p95: those that somebody looks for."""
    floor = latency.quantile(_EXEMPLAR_QUANTILE) if latency.counts.any() else 0.0
    floor = min(floor, float(latency.bounds[-1]))
    for value, trace in zip(seconds, traces, strict=True):
        if trace is not None and value >= floor:
            cell = int(np.searchsorted(latency.bounds, value, side="left"))
            request = trace.request or _NO_REQUEST
            latency.exemplars[cell] = Exemplar(
                value, shared.clock(), trace.trace_id, trace.span_id, trace.prediction_id,
                request.id, request.route,
            )  # fmt: skip

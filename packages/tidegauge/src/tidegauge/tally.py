"""Slices of entries become exact counts, value histograms and batches for the processors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter

import numpy as np
from tidegauge_semconv.metrics import VALUE_BUCKETS

from tidegauge.batch import Batch, ModelKey, Table
from tidegauge.channel import CANCELLED, Channel, Plain, Trace
from tidegauge.columns import tables
from tidegauge.counts import CallCounts, Exemplar, Histogram, RowCounts
from tidegauge.guard import once
from tidegauge.operations import rank
from tidegauge.outputs import is_value, name_outputs
from tidegauge.runtime import shared
from tidegauge.snapshot import THINNED

#: Outputs of one model that are told apart; further ones are counted as ``other``.
MAX_OUTPUTS = 50
_OTHER_OUTPUT = "other"

_VALUE_BOUNDS = np.array(VALUE_BUCKETS)
_EXEMPLAR_QUANTILE = 0.95


class Tally:
    """All counts of one process. Written under the drain lock only."""

    def __init__(self) -> None:
        self.start_s = shared.clock()
        self.calls: dict[tuple[ModelKey, str], CallCounts] = {}
        self.rows: dict[ModelKey, RowCounts] = {}
        self.values: dict[tuple[ModelKey, str], Histogram] = {}
        self._value_operation: dict[ModelKey, str] = {}
        self.total = 0

    def touch(self, key: ModelKey, operation: str) -> CallCounts:
        """Return the counts of a model and operation; at 0 from the model's first call on."""
        counts = self.calls.get((key, operation))
        if counts is None:
            counts = self.calls[(key, operation)] = CallCounts()
            self.rows.setdefault(key, RowCounts())
        return counts

    def add(self, channel: Channel, entries: Sequence[Plain]) -> Iterator[Batch]:
        """Count entries of one channel, then yield their rows."""
        counts = self.touch(channel.key, channel.operation)
        _, seconds, rows, failures, _, _, _, traces = zip(*entries, strict=True)
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
        counts.rows += sum(rows)
        if any(traces):
            _point_out(counts.latency, seconds, traces)
        counts.add_latency(finished)
        self.rows[channel.key].seen += sum(rows)
        for stride, run in groupby(entries, key=itemgetter(6)):
            yield from self._batches(channel, list(run), stride)

    def _batches(self, channel: Channel, entries: list[Plain], stride: int) -> Iterator[Batch]:
        counts = self.rows[channel.key]
        if not stride:
            counts.dropped += sum(map(itemgetter(2), entries))
            return
        if stride > 1:
            entries = [entry for entry in entries if entry[4] is not THINNED]
        features = list(map(itemgetter(4), entries))
        info = channel.info
        for start, stop, row_counts, table in tables(features, info.feature_names):
            outputs = [entry[5] for entry in entries[start:stop]]
            found = None
            for _, end, output_rows, output in tables(outputs, None):
                if end == stop - start and (table is None or output_rows == row_counts):
                    row_counts = output_rows if table is None else row_counts  # noqa: PLW2901
                    found = output
            if table is None:
                counts.dropped += sum(map(itemgetter(2), entries[start:stop]))
            else:
                counts.used += table.rows
            if found is not None:
                found = name_outputs(info, channel.operation, found)
                self._add_values(channel, found)
            if table is not None or found is not None:
                ends = np.array([entry[0] for entry in entries[start:stop]])
                ends = np.repeat(ends, row_counts)
                yield Batch(channel.key, channel.operation, ends, table, found, stride)

    def _add_values(self, channel: Channel, table: Table) -> None:
        key, operation = channel.key, channel.operation
        known = self._value_operation.get(key)
        if known is None or rank(operation) > rank(known):
            self._value_operation[key] = operation
            for identity in [identity for identity in self.values if identity[0] == key]:
                del self.values[identity]
        elif known != operation:
            return
        if table.matrix is None or not is_value(channel.info, operation):
            return
        for name, column in zip(table.names or (), table.matrix.T, strict=True):
            self._values(key, name).add(column[np.isfinite(column)])

    def _values(self, key: ModelKey, output: str) -> Histogram:
        histogram = self.values.get((key, output))
        if histogram is None:
            if sum(1 for model, _ in self.values if model == key) >= MAX_OUTPUTS:
                once(
                    "outputs.limit",
                    "Model %r has more than %d outputs: the values of further ones are counted "
                    "together as %r.",
                    key.name,
                    MAX_OUTPUTS,
                    _OTHER_OUTPUT,
                )
                output = _OTHER_OUTPUT
            histogram = self.values.setdefault((key, output), Histogram(_VALUE_BOUNDS))
        return histogram


def _point_out(
    latency: Histogram, seconds: Sequence[float], traces: Sequence[Trace | None]
) -> None:
    """Keep the trace of calls slower than the running p95: those that somebody looks for."""
    slow = latency.quantile(_EXEMPLAR_QUANTILE)
    floor = slow if np.isfinite(slow) else 0.0
    for value, trace in zip(seconds, traces, strict=True):
        if trace is not None and value >= floor:
            cell = int(np.searchsorted(latency.bounds, value, side="left"))
            latency.exemplars[cell] = Exemplar(
                value, shared.clock(), trace.trace_id, trace.span_id, trace.prediction_id
            )

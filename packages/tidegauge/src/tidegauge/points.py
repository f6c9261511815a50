"""The counts of the process as points: what there is to export, whoever reads it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, TypeAlias

from tidegauge_semconv import MetricSpec, metrics

from tidegauge import guard, unsent
from tidegauge.batch import Floats, ModelKey
from tidegauge.counts import CallCounts, Exemplar, Histogram, RowCounts
from tidegauge.exact import Exact
from tidegauge.tally import Tally


@dataclass(frozen=True, slots=True)
class SumPoint:
    """A count since the process began, or since ``start_s`` where it says so."""

    spec: MetricSpec
    attributes: tuple[str, ...]
    value: float
    start_s: float | None = None


@dataclass(frozen=True, slots=True)
class HistogramPoint:
    """A histogram since the process began; ``log`` is its fine form where there is one.

    Of several that were added up ``start_s`` is when the first began, ``newest_s`` when the last.
    """

    spec: MetricSpec
    attributes: tuple[str, ...]
    bounds: Floats
    counts: Floats
    total: Exact
    low: float
    high: float
    exemplars: tuple[Exemplar, ...]
    start_s: float | None = None
    log: Counter[int] | None = None
    zeros: int = 0
    newest_s: float | None = None


Point: TypeAlias = SumPoint | HistogramPoint


def cumulative(tally: Tally) -> Iterator[Point]:
    """Copy the counts out. The caller holds the drain lock, unless it could not be had in time."""
    for part in parts(tally):
        yield from part.points()


class Part(NamedTuple):
    """A few points that change together: what they are of, when they changed, a copy of them."""

    name: Hashable
    revision: int
    points: Callable[[], Iterable[Point]]


def parts(tally: Tally) -> Iterator[Part]:
    """Yield the parts of all counts.

    Hence the lists: one step of the interpreter each, while another thread may add to the dicts.
    """
    revisions = tally.revisions
    for call, counts in list(tally.calls.items()):
        yield Part(("call", call), revisions[call[0]], partial(_of_call, *call, counts))
    for value, histogram in list(tally.values.items()):
        yield Part(("value", value), revisions[value[0]], partial(_of_value, *value, histogram))
    for key, rows in list(tally.rows.items()):
        yield Part(("rows", key), revisions[key], partial(_of_rows, key, rows))
    causes = guard.counts()
    yield Part("causes", sum(causes.values()), partial(_of_causes, causes))
    lost = unsent.counts()
    yield Part("unsent", sum(lost.values()), partial(_of_unsent, lost))


def _of_call(key: ModelKey, operation: str, counts: CallCounts) -> Iterator[Point]:
    call = (key.name, key.version, operation)
    types = list(counts.errors.items())
    errors = sum(number for _, number in types)
    yield SumPoint(metrics.MODEL_REQUESTS, (*call, "success"), counts.success)
    yield SumPoint(metrics.MODEL_REQUESTS, (*call, "error"), errors)
    yield SumPoint(metrics.MODEL_CANCELLED, call, counts.cancelled)
    yield SumPoint(metrics.MODEL_PREDICTIONS, call, counts.rows)
    for error_type, number in types:
        yield SumPoint(metrics.MODEL_ERRORS, (*call, error_type), number)
    yield _histogram(
        metrics.MODEL_REQUEST_LATENCY,
        call,
        counts.latency,
        log=counts.log_latency.copy(),
        zeros=counts.zero_latency,
    )


def _of_value(key: ModelKey, output: str, histogram: Histogram) -> Iterator[Point]:
    yield _histogram(metrics.MODEL_PREDICTION_VALUE, (key.name, key.version, output), histogram)


def _of_rows(key: ModelKey, rows: RowCounts) -> Iterator[Point]:
    for state in ("seen", "used", "dropped"):
        yield SumPoint(metrics.TIDEGAUGE_ROWS, (key.name, key.version, state), getattr(rows, state))


def _of_causes(causes: Mapping[str, int]) -> Iterator[Point]:
    for cause, number in causes.items():
        yield SumPoint(metrics.TIDEGAUGE_ERRORS, (cause,), number)


def _of_unsent(causes: Mapping[str, int]) -> Iterator[Point]:
    for cause, number in causes.items():
        yield SumPoint(metrics.TIDEGAUGE_EXPORT_FAILURES, (cause,), number)


def _histogram(
    spec: MetricSpec,
    attributes: tuple[str, ...],
    histogram: Histogram,
    *,
    log: Counter[int] | None = None,
    zeros: int = 0,
) -> HistogramPoint:
    return HistogramPoint(
        spec,
        attributes,
        histogram.bounds,
        histogram.counts.copy(),
        Exact((histogram.total,)),
        histogram.low,
        histogram.high,
        tuple(histogram.exemplars.values()),
        histogram.start_s,
        log,
        zeros,
    )

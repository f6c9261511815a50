"""The counts of the process as points: what there is to export, whoever reads it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from tidegauge_semconv import MetricSpec, metrics

from tidegauge import guard
from tidegauge.batch import Floats
from tidegauge.counts import Exemplar, Histogram
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
    """Copy the counts out. The caller holds the drain lock, unless it could not be had in time.

    Hence the lists: one step of the interpreter each, while another thread may add to the dicts.
    """
    for (key, operation), counts in list(tally.calls.items()):
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
    for (key, output), histogram in list(tally.values.items()):
        yield _histogram(metrics.MODEL_PREDICTION_VALUE, (key.name, key.version, output), histogram)
    for key, rows in list(tally.rows.items()):
        for state in ("seen", "used", "dropped"):
            yield SumPoint(
                metrics.TIDEGAUGE_ROWS, (key.name, key.version, state), getattr(rows, state)
            )
    for cause, number in guard.counts().items():
        yield SumPoint(metrics.TIDEGAUGE_ERRORS, (cause,), number)


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

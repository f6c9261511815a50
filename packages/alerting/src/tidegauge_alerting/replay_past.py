"""What a Prometheus had in the last days: which alerts would have fired, and what it lacks."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidegauge_exporter_prometheus.naming import prometheus_name
from tidegauge_semconv import Kind

from tidegauge_alerting import prometheus_fleet, replay
from tidegauge_alerting.measures import Reachable, StabilityIndex
from tidegauge_alerting.prometheus_api import RefusedError, ServerError
from tidegauge_alerting.prometheus_expression import KNOWN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tidegauge_alerting.definitions import AlertDefinition
    from tidegauge_alerting.prometheus_api import PrometheusApi, Series
    from tidegauge_alerting.replay import Firing, Labels

_HOUR_S = 3_600
# Prometheus answers at most 11,000 points of a series. A day at an evaluation a minute is less
# than that, for of many series all points of one answer are in memory at a time.
_POINTS = 1_440
_FEWEST = 60
# What servers say of a question that is too large.
_TOO_MUCH = ("maximum resolution", "too many", "timed out", "timeout", "bytes)")


@dataclass(frozen=True, slots=True)
class Span:
    """Evaluations ``first`` to ``last``, each at its number times ``step_s`` (Unix seconds)."""

    first: int
    last: int
    step_s: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an alert fires by model, or why that is not known; ``there`` if it is defined at all."""

    firing: dict[str, Firing]
    why_not: str = ""
    there: bool = True


class Past:
    """What one Prometheus had in a span of time; asks each question once."""

    def __init__(self, api: PrometheusApi, span: Span) -> None:
        self._api = api
        self._span = span
        self._points = _POINTS
        self._hours: dict[str, int] = {}
        self._found: dict[tuple[str, int], dict[Labels, list[int]]] = {}
        self.hours = max(1, (span.last - span.first) * span.step_s // _HOUR_S)

    def outcome(
        self, definition: AlertDefinition | None, recorded: AlertDefinition | None = None
    ) -> Outcome:
        """Return how an alert fires; ``recorded`` is what the recording rules are made for."""
        if definition is None:
            return Outcome({}, there=False)
        why_not = self._lacks(definition, recorded or definition)
        if why_not:
            return Outcome({}, why_not)
        span = self._span
        wait = -(-definition.for_s // span.step_s)
        begins, stays = replay.expressions(definition)
        try:
            found = replay.fires(
                self._samples(begins, wait),
                None if stays is None else self._samples(stays, wait),
                wait,
            )
        except RefusedError as error:
            return Outcome({}, str(error))
        within = (span.first, span.last + 1)
        return Outcome(replay.by_model(found, within, span.step_s, definition.cooldown_s))

    def seen(self, name: str) -> int:
        """Return at how many full hours a metric had a series."""
        if name not in self._hours:
            first, last = (
                i * self._span.step_s // _HOUR_S for i in (self._span.first, self._span.last)
            )
            asked = self._ask(f"count({name})", Span(first + 1, last, _HOUR_S))
            self._hours[name] = sum(len(series.points) for series in asked)
        return self._hours[name]

    def known(self) -> list[tuple[str, int]]:
        """Return the metrics that were asked for, and at how many full hours each was there."""
        return list(self._hours.items())

    def _lacks(self, definition: AlertDefinition, recorded: AlertDefinition) -> str:
        """Return why an alert cannot be replayed, or nothing."""
        needed = [series_name(definition)]
        match definition.measure:
            case Reachable():
                needed.append(KNOWN)
            case StabilityIndex():
                needed = [prometheus_fleet.INDEX]
                if (definition.measure, definition.guard) != (recorded.measure, recorded.guard):
                    return (
                        f"it needs {prometheus_fleet.INDEX} as the changed rules would record it, "
                        "and Prometheus has it as the present ones do"
                    )
        lacking = [name for name in needed if not self.seen(name)]
        if not lacking:
            return ""
        rule = ", which a recording rule of ours writes" if ":" in lacking[0] else ""
        return f"Prometheus has no {lacking[0]} of these days{rule}"

    def _samples(self, text: str, wait: int) -> dict[Labels, list[int]]:
        """Return the samples of an expression, and those before that may be pending at first."""
        if (text, wait) not in self._found:
            span = self._span
            found: dict[Labels, list[int]] = defaultdict(list)
            for series in self._ask(text, Span(span.first - wait, span.last, span.step_s)):
                named = (pair for pair in series.labels.items() if pair[0] != "__name__")
                found[tuple(sorted(named))] += [round(at / span.step_s) for at, _ in series.points]
            self._found[text, wait] = found
        return self._found[text, wait]

    def _ask(self, text: str, span: Span) -> Iterator[Series]:
        """Yield what an expression had, a part of the span after the other."""
        first = span.first
        while first <= span.last:
            last = min(span.last, first + self._points - 1)
            try:
                yield from self._api.over(
                    text, first * span.step_s, last * span.step_s, span.step_s
                )
            except ServerError as error:
                if last - first < _FEWEST or not any(words in str(error) for words in _TOO_MUCH):
                    raise
                self._points = max(_FEWEST, (last - first + 1) // 2)
            else:
                first = last + 1


def series_name(definition: AlertDefinition) -> str:
    """Return a name under which Prometheus has series of an alert's metric."""
    suffix = "_count" if definition.metric.kind is Kind.HISTOGRAM else ""
    return prometheus_name(definition.metric) + suffix

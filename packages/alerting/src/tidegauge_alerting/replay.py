"""When an alert would have fired, from the times at which its expression had a sample: pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from tidegauge_semconv import attributes as a

from tidegauge_alerting.definitions import AlertDefinition
from tidegauge_alerting.prometheus_expression import expression

#: A series' labels, in order.
Labels: TypeAlias = tuple[tuple[str, str], ...]
#: At which evaluations each series had a sample, rising.
Samples: TypeAlias = Mapping[Labels, Sequence[int]]
#: From which evaluation up to which: the last one is the first that is quiet again.
Span: TypeAlias = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Firing:
    """How an alert fires about one model: how often, for how long, and how often it is said."""

    times: int = 0
    told: int = 0
    seconds: int = 0


def expressions(definition: AlertDefinition) -> tuple[str, str | None]:
    """Return when an alert begins and, where it has a recovery, when it goes on.

    As one expression the second part asks what was firing; that is what a replay has to find out.
    """
    begins = expression(replace(definition, recovery=None))
    if definition.recovery is None:
        return begins, None
    kept = replace(definition, recovery=None, guard=None, threshold=definition.recovery)
    return begins, expression(kept)


def fires(begins: Samples, stays: Samples | None, wait: int) -> dict[Labels, list[Span]]:
    """Return when each series fires, as Prometheus evaluates an alert.

    Parameters
    ----------
    begins, stays : mapping
        At which evaluations the expressions of ``expressions`` had a sample.
    wait : int
        So many evaluations after the first in a row it fires: what ``for`` comes to.
    """
    found = {}
    for labels, samples in begins.items():
        kept = () if stays is None else stays.get(labels, ())
        spans = list(_spans(samples, kept, wait))
        if spans:
            found[labels] = spans
    return found


def _spans(begins: Sequence[int], stays: Sequence[int], wait: int) -> Iterable[Span]:
    on = frozenset(begins)
    active: int | None = None  # since when it is pending or firing
    before = -1
    for i in sorted(on | frozenset(stays)):
        if active is not None and i != before + 1:
            if before - active >= wait:
                yield active + wait, before + 1
            active = None
        firing = active is not None and before - active >= wait
        if i in on or firing:
            active = i if active is None else active
        elif active is not None:  # pending, and not far enough any more
            active = None
        before = i
    if active is not None and before - active >= wait:
        yield active + wait, before + 1


def by_model(
    found: Mapping[Labels, Iterable[Span]], span: Span, step_s: int, cooldown_s: int
) -> dict[str, Firing]:
    """Return how the alert fires about each model within a span, whatever the feature.

    It is said when it begins and again each time that the cooldown is over and it still fires.
    """
    spans: dict[str, list[Span]] = defaultdict(list)
    for labels, each in found.items():
        spans[_model(dict(labels))] += each
    result = {}
    for model, mine in spans.items():
        joined = _joined(mine, span)
        if joined:
            seconds = sum(end - start for start, end in joined) * step_s
            result[model] = Firing(len(joined), _told(joined, step_s, cooldown_s), seconds)
    return result


def _model(labels: Mapping[str, str]) -> str:
    return labels.get(a.MODEL_NAME) or labels.get("instance") or labels.get(a.CAUSE) or "-"


def _joined(spans: Iterable[Span], within: Span) -> list[Span]:
    found: list[Span] = []
    for start, end in sorted(spans):
        start, end = max(start, within[0]), min(end, within[1])  # noqa: PLW2901 - clipped
        if start >= end:
            continue
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


def _told(spans: Iterable[Span], step_s: int, cooldown_s: int) -> int:
    wait = max(1, -(-cooldown_s // step_s))
    told, free = 0, None
    for start, end in spans:
        at = start if free is None else max(start, free)
        if at < end:
            number = 1 + (end - 1 - at) // wait
            told += number
            free = at + number * wait
    return told

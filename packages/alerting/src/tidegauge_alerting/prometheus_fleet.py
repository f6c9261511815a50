"""A stability index over all replicas as recording rules: Prometheus adds up what each counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidegauge_exporter_prometheus.naming import label_name, prometheus_name
from tidegauge_semconv import attributes as a

from tidegauge_alerting.definitions import AlertDefinition
from tidegauge_alerting.measures import EffectiveGuard, StabilityIndex
from tidegauge_alerting.promql import duration, matcher, names, number

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tidegauge_semconv import MetricSpec

# What the rules record, each with the label of its window: rows by bin, their shares, how many
# independent rows they are worth, and the index.
BINS = "tidegauge:fleet_bin:increase"
SHARES = "tidegauge:fleet_bin:share"
ROWS = "tidegauge:fleet_rows:effective"
INDEX = "tidegauge:fleet:psi"

# Windows are long: between two looks nothing moves, and each look reads a whole window.
_LOOKS = 60
_SLOWEST_S = 60


def recordings(definitions: Sequence[AlertDefinition]) -> Iterator[dict[str, Any]]:
    """Yield the rules that record the index for each window, in the order of evaluation.

    Raises
    ------
    TypeError
        The guard is one of another measure.
    ValueError
        Two definitions differ in more than what they alert on: they would record under one name.
    """
    first = definitions[0]
    measure = _measure(first)
    for other in definitions[1:]:
        if (other.metric, other.measure, other.guard) != (first.metric, first.measure, first.guard):
            raise ValueError(
                f"alert definitions: got {first.name} and {other.name} on two stability indices; "
                "expected one index, with one guard. Change only what they alert on."
            )
    match first.guard:
        case None | EffectiveGuard():
            guard = first.guard
        case _:
            raise TypeError(
                f"guard of {first.name}: got {first.guard!r} on a StabilityIndex; expected an "
                "EffectiveGuard. Use one."
            )
    shortest_s = measure.windows_s[0]
    for window_s in measure.windows_s:
        window = duration(window_s)
        if window_s == shortest_s:
            bins = _counted(first.metric, measure, window)
        else:
            bins = _added_up(measure, window, duration(shortest_s))
        at = "{" + matcher(a.WINDOW, [window]) + "}"
        for record, text in (
            (BINS, bins),
            (SHARES, _shares(measure, at)),
            (ROWS, _rows(measure, guard, at)),
            (INDEX, _index(measure, guard, at)),
        ):
            yield {"record": record, "expr": text, "labels": {label_name(a.WINDOW): window}}


def interval_s(definition: AlertDefinition) -> int:
    """Return how often the rules are evaluated."""
    return max(1, min(_SLOWEST_S, _measure(definition).windows_s[0] // _LOOKS))


def _measure(definition: AlertDefinition) -> StabilityIndex:
    if isinstance(definition.measure, StabilityIndex):
        return definition.measure
    raise TypeError(
        f"measure of {definition.name}: got {definition.measure!r}; expected a StabilityIndex. "
        "Others are not recorded."
    )


def _counted(metric: MetricSpec, measure: StabilityIndex, window: str) -> str:
    """Return the rows of a window by bin; a bin that no replica has shown has 0."""
    in_bins = matcher(measure.bins, measure.outside, unlike=True)
    each = f"increase({prometheus_name(metric)}{{{in_bins}}}[{window}])"
    return f"sum by ({_bin(measure)}) ({each})\nor 0 * {_expected(measure)}"


def _added_up(measure: StabilityIndex, window: str, shortest: str) -> str:
    """Return the rows of a long window by bin, made of short ones.

    Over a day of scrapes of many replicas, increase() would read a hundred times as many samples.
    """
    short = f"{BINS}{{{matcher(a.WINDOW, [shortest])}}}"
    each = f"sum_over_time({short}[{window}:{shortest}])"
    return f"sum by ({_bin(measure)}) ({each})\nor 0 * {_expected(measure)}"


def _shares(measure: StabilityIndex, at: str) -> str:
    by = names(measure.by)
    # Nothing is greater than 0 of an idle feature: it has no share, and no index.
    return f"{BINS}{at}\n  / on ({by}) group_left () (sum by ({by}) ({BINS}{at}) > 0)"


def _rows(measure: StabilityIndex, guard: EffectiveGuard | None, at: str) -> str:
    by = names(measure.by)
    rows = f"sum by ({by}) ({BINS}{at})"
    if guard is None:
        return rows
    return f"{rows}\n  / max by ({by}) ({prometheus_name(guard.effect)})"


def _index(measure: StabilityIndex, guard: EffectiveGuard | None, at: str) -> str:
    by, same, floor = names(measure.by), f"on ({_bin(measure)})", number(measure.floor)
    q = f"clamp_min({SHARES}{at}, {floor})"
    p = f"clamp_min({_expected(measure)}, {floor})"
    index = f"sum by ({by}) (\n  ({q} - {same} {p})\n  * {same} ln({q} / {same} {p})\n)"
    if guard is None:
        return index
    return f"{index}\nand on ({by}) {ROWS}{at} >= {number(guard.minimum)}"


def _expected(measure: StabilityIndex) -> str:
    return f"max by ({_bin(measure)}) ({prometheus_name(measure.reference)})"


def _bin(measure: StabilityIndex) -> str:
    return names((*measure.by, measure.bins))

"""What Prometheus computes with a vector: pure, and equal to it sample by sample.

A vector has one value for each set of labels. A label without a value is no label, so that one
with an empty value and one that is missing are the same.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import TypeAlias

from tidegauge_exporter_prometheus.naming import label_name

Labels: TypeAlias = tuple[tuple[str, str], ...]
Vector: TypeAlias = dict[Labels, float]

_LE = "le"
# Prometheus takes a window for filled where its first or last sample lies within this many mean
# distances of its edge.
_FILLED = 1.1


def labels_of(values: Iterable[tuple[str, str]]) -> Labels:
    """Return labels in the one order that makes equal sets equal."""
    return tuple(sorted((key, value) for key, value in values if value))


def keep(labels: Labels, attributes: Iterable[str]) -> Labels:
    """Return the labels of some attributes."""
    wanted = {label_name(each) for each in attributes}
    return tuple(pair for pair in labels if pair[0] in wanted)


def together(
    vector: Vector, by: Sequence[str], how: Callable[[list[float]], float] = math.fsum
) -> Vector:
    """Put a vector's values together by some attributes, as ``sum by`` does."""
    groups: defaultdict[Labels, list[float]] = defaultdict(list)
    kept: dict[Labels, Labels] = {}
    for labels, value in vector.items():
        if labels not in kept:
            kept[labels] = keep(labels, by)
        groups[kept[labels]].append(value)
    return {labels: how(values) for labels, values in groups.items()}


def also_in(vector: Vector, other: Vector, on: Sequence[str]) -> Vector:
    """Return what has a match in another vector, as ``and on`` does."""
    there = {keep(labels, on) for labels in other}
    return {labels: value for labels, value in vector.items() if keep(labels, on) in there}


def not_in(vector: Vector, other: Vector, on: Sequence[str]) -> Vector:
    """Return what has no match in another vector, as ``unless on`` does."""
    there = {keep(labels, on) for labels in other}
    return {labels: value for labels, value in vector.items() if keep(labels, on) not in there}


def increase(
    times: Sequence[float], values: Sequence[float], start_s: float, end_s: float
) -> float | None:
    """Return a counter's increase in a window, extrapolated to the window as Prometheus does.

    A value below the one before it is a restart from 0. None below two samples.
    """
    first, last = bisect_left(times, start_s), bisect_right(times, end_s)
    found = [(times[i], values[i]) for i in range(first, last) if not math.isnan(values[i])]
    if len(found) < 2:  # noqa: PLR2004 - one sample has no increase
        return None
    gained = found[-1][1] - found[0][1]
    gained += sum(before for (_, before), (_, after) in pairwise(found) if after < before)
    sampled_s = found[-1][0] - found[0][0]
    apart_s = sampled_s / (len(found) - 1)
    to_start_s, to_end_s = found[0][0] - start_s, end_s - found[-1][0]
    if gained > 0 and found[0][1] >= 0:
        # It cannot have begun below 0.
        to_start_s = min(to_start_s, sampled_s * (found[0][1] / gained))
    covered_s = sampled_s
    for gap_s in (to_start_s, to_end_s):
        covered_s += gap_s if gap_s < apart_s * _FILLED else apart_s / 2
    return gained * (covered_s / sampled_s)


def quantiles(q: float, buckets: Vector) -> Vector:
    """Return a quantile of each histogram, as ``histogram_quantile`` does."""
    histograms: defaultdict[Labels, list[tuple[float, float]]] = defaultdict(list)
    for labels, count in buckets.items():
        bound = dict(labels).get(_LE, "")
        rest = tuple(pair for pair in labels if pair[0] != _LE)
        histograms[rest].append((_bound(bound), count))
    return {labels: _quantile(q, each) for labels, each in histograms.items()}


def _bound(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _quantile(q: float, buckets: list[tuple[float, float]]) -> float:
    """Interpolate within the bucket that holds the quantile; NaN where there is nothing in it."""
    cumulative = list(_cumulative(buckets))
    if not cumulative or cumulative[-1][0] != math.inf:
        return math.nan
    observed = cumulative[-1][1]
    if len(cumulative) < 2 or not observed > 0:  # noqa: PLR2004 - one bucket tells nothing
        return math.nan
    rank = q * observed
    finite = cumulative[:-1]
    i = next((i for i, (_, count) in enumerate(finite) if count >= rank), len(finite))
    if i == len(finite):
        return finite[-1][0]
    end, count = finite[i]
    if i == 0:
        return end if end <= 0 else end * (rank / count)
    start, before = finite[i - 1]
    return start + (end - start) * ((rank - before) / (count - before))


def _cumulative(buckets: list[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    """Yield bounds in order, each once, with counts that never fall."""
    bounds: defaultdict[float, float] = defaultdict(float)
    for bound, count in buckets:
        if not math.isnan(bound):
            bounds[bound] += count
    most = -math.inf
    for bound in sorted(bounds):
        most = max(most, bounds[bound])
        yield bound, most

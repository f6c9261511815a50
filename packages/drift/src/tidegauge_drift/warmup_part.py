"""What one process has learnt of a model's live rows, and what several have learnt together."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, TypeAlias

from tidegauge.batch import ModelKey
from tidegauge.operations import rank

from tidegauge_drift.builder import build
from tidegauge_drift.merging import merge
from tidegauge_drift.profile import Feature, ReferenceProfile
from tidegauge_drift.reservoir import GAP_S, TIME
from tidegauge_drift.store import dumps, loads
from tidegauge_drift.warmup_spec import WarmupSpec

if TYPE_CHECKING:
    from tidegauge_drift.reservoir import LiveRows

_FORMAT = 1
# Parts are taken together if none keeps more than so many times the share of rows of another.
# Processes that follow each other are within 2 of the smallest share when they look.
_ALIKE = 3.0

Intervals: TypeAlias = "Sequence[tuple[float, float]]"


class PartError(ValueError):
    """A file that is no part of a warm-up; the message says what it is."""


@dataclass(frozen=True, slots=True)
class Head:
    """What is known of a part without its profile.

    ``kept`` rows of ``seen`` are in the profile; ``served`` are those before calls were thinned.
    ``intervals`` are the times (Unix seconds) in which rows came. ``worker`` is who has learnt it,
    and what was ``wanted`` of all.
    """

    model: ModelKey
    operation: str
    worker: str
    wanted: WarmupSpec
    kept: int
    seen: int
    served: int
    intervals: tuple[tuple[float, float], ...]

    @property
    def share(self) -> float:
        """The share of its rows that are kept."""
        return self.kept / max(1, self.seen)

    def to_bytes(self, profile: ReferenceProfile) -> bytes:
        """Return the content of a part's file."""
        content = {
            "format": _FORMAT, "model": self.model.name, "version": self.model.version,
            "operation": self.operation, "worker": self.worker,
            "wanted": [self.wanted.rows, self.wanted.seconds],
            "kept": self.kept, "seen": self.seen, "served": self.served,
            "intervals": [list(each) for each in self.intervals],
        }  # fmt: skip
        return json.dumps(content).encode() + b"\n" + dumps(profile)


def read_head(line: bytes) -> Head:
    """Read the first line of a part's file.

    Raises
    ------
    PartError
        It is none, or of another version.
    """
    try:
        found = json.loads(line)
        if found["format"] != _FORMAT:
            raise PartError("the format of another version")
        rows, seconds = found["wanted"]
        return Head(
            ModelKey(str(found["model"]), str(found["version"])), str(found["operation"]),
            str(found["worker"]), WarmupSpec(int(rows), int(seconds)),
            int(found["kept"]), int(found["seen"]), int(found["served"]),
            tuple((float(first), float(last)) for first, last in found["intervals"]),
        )  # fmt: skip
    except (ValueError, TypeError, KeyError) as error:
        raise PartError("no first line of a part") from error


def read_profile(content: bytes) -> ReferenceProfile:
    """Read the profile of a part's file.

    Raises
    ------
    ProfileError
        It is torn or changed.
    """
    return loads(content.partition(b"\n")[2], "part of a warm-up")


def learn(
    rows: LiveRows, *, include: Sequence[str], exclude: Sequence[str], hashed: bool
) -> ReferenceProfile:
    """Build a profile of kept rows.

    Raises
    ------
    ProfileError
        No column can take part in drift.
    """
    profile = build(
        rows, outputs=rows.outputs, include=include, exclude=exclude, hash_categories=hashed,
        time_column=TIME, source="warmup",
    )  # fmt: skip
    # The times are not among the columns that the model gets.
    left_out = tuple(column for column in profile.left_out if column.name != TIME)
    return replace(profile, columns=profile.columns - 1, left_out=left_out, time_column="")


def alike(heads: Sequence[Head]) -> list[Head]:
    """Return the parts that may be added: of one operation, and of rows kept in like shares.

    A part that keeps every row beside one that keeps one in ten would count ten times. Of the sets
    that may be added it is the one of the most rows.
    """
    if not heads:
        return []
    highest = max((rank(head.operation), head.operation) for head in heads)[1]
    usable = [head for head in heads if head.operation == highest]
    sets = [
        [other for other in usable if one.share <= other.share <= _ALIKE * one.share]
        for one in usable
    ]
    return max(sets, key=lambda found: sum(head.seen for head in found))


def target(heads: Sequence[Head]) -> WarmupSpec:
    """Return what is enough: as the last to serve was told, if somebody has changed it."""
    return max(heads, key=lambda head: max(last for _, last in head.intervals)).wanted


def covered_s(heads: Sequence[Head]) -> float:
    """Return for how long rows have come, gaps of up to an hour included."""
    total, end = 0.0, float("-inf")
    for first, last in sorted(interval for head in heads for interval in head.intervals):
        start = end if first - end <= GAP_S else first
        total += max(0.0, last - start)
        end = max(end, last)
    return total


def concurrency(one: Head, heads: Sequence[Head]) -> float:
    """Return how many rows all processes served while this one kept one of its own."""
    together = sum(
        other.served * _overlap(one.intervals, other.intervals) / _length(other.intervals)
        for other in heads
        if other.worker != one.worker and other.operation == one.operation
    )
    return (one.served + together) / max(1, one.seen)


def _length(intervals: Intervals) -> float:
    return max(1.0, sum(last - first for first, last in intervals))


def _overlap(one: Intervals, other: Intervals) -> float:
    return sum(
        max(0.0, min(last, until) - max(first, since))
        for first, last in one
        for since, until in other
    )


def combined(
    parts: Sequence[tuple[Head, ReferenceProfile]], others: Sequence[Head], source: str
) -> ReferenceProfile:
    """Return the reference of several parts.

    Where n processes share the rows, each sees every n-th: neighbours are n rows apart, and what
    is above 1 of the design effect is an n-th of that of all rows. So it is multiplied.

    Raises
    ------
    ProfileError
        The parts are of other features.
    """
    heads = [head for head, _ in parts]
    profiles = [profile for _, profile in parts]
    factors = [concurrency(head, others) for head in heads]
    weights = [head.kept for head in heads]
    whole = profiles[0] if len(profiles) == 1 else merge(profiles)
    features = _dependent(whole.features, [p.features for p in profiles], factors, weights)
    outputs = _dependent(whole.outputs, [p.outputs for p in profiles], factors, weights)
    deff = max(feature.deff for feature in (*features, *outputs))
    return replace(whole, features=features, outputs=outputs, source=source, deff=deff)


def _dependent(
    whole: Sequence[Feature],
    parts: Sequence[Sequence[Feature]],
    factors: Sequence[float],
    weights: Sequence[int],
) -> tuple[Feature, ...]:
    found: dict[str, float] = {}
    for features, factor, weight in zip(parts, factors, weights, strict=True):
        for feature in features:
            more = (feature.deff - 1) * factor * weight / sum(weights)
            found[feature.name] = found.get(feature.name, 1.0) + more
    return tuple(replace(feature, deff=float(f"{found[feature.name]:.6g}")) for feature in whole)


def by_model(heads: Sequence[Head]) -> dict[ModelKey, list[Head]]:
    """Return the parts of each model."""
    ordered = sorted(heads, key=lambda head: head.model)
    return {model: list(group) for model, group in groupby(ordered, lambda head: head.model)}

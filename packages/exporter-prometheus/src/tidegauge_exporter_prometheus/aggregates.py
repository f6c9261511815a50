"""Families of an app's instruments in a form that can be added up over processes: pure.

How values of several workers become one is OpenTelemetry's own reading of an instrument: a sum
adds, unless it counts something of the whole host; a histogram adds; a gauge belongs to its worker.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum

from tidegauge import guard
from tidegauge.exact import Exact
from tidegauge_semconv import Kind

from tidegauge_exporter_prometheus.buckets import Buckets

#: Label of the process that a gauge was read in.
WORKER = "worker"

# Every process of a host reads the same there: the largest is the newest, a sum would be too much.
_OF_THE_HOST = ("system.", "hw.")

#: Labels in the order of their names, without empty ones: an empty label is an absent one.
Labels = tuple[tuple[str, str], ...]
Value = Exact | Buckets


class Rule(StrEnum):
    """How the values of several workers become one."""

    ADD = "add"
    LARGEST = "largest"
    APART = "apart"


class MergeError(ValueError):
    """Two workers do not agree on what a family is."""


@dataclass(slots=True)
class Aggregate:
    """One family: what it is, how it merges and its series.

    ``keys`` are all label names that any series has; ``source`` says what is behind it.
    """

    name: str
    kind: Kind
    rule: Rule
    unit: str
    documentation: str
    source: str
    keys: set[str] = field(default_factory=set)
    series: dict[Labels, Value] = field(default_factory=dict)

    @property
    def lasts(self) -> bool:
        """Whether the values outlive the process: it counts what happened, not what is."""
        return self.kind is not Kind.GAUGE

    @property
    def identity(self) -> tuple[object, ...]:
        """What must be equal to be merged."""
        return (self.kind, self.rule, self.unit)

    def copy(self) -> Aggregate:
        """Return a copy that can take in others."""
        return replace(self, keys=set(self.keys), series=dict(self.series))

    def join(self, other: Aggregate) -> None:
        """Take in series of the same process; of two with the same labels the first stays."""
        self.keys |= other.keys
        if self.rule is not other.rule:
            self.rule = Rule.APART
        for labels, value in other.series.items():
            self.put(labels, value)

    def put(self, labels: Labels, value: Value) -> None:
        """Take in one series of the same process; of two with the same labels the first stays."""
        if self.series.setdefault(labels, value) is not value:
            guard.once(
                f"prometheus.duplicate.{self.name}",
                "metric %s: two series have the same labels; the first is shown. "
                "Use attribute keys that differ in letters or digits.",
                self.source,
            )

    def add(self, other: Aggregate) -> None:
        """Take in another worker's series of this family.

        Raises
        ------
        MergeError
            The families differ, or the bounds of a histogram do.
        """
        if self.identity != other.identity:
            mine, theirs = (" ".join(map(str, one.identity)) for one in (self, other))
            raise MergeError(f"{mine} in one worker, {theirs} in another")
        merged = {key: self._merged(key, value) for key, value in other.series.items()}
        self.series.update(merged)
        self.keys |= other.keys

    def of_worker(self, worker: str) -> Aggregate:
        """Return the family as one worker's part of the merged one."""
        if self.rule is not Rule.APART:
            return self.copy()
        exported = f"exported_{WORKER}"
        return replace(
            self,
            keys={exported if key == WORKER else key for key in self.keys} | {WORKER},
            series={
                tuple(
                    sorted(
                        [(exported if key == WORKER else key, text) for key, text in labels]
                        + [(WORKER, worker)]
                    )
                ): value
                for labels, value in self.series.items()
            },
        )

    def _merged(self, labels: Labels, value: Value) -> Value:
        mine = self.series.get(labels)
        if mine is None:
            return value
        if isinstance(mine, Buckets) and isinstance(value, Buckets):
            try:
                return mine.plus(value)
            except ValueError as error:
                raise MergeError(str(error)) from error
        if isinstance(mine, Buckets) or isinstance(value, Buckets):
            raise MergeError("a histogram in one worker, a number in another")
        return max(mine, value, key=float) if self.rule is Rule.LARGEST else mine + value


@dataclass(frozen=True, slots=True)
class Collection:
    """What one reader collected: Tidegauge's metrics, the app's, and what describes the process."""

    target: dict[str, str] | None = None
    own: tuple[Aggregate, ...] = ()
    others: tuple[Aggregate, ...] = ()


def rule_of(name: str, kind: Kind, *, adds: bool) -> Rule:
    """Return how an instrument merges; ``adds`` says whether OpenTelemetry calls it a sum."""
    if kind is Kind.HISTOGRAM:
        return Rule.ADD
    if not adds:
        return Rule.APART
    return Rule.LARGEST if name.startswith(_OF_THE_HOST) else Rule.ADD


def merge(parts: Iterable[tuple[str, Iterable[Aggregate]]]) -> list[Aggregate]:
    """Merge the families of workers, each with its worker's name.

    A family on which they do not agree is left out, with one warning.
    """
    merged: dict[str, Aggregate] = {}
    broken: set[str] = set()
    for worker, aggregates in parts:
        for aggregate in aggregates:
            part = aggregate.of_worker(worker)
            known = merged.setdefault(part.name, part)
            if known is part:
                continue
            try:
                known.add(part)
            except MergeError as error:
                broken.add(part.name)
                guard.once(
                    f"prometheus.merge.{part.name}",
                    "metric %s: the workers do not agree: %s. It is left out of the Prometheus "
                    "endpoint; create it alike in all workers.",
                    part.source,
                    error,
                )
    return [aggregate for name, aggregate in merged.items() if name not in broken]


def archive(parts: Iterable[Iterable[Aggregate]]) -> list[Aggregate]:
    """Merge what lasts of workers that are gone.

    Families that do not agree are both kept: the disagreement is still there for a scrape to see.
    """
    kept: dict[tuple[object, ...], Aggregate] = {}
    other: dict[str, Aggregate] = {}
    for aggregates in parts:
        for aggregate in aggregates:
            if not aggregate.lasts:
                continue
            known = kept.setdefault((aggregate.name, *aggregate.identity), aggregate)
            if known is aggregate:
                continue
            try:
                known.add(aggregate)
            except MergeError:
                other.setdefault(aggregate.name, aggregate)
    return [*kept.values(), *other.values()]

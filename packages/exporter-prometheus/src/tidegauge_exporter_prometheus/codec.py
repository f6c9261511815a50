"""What a worker tells the others of its app's instruments, as bytes: pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from prometheus_client.samples import Exemplar, Timestamp
from tidegauge.exact import Exact
from tidegauge_semconv import Kind

from tidegauge_exporter_prometheus.aggregates import Aggregate, Labels, Rule, Value
from tidegauge_exporter_prometheus.buckets import Buckets

# Workers of one launch may run two releases, while an upgrade in place replaces them one by one.
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The app's instruments in one process, and what describes the process."""

    target: dict[str, str] | None
    aggregates: tuple[Aggregate, ...]


def encode(snapshot: Snapshot) -> bytes:
    """Return a snapshot as bytes."""
    bounds: dict[tuple[float, ...], int] = {}
    families = [_family(aggregate, bounds) for aggregate in snapshot.aggregates]
    found = {
        "format": _FORMAT,
        "target": snapshot.target,
        "bounds": list(bounds),
        "families": families,
    }
    return json.dumps(found, separators=(",", ":")).encode()


def decode(payload: bytes) -> Snapshot:
    """Return the snapshot that was encoded.

    Raises
    ------
    ValueError
        Another release wrote it, or it is no snapshot.
    """
    found = json.loads(payload)
    if not isinstance(found, dict) or found.get("format") != _FORMAT:
        raise ValueError("a snapshot of another release")
    bounds = [tuple(each) for each in found["bounds"]]
    aggregates = (_aggregate(family, bounds) for family in found["families"])
    return Snapshot(found["target"], tuple(aggregates))


def _family(aggregate: Aggregate, bounds: dict[tuple[float, ...], int]) -> list[Any]:
    keys = sorted(aggregate.keys)
    series = [
        [[known.get(key, "") for key in keys], _value(value, bounds)]
        for known, value in ((dict(labels), value) for labels, value in aggregate.series.items())
    ]
    what = [aggregate.name, aggregate.kind, aggregate.rule, aggregate.unit]
    return [*what, aggregate.documentation, aggregate.source, keys, series]


def _aggregate(family: list[Any], bounds: list[tuple[float, ...]]) -> Aggregate:
    name, kind, rule, unit, documentation, source, keys, series = family
    aggregate = Aggregate(name, Kind(kind), Rule(rule), unit, documentation, source, set(keys))
    for texts, value in series:
        labels: Labels = tuple(item for item in zip(keys, texts, strict=True) if item[1])
        aggregate.series[labels] = _decoded(value, bounds)
    return aggregate


def _value(value: Value, bounds: dict[tuple[float, ...], int]) -> object:
    if isinstance(value, Exact):
        return value.parts
    return {
        "bounds": bounds.setdefault(value.bounds, len(bounds)),
        "counts": value.counts,
        "sum": None if value.sum is None else value.sum.parts,
        "octaves": value.octaves,
        "exemplars": [_pointer(exemplar) for exemplar in value.newest_exemplars().values()],
    }


def _decoded(value: Any, bounds: list[tuple[float, ...]]) -> Value:
    if isinstance(value, list):
        return Exact(tuple(value))
    total = value["sum"]
    return Buckets(
        bounds[value["bounds"]],
        tuple(value["counts"]),
        None if total is None else Exact(tuple(total)),
        value["octaves"],
        tuple(
            Exemplar(labels, number, Timestamp(*at)) for labels, number, at in value["exemplars"]
        ),
    )


def _pointer(exemplar: Exemplar) -> tuple[object, ...]:
    at = exemplar.timestamp
    seconds = (at.sec, at.nsec) if isinstance(at, Timestamp) else (0, 0)
    return (exemplar.labels, exemplar.value, seconds)


def common_target(targets: Iterable[dict[str, str] | None]) -> dict[str, str] | None:
    """Return what describes all processes alike; None where nobody is described."""
    known = [target for target in targets if target is not None]
    if not known:
        return None
    first, *others = known
    return {
        key: text for key, text in first.items() if all(other.get(key) == text for other in others)
    }

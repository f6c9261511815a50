"""Aggregates to Prometheus metric families: names that clash, labels of a family made equal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from prometheus_client import Metric as Family
from prometheus_client.samples import Sample
from tidegauge import guard
from tidegauge_semconv import Kind

from tidegauge_exporter_prometheus.buckets import Buckets, le_strings
from tidegauge_exporter_prometheus.naming import TOTAL

if TYPE_CHECKING:
    from tidegauge_exporter_prometheus.aggregates import Aggregate, Collection

# Every name that a family may use in either format, so that no two families share one.
_SUFFIXES: Mapping[str, tuple[str, ...]] = {
    "counter": ("", TOTAL, "_created"),
    "gauge": ("",),
    "histogram": ("", "_bucket", "_count", "_sum", "_created"),
    "info": ("", "_info"),
}


class Claims:
    """The names that the families of one scrape have taken."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def claim(self, name: str, kind: str) -> bool:
        """Reserve a family's names; False where one of them is taken."""
        names = [name + suffix for suffix in _SUFFIXES.get(kind, ("",))]
        if not self._taken.isdisjoint(names):
            return False
        self._taken.update(names)
        return True


def families(collections: Sequence[Collection], extra: Iterable[Family] = ()) -> list[Family]:
    """Return the families of what one or more readers collected; the first has a name.

    Tidegauge's own metrics come first, so that no other instrument can take their names; they are
    the same for every reader of a process, so only the first reader's count. ``extra`` families
    follow where their names are free.
    """
    claims = Claims()
    found: list[Family] = []
    targets = [each.target for each in collections if each.target is not None]
    if targets:
        claims.claim("target", "info")
        info = Family("target", "Target metadata", "info")
        info.samples.append(Sample("target_info", {k: v for t in targets for k, v in t.items()}, 1))
        found.append(info)
    own = next((each.own for each in collections if each.own), ())
    others = (aggregate for each in collections for aggregate in each.others)
    shown: dict[tuple[str, Kind], Aggregate] = {}
    for aggregate in (*own, *others):
        key = (aggregate.name, aggregate.kind)
        if key in shown:
            shown[key].join(aggregate)
        elif claims.claim(aggregate.name, aggregate.kind.value):
            shown[key] = aggregate.copy()
        else:
            guard.once(
                f"prometheus.skip.{aggregate.name}",
                "metric %s: another metric already has the Prometheus name %r. It is left out of "
                "the Prometheus endpoint; rename it or drop it with a View.",
                aggregate.source,
                aggregate.name,
            )
    found.extend(_family(aggregate) for aggregate in shown.values() if aggregate.series)
    found.extend(family for family in extra if claims.claim(family.name, family.type))
    return found


def _family(aggregate: Aggregate) -> Family:
    name, kind = aggregate.name, aggregate.kind
    family = Family(name, aggregate.documentation, kind.value, aggregate.unit)
    keys = sorted(aggregate.keys)
    sample_name = name + TOTAL if kind is Kind.COUNTER else name
    for labels, value in aggregate.series.items():
        full = {**dict.fromkeys(keys, ""), **dict(labels)}
        if isinstance(value, Buckets):
            family.samples.extend(_histogram(name, full, value))
        else:
            family.samples.append(Sample(sample_name, full, float(value)))
    return family


def _histogram(name: str, labels: dict[str, str], buckets: Buckets) -> Iterator[Sample]:
    exemplars = buckets.newest_exemplars()
    for index, le in enumerate(le_strings(buckets.bounds)):
        count = float(buckets.counts[index])
        yield Sample(f"{name}_bucket", {**labels, "le": le}, count, None, exemplars.get(index))
    # prometheus_client's own family class leaves the count out with the sum.
    yield Sample(f"{name}_count", labels, float(buckets.counts[-1]))
    if buckets.sum is not None:
        yield Sample(f"{name}_sum", labels, float(buckets.sum))

"""What the files of alerts and of dashboards say of metrics: a name, attributes, and which of them.

All of it raises ``AlertFileError`` where a metric has no such attribute.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tidegauge_semconv import MetricSpec, all_metrics

from tidegauge_alerting.measures import Where
from tidegauge_alerting.sections import Section, nearest

_METRICS = {spec.name: spec for spec in all_metrics()}


def metric(entry: Section, key: str) -> MetricSpec:
    """Return the metric that a key names."""
    return named(entry, key, entry.text(key))


def metrics(entry: Section, key: str) -> tuple[MetricSpec, ...]:
    """Return the metrics that a list names; none where there is none."""
    return tuple(named(entry, key, name) for name in entry.texts(key, ()))


def named(entry: Section, key: str, name: str) -> MetricSpec:
    """Return the metric of a name that was found under a key."""
    if name not in _METRICS:
        raise entry.wrong(key, name, "the name of a metric", nearest(name, list(_METRICS)))
    return _METRICS[name]


def by(
    entry: Section,
    key: str,
    spec: MetricSpec,
    default: tuple[str, ...] | None = None,
    more: Sequence[str] = (),
) -> tuple[str, ...]:
    """Return attributes of a metric; ``more`` are some that only an answer has."""
    return attributes(entry, key, spec, entry.texts(key, default), more)


def attributes(
    entry: Section, key: str, spec: MetricSpec, names: Iterable[str], more: Sequence[str] = ()
) -> tuple[str, ...]:
    """Return names that were found under a key, all of them attributes of a metric."""
    known, found = (*spec.attributes, *more), tuple(names)
    for name in found:
        if name not in known:
            raise entry.wrong(
                key, name, f"attributes of {spec.name}: {', '.join(known)}", nearest(name, known)
            )
    return found


def where(entry: Section, key: str, spec: MetricSpec) -> tuple[Where, ...]:
    """Return which series are meant, by attributes and their values; none: all."""
    inner = entry.section_or_none(key)
    if inner is None:
        return ()
    attributes(entry, key, spec, inner.raw)
    found = tuple(Where(name, inner.texts(name)) for name in inner.raw)
    for each in found:
        if not each.values:
            raise inner.wrong(each.attribute, [], "a text or some texts", "The empty one is ''.")
    return found

"""One entry of a file of alerts to a definition, and nothing that could not be rendered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from tidegauge_semconv import Kind, MetricSpec

from tidegauge_alerting import metric_keys
from tidegauge_alerting.definitions import COOLDOWN_S, AlertDefinition, Comparison, Severity
from tidegauge_alerting.measures import (
    Across,
    EffectiveGuard,
    EventGuard,
    Guard,
    Increase,
    Last,
    Measure,
    Quantile,
    Reachable,
    RowGuard,
    Share,
    StabilityIndex,
    Vanished,
)
from tidegauge_alerting.sections import AlertFileError, Section, nearest
from tidegauge_alerting.texts import parts

#: What a threshold may be.
UNITS = ("share", "positive", "any", "fixed")
TOGETHER = ("max", "min", "sum", "avg", "count")

_PARTS_OF_A_NAME = 64


def definition(where: str, raw: Mapping[str, Any]) -> AlertDefinition:
    """Return the definition of a whole entry.

    Raises
    ------
    AlertFileError
        Something of it is missing, unknown, or does not fit the rest.
    """
    entry = Section(where, raw)
    name = entry.text("name")
    if not (name.isascii() and name.isidentifier() and len(name) <= _PARTS_OF_A_NAME):
        raise entry.wrong(
            "name", name, f"at most {_PARTS_OF_A_NAME} letters, digits and underscores",
            "Rename it: the name is a label in every vendor.",
        )  # fmt: skip
    entry.flag("enabled", default=True)
    metric = metric_keys.metric(entry, "metric")
    severity = Severity(entry.choice("severity", [each.value for each in Severity]))
    comparison = Comparison(entry.choice("comparison", [each.value for each in Comparison]))
    try:
        found = AlertDefinition(
            name=name,
            metric=metric,
            measure=_measure(entry, metric),
            comparison=comparison,
            threshold=entry.number("threshold"),
            severity=severity,
            summary=entry.text("summary"),
            description=entry.text("description"),
            guard=_guard(entry),
            for_s=entry.seconds("for", 0),
            unit=entry.choice("unit", UNITS, "positive"),
            see=metric_keys.metrics(entry, "see"),
            low=entry.number_or_none("low"),
            recovery=entry.number_or_none("recovery"),
            cooldown_s=entry.seconds("cooldown", COOLDOWN_S[severity]),
            channels=entry.texts("channels", ()),
            runbook_url=_url(entry),
            first_steps=entry.text("first_steps", ""),
            threshold_from=entry.text("threshold_from", ""),
            needs=entry.text("needs", ""),
            inhibits=entry.texts("inhibits", ()),
        )
        entry.done()
        _check(entry, found)
    except (ValueError, TypeError) as error:
        raise AlertFileError(f"{where}: {error}") from error
    return found


def _check(entry: Section, found: AlertDefinition) -> None:
    if found.unit == "share" and not 0 < found.threshold < 1:
        raise entry.wrong(
            "threshold", found.threshold, "a share above 0 and below 1", "5 % is 0.05."
        )
    if found.unit == "positive" and found.threshold <= 0:
        raise entry.wrong("threshold", found.threshold, "a number above 0", "Or write 'unit: any'.")
    for text in (found.summary, found.description, found.first_steps):
        for _ in parts(text, found):
            pass  # an unknown placeholder raises
    events = (Share, Quantile, Across)
    match found.guard:
        case EventGuard() if not isinstance(found.measure, events):
            raise entry.wrong(
                "guard", "events", "rows, or no guard",
                "Events guard a share, a quantile or an across.",
            )  # fmt: skip
        case EffectiveGuard() if not isinstance(found.measure, StabilityIndex):
            raise entry.wrong(
                "guard", "effective", "events or rows", "It guards a stability_index."
            )
        case RowGuard() | EventGuard() if isinstance(found.measure, StabilityIndex):
            raise entry.wrong("guard", "rows", "effective", "Only it guards a stability_index.")
        case _:
            pass


def _measure(entry: Section, metric: MetricSpec) -> Measure:
    kind = entry.section("measure", f"one of {', '.join(_MEASURES)}")
    name = _only_key(kind, tuple(_MEASURES))
    wanted, make = _MEASURES[name]
    if metric.kind is not wanted and name != "reachable":
        raise entry.wrong(
            "measure", name, f"a measure of a {metric.kind}",
            f"{metric.name} is a {metric.kind}: take "
            f"{' or '.join(each for each, (of, _) in _MEASURES.items() if of is metric.kind)}.",
        )  # fmt: skip
    inner = Section(f"{kind.where}, {name}", kind.raw[name] or {})
    found = make(inner, metric)
    inner.done()
    return found


def _last(entry: Section, metric: MetricSpec) -> Measure:
    return Last(metric_keys.where(entry, "where", metric))


def _share(entry: Section, metric: MetricSpec) -> Measure:
    part = metric_keys.where(entry, "part", metric)
    if not part:
        raise entry.wrong("part", {}, "the attributes of the part", "For example: status: error.")
    of = metric_keys.where(entry, "of", metric)
    return Share(part, metric_keys.by(entry, "by", metric), entry.seconds("window"), of)


def _quantile(entry: Section, metric: MetricSpec) -> Measure:
    q = entry.number("q")
    if not 0 < q < 1:
        raise entry.wrong("q", q, "a number above 0 and below 1", "The slowest 5 % begin at 0.95.")
    return Quantile(q, metric_keys.by(entry, "by", metric), entry.seconds("window"))


def _increase(entry: Section, metric: MetricSpec) -> Measure:
    return Increase(metric_keys.by(entry, "by", metric), entry.seconds("window"))


def _vanished(entry: Section, metric: MetricSpec) -> Measure:
    return Vanished(metric_keys.by(entry, "by", metric), entry.seconds("window"))


def _reachable(_entry: Section, _metric: MetricSpec) -> Measure:
    return Reachable()


def _index(entry: Section, metric: MetricSpec) -> Measure:
    (bins,) = metric_keys.attributes(entry, "bins", metric, (entry.text("bins"),))
    index = StabilityIndex(
        by=metric_keys.by(entry, "by", metric),
        bins=bins,
        outside=entry.texts("outside", ()),
        reference=metric_keys.metric(entry, "reference"),
        floor=entry.number("floor"),
        windows_s=(),
    )
    return index.over(entry.times("windows"))


def _across(entry: Section, metric: MetricSpec) -> Measure:
    per, by = metric_keys.by(entry, "per", metric), metric_keys.by(entry, "by", metric, ())
    if not set(by) <= set(per):
        raise entry.wrong("by", list(by), f"some of {', '.join(per)}", "Name them under per too.")
    return Across(
        entry.choice("each", TOGETHER),  # type: ignore[arg-type]  # one of the choices
        per,
        entry.choice("over", TOGETHER),  # type: ignore[arg-type]
        by,
        metric_keys.where(entry, "where", metric),
    )


_MEASURES: dict[str, tuple[Kind, Callable[[Section, MetricSpec], Measure]]] = {
    "last": (Kind.GAUGE, _last),
    "across": (Kind.GAUGE, _across),
    "share": (Kind.COUNTER, _share),
    "increase": (Kind.COUNTER, _increase),
    "vanished": (Kind.COUNTER, _vanished),
    "stability_index": (Kind.COUNTER, _index),
    "reachable": (Kind.COUNTER, _reachable),
    "quantile": (Kind.HISTOGRAM, _quantile),
}
GUARDS = ("events", "rows", "effective")


def _guard(entry: Section) -> Guard | None:
    guard = entry.section_or_none("guard")
    if guard is None:
        return None
    name = _only_key(guard, GUARDS)
    found: Guard
    if name == "events":
        found = EventGuard(guard.number("events"))
    else:
        inner = guard.section(name, "a metric and a minimum")
        metric = metric_keys.metric(inner, "metric")
        minimum = inner.number("minimum")
        if name == "rows":
            found = RowGuard(metric, minimum, metric_keys.where(inner, "where", metric))
        else:
            found = EffectiveGuard(metric, minimum)
        inner.done()
    if found.minimum < 1:
        raise guard.wrong(name, found.minimum, "a minimum of at least 1", "Or leave guard out.")
    return found


def _only_key(section: Section, known: tuple[str, ...]) -> str:
    names = list(section.raw)
    if len(names) == 1 and names[0] in known:
        return names[0]
    advice = nearest(names[0], known) if len(names) == 1 else "Keep one."
    raise AlertFileError(
        f"{section.where}: got {', '.join(names) or 'nothing'}; expected one of "
        f"{', '.join(known)}. {advice}"
    )


def _url(entry: Section) -> str:
    url = entry.text("runbook_url", "")
    if not url:
        return ""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc or not url.isprintable():
        raise entry.wrong(
            "runbook_url", url, "an http or https address",
            "For example: https://runbooks.example.com/{name}.",
        )  # fmt: skip
    return url

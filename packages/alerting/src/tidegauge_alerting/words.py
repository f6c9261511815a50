"""What an alert looks at, in words: for the documentation and the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegauge_alerting.definitions import AlertDefinition, Comparison
from tidegauge_alerting.measures import (
    Across,
    EffectiveGuard,
    EventGuard,
    Increase,
    Last,
    Quantile,
    Reachable,
    RowGuard,
    Share,
    StabilityIndex,
    Vanished,
    Where,
)
from tidegauge_alerting.promql import duration
from tidegauge_alerting.texts import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

_SIDES = {
    Comparison.ABOVE: "above",
    Comparison.AT_LEAST: "at least",
    Comparison.BELOW: "below",
    Comparison.AT_MOST: "at most",
    Comparison.EQUAL: "equal to",
}


def condition(definition: AlertDefinition) -> str:
    """Return when an alert begins, as one sentence without a full stop."""
    said = f"{_measured(definition)} is {_side(definition)}"
    match definition.guard:
        case None:
            return said
        case EventGuard(minimum=minimum):
            return f"{said}, and at least {minimum:g} of them speak for it"
        case RowGuard(metric=metric, minimum=minimum, where=where):
            return f"{said}, and `{metric.name}`{_of(where)} is at least {minimum:g}"
        case EffectiveGuard(effect=effect, minimum=minimum):
            return f"{said}, on rows worth at least {minimum:g} (`{effect.name}`)"


def labels(definition: AlertDefinition) -> str:
    """Return the labels that each alert carries."""
    return ", ".join(f"`{key}`" for key in definition.labels)


def _side(definition: AlertDefinition) -> str:
    threshold = _number(definition.threshold, definition)
    if definition.low is not None:
        return f"below {_number(definition.low, definition)} or above {threshold}"
    return f"{_SIDES[definition.comparison]} {threshold}"


def _number(value: float, definition: AlertDefinition) -> str:
    if definition.unit == "share":
        return shown(value, "percent")
    return shown(value, "duration" if definition.metric.unit == "s" else "number")


def _measured(definition: AlertDefinition) -> str:
    name = f"`{definition.metric.name}`"
    match definition.measure:
        case Last(where=where):
            said = f"the last value of {name}{_of(where)}"
        case Share(part=part, window_s=window_s):
            said = f"the share of {name}{_of(part)} in {duration(window_s)}"
        case Quantile(q=q, window_s=window_s):
            said = f"the quantile {q:g} of {name} in {duration(window_s)}"
        case Increase(window_s=window_s):
            said = f"what {name} has counted in {duration(window_s)}"
        case Vanished(window_s=window_s):
            said = f"what {name} had counted in {duration(window_s)}, where it is gone now,"
        case Reachable():
            said = f"1 or 0 of a place that has shown {name}, can it be read or not,"
        case StabilityIndex(windows_s=windows_s):
            windows = " or ".join(duration(each) for each in windows_s)
            said = f"the population stability index of {name} over {windows}"
        case Across(each=each, per=per, over=over, by=by, where=where):
            units = ", ".join(f"`{key}`" for key in per)
            outer = f" by {', '.join(f'`{key}`' for key in by)}" if by else ""
            said = f"the {over}{outer} of the {each} by {units} of {name}{_of(where)}"
        case _:
            raise TypeError(
                f"measure of {definition.name}: got {definition.measure!r}; expected one that has "
                "words. Add them to tidegauge_alerting.words."
            )
    return said


def _of(where: Sequence[Where]) -> str:
    if not where:
        return ""
    said = (f"`{each.attribute}` {' or '.join(map(_value, each.values))}" for each in where)
    return f" with {', '.join(said)}"


def _value(value: str) -> str:
    return f"`{value}`" if value else "empty"

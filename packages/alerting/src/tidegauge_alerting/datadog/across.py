"""Series put together twice, as far as one query of a monitor can: how many models drift."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegauge_alerting.datadog.query_language import NotExpressibleError, groups, select
from tidegauge_alerting.datadog.scope import Scope, guard_message, indicator, unmuted
from tidegauge_alerting.definitions import AlertDefinition
from tidegauge_alerting.measures import Across, EventGuard

if TYPE_CHECKING:
    from collections.abc import Sequence


def across(definition: AlertDefinition, measure: Across, scope: Scope) -> str:
    """Return the query of series that are put together twice.

    Raises
    ------
    NotExpressibleError
        It would be two aggregations.
    TypeError
        The guard is one that this does not know.
    """
    keys, per = scope.keys(measure.by), scope.keys(measure.per, measure.where)
    if measure.each == measure.over and measure.each in ("max", "min", "sum"):
        if definition.guard is not None:
            raise NotExpressibleError("a guard on it has no query")
        return f"{measure.each}:{_series(definition, measure, scope, keys)}"
    if keys or measure.each not in ("max", "min", "sum", "avg"):
        raise NotExpressibleError(
            f"{measure.over} by {', '.join(keys) or 'nothing'} of {measure.each} by "
            f"{', '.join(per)} would be two aggregations; monitors have one"
        )
    inner = f"{measure.each}:{_series(definition, measure, scope, per)}"
    # Verdicts are 0 or 1: those that are 1 are as many as their sum.
    yes = f"count_nonzero({inner})"
    everything = f"count_not_null({inner})"
    is_verdict = definition.metric.name.endswith("detected") and measure.each in ("max", "min")
    match measure.over:
        case "count":
            value = everything
        case "sum" if is_verdict:
            value = yes
        case "avg" if is_verdict:
            value = f"{yes} / {everything}"
        case _:
            raise NotExpressibleError(
                f"{measure.over} of {measure.each} by {', '.join(per)} would be two aggregations; "
                "monitors have one"
            )
    match definition.guard:
        case None:
            return value
        case EventGuard(minimum=minimum) if is_verdict:
            return f"({value}) * {indicator(yes, minimum)}"
        case _:
            raise TypeError(guard_message(definition))


def _series(definition: AlertDefinition, measure: Across, scope: Scope, keys: Sequence[str]) -> str:
    silent = unmuted(definition.metric)
    return select(definition.metric, measure.where, scope.tags, groups(keys), silent)

"""What the queries of all monitors have in common: filters, groups, guards, mutes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidegauge_exporter_datadog import muted
from tidegauge_semconv import attributes as a

from tidegauge_alerting import mutes
from tidegauge_alerting.datadog.query_language import number
from tidegauge_alerting.definitions import AlertDefinition
from tidegauge_alerting.measures import Where

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegauge_semconv import MetricSpec

# What has no value where there is none: a GPU that is no partition of another has no parent.
_MAY_BE_EMPTY = {a.HW_PARENT}


@dataclass(frozen=True, slots=True)
class Scope:
    """What all queries have in common: tags that they are limited to, and how they are grouped."""

    tags: tuple[str, ...] = ()
    by_version: bool = False

    def keys(self, attributes: Sequence[str], where: Sequence[Where] = ()) -> tuple[str, ...]:
        """Return the tags to group by, those left out that the series may not have."""
        absent = {each.attribute for each in where if "" in each.values} | _MAY_BE_EMPTY
        if not self.by_version:
            absent.add(a.MODEL_VERSION)
        return tuple(key for key in attributes if key not in absent)


def unmuted(metric: MetricSpec) -> tuple[Where, ...]:
    """Return what leaves out the series that the exporter has marked as muted."""
    return () if mutes.of(metric) is None else (Where(muted.KEY, (muted.VALUE,)),)


def indicator(value: str, minimum: float) -> str:
    """Return a formula that is 1 from ``minimum`` on, and 0 up to 1 below it."""
    if minimum == 1:
        return f"clamp_max({value}, 1)"  # no value of a guard is negative
    return f"clamp_max(clamp_min({value} - {number(minimum - 1)}, 0), 1)"


def guard_message(definition: AlertDefinition) -> str:
    """Return what is said of a guard that nobody has a query for."""
    return (
        f"guard of {definition.name}: got {definition.guard!r} on {definition.measure!r}; "
        "expected one that tidegauge_alerting.datadog has a query for. Add it there."
    )

"""What an alert is, before any vendor's language: a measure of one metric, compared and guarded."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

from tidegauge_semconv import attributes as a

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegauge_semconv import MetricSpec


class Severity(StrEnum):
    """Whom an alert reaches: CRITICAL wakes somebody, WARNING waits for the day, INFO is a note."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


class Comparison(StrEnum):
    """How the measure is compared with the threshold."""

    ABOVE = ">"
    AT_LEAST = ">="
    EQUAL = "=="


@dataclass(frozen=True, slots=True)
class Where:
    """Keeps the series whose attribute has one of these values; ``""`` is an empty attribute."""

    attribute: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Last:
    """The last value of a gauge: one alert a series."""

    where: tuple[Where, ...] = ()


@dataclass(frozen=True, slots=True)
class Share:
    """The share of a counter's events in the window that have the given attributes."""

    part: tuple[Where, ...]
    by: tuple[str, ...]
    window_s: int


@dataclass(frozen=True, slots=True)
class Quantile:
    """A quantile of a histogram's events in the window; ``q`` is in (0, 1)."""

    q: float
    by: tuple[str, ...]
    window_s: int


@dataclass(frozen=True, slots=True)
class Increase:
    """A counter's events in the window; a series that is new counts from zero."""

    by: tuple[str, ...]
    window_s: int


@dataclass(frozen=True, slots=True)
class Vanished:
    """A counter's events in the window, where no series of it is left now.

    It ends by itself when the window has passed: what was retired is not missed for ever.
    """

    by: tuple[str, ...]
    window_s: int


@dataclass(frozen=True, slots=True)
class Reachable:
    """1 where a place that has shown the metric can be read, 0 where it cannot.

    A place that the vendor no longer looks for has no value.
    """


@dataclass(frozen=True, slots=True)
class StabilityIndex:
    """The population stability index of a counter's events in a window, over all processes.

    ``sum((q - p) * ln(q / p))`` over the values of ``bins`` but those of ``outside``. q is the
    share of the events, p the value of ``reference``; each at least ``floor``, not renormalised.
    There is one for each of ``windows_s``, told apart by the attribute ``window``.
    """

    by: tuple[str, ...]
    bins: str
    outside: tuple[str, ...]
    reference: MetricSpec
    floor: float
    windows_s: tuple[int, ...]

    def over(self, windows_s: Sequence[int]) -> StabilityIndex:
        """Return the same index over other windows.

        Raises
        ------
        ValueError
            There is none, one is below a minute, or one is no multiple of the shortest: a long
            window is made of short ones.
        """
        found = tuple(sorted(set(windows_s)))
        if not found or found[0] < _SHORTEST_S or any(each % found[0] for each in found):
            raise ValueError(
                f"windows: got {', '.join(f'{each} s' for each in windows_s) or 'none'}; expected "
                f"at least {_SHORTEST_S} s each, all multiples of the shortest. "
                "Leave them out for 1h and 1d."
            )
        return dataclasses.replace(self, windows_s=found)


# Shorter windows hold too few scrapes.
_SHORTEST_S = 60

Measure: TypeAlias = Last | Share | Quantile | Increase | Vanished | Reachable | StabilityIndex


@dataclass(frozen=True, slots=True)
class EventGuard:
    """Alert only when at least this many events of the window speak for it.

    For a share: events of the part. For a quantile: events beyond the bucket in which the
    threshold lies. One failure of two requests is half of them, and no reason to wake anybody.
    """

    minimum: float


@dataclass(frozen=True, slots=True)
class RowGuard:
    """Alert only where a second gauge with the same attributes has at least this value."""

    metric: MetricSpec
    minimum: float


@dataclass(frozen=True, slots=True)
class EffectiveGuard:
    """Alert only when the events of the window are worth at least so many independent ones.

    ``effect`` is a gauge that says how many events are worth one.
    """

    effect: MetricSpec
    minimum: float


Guard: TypeAlias = EventGuard | RowGuard | EffectiveGuard


@dataclass(frozen=True, slots=True)
class AlertDefinition:
    """One alert.

    ``summary`` and ``description`` may hold ``{attribute}`` for each of ``labels``, ``{model}``
    (name and version), ``{target}`` (a place that is read), ``{see}`` (the metrics to look at), and
    ``{value:...}`` and ``{threshold:...}`` as ``number``, ``percent`` or ``duration``.

    ``unit`` says what a threshold is: ``share`` in (0, 1), ``positive``, or ``fixed`` where the
    measure is a verdict and nothing can be tuned.
    """

    name: str
    metric: MetricSpec
    measure: Measure
    comparison: Comparison
    threshold: float
    severity: Severity
    summary: str
    description: str
    guard: Guard | None = None
    for_s: int = 0
    unit: str = "positive"
    see: tuple[MetricSpec, ...] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        """The attributes that each alert carries, beside those of the place it comes from."""
        match self.measure:
            case Last():
                return self.metric.attributes
            case Reachable():
                return ()
            case StabilityIndex(by=by):
                return (*by, a.WINDOW)
            case _:
                return self.measure.by

    def with_threshold(self, threshold: float) -> AlertDefinition:
        """Return the same alert at another threshold.

        Raises
        ------
        ValueError
            The alert has no threshold to set, or not this one; the message says what is allowed.
        """
        if self.unit == "fixed":
            raise ValueError(
                f"threshold of {self.name}: got {threshold:g}; expected none: the alert compares "
                "a verdict. Leave it out."
            )
        if self.unit == "share" and not 0 < threshold < 1:
            raise ValueError(
                f"threshold of {self.name}: got {threshold:g}; expected a share above 0 and "
                f"below 1. 5 % is 0.05; leave it out for {self.threshold:g}."
            )
        if not (math.isfinite(threshold) and threshold > 0):
            raise ValueError(
                f"threshold of {self.name}: got {threshold:g}; expected a number above 0. "
                f"Leave it out for {self.threshold:g}."
            )
        return dataclasses.replace(self, threshold=threshold)

    def with_minimum(self, minimum: float) -> AlertDefinition:
        """Return the same alert with another guard.

        Raises
        ------
        ValueError
            The alert has no guard, or the minimum is not a number of at least 1.
        """
        if self.guard is None:
            raise ValueError(
                f"minimum of {self.name}: got {minimum:g}; expected none: the alert has no guard. "
                "Leave it out."
            )
        if not (math.isfinite(minimum) and minimum >= 1):
            raise ValueError(
                f"minimum of {self.name}: got {minimum:g}; expected a number of at least 1. "
                f"Leave it out for {self.guard.minimum:g}."
            )
        return dataclasses.replace(self, guard=dataclasses.replace(self.guard, minimum=minimum))


def by_name(definitions: Sequence[AlertDefinition]) -> dict[str, AlertDefinition]:
    """Return definitions by name.

    Raises
    ------
    ValueError
        Two have the same name.
    """
    found = {definition.name: definition for definition in definitions}
    if len(found) != len(definitions):
        names = [definition.name for definition in definitions]
        twice = sorted({name for name in names if names.count(name) > 1})
        raise ValueError(
            f"alert definitions: got {', '.join(twice)} twice; expected each name once. Rename one."
        )
    return found

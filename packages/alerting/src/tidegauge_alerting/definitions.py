"""What an alert is, before any vendor's language: a measure of one metric, compared and guarded."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from tidegauge_semconv import attributes as a

from tidegauge_alerting.measures import Guard, Last, Measure, Reachable, StabilityIndex

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegauge_semconv import MetricSpec


class Severity(StrEnum):
    """Whom an alert reaches: CRITICAL wakes somebody, WARNING waits for the day, INFO is a note."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


#: How long an alert is not said again where its definition does not tell: in seconds.
COOLDOWN_S = {
    Severity.CRITICAL: 4 * 3600,
    Severity.WARNING: 24 * 3600,
    Severity.INFO: 7 * 24 * 3600,
}


class Comparison(StrEnum):
    """How the measure is compared with the threshold."""

    ABOVE = ">"
    AT_LEAST = ">="
    BELOW = "<"
    AT_MOST = "<="
    EQUAL = "=="
    OUTSIDE = "outside"  # below the definition's ``low`` or above its threshold

    def holds(self, value: float, threshold: float, low: float | None = None) -> bool:
        """Return whether a value is on the side that alerts; NaN never is."""
        match self:
            case Comparison.ABOVE:
                return value > threshold
            case Comparison.AT_LEAST:
                return value >= threshold
            case Comparison.BELOW:
                return value < threshold
            case Comparison.AT_MOST:
                return value <= threshold
            case Comparison.EQUAL:
                return value == threshold
            case Comparison.OUTSIDE:
                return value > threshold or (low is not None and value < low)


@dataclass(frozen=True, slots=True)
class AlertDefinition:
    """One alert.

    ``summary`` and ``description`` may hold ``{attribute}`` for each of ``labels``, ``{model}``
    (name and version), ``{target}`` (a place that is read), ``{see}`` (the metrics to look at), and
    ``{value:...}`` and ``{threshold:...}`` as ``number``, ``percent`` or ``duration``.

    ``unit`` says what a threshold is: ``share`` in (0, 1), ``positive``, ``any`` number, or
    ``fixed`` where the measure is a verdict and nothing can be tuned. ``threshold_from`` says where
    it comes from, ``first_steps`` what to do first, and ``needs`` what has to be installed or set
    for the metric to be there. ``inhibits`` names alerts that say nothing new while this one fires
    about the same model.

    ``low`` is the lower end of a band (``OUTSIDE`` alone). Beyond ``recovery`` the alert ends;
    between it and the threshold it stays as it is. ``cooldown_s`` is how long it is not said again
    (by default the severity's, ``COOLDOWN_S``). ``channels`` are names; none means those of its
    severity.

    Raises
    ------
    ValueError
        ``low`` or ``recovery`` do not fit the comparison and the threshold.
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
    low: float | None = None
    recovery: float | None = None
    cooldown_s: int = 0
    channels: tuple[str, ...] = ()
    runbook_url: str = ""
    first_steps: str = ""
    threshold_from: str = ""
    needs: str = ""
    inhibits: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.cooldown_s <= 0:
            object.__setattr__(self, "cooldown_s", COOLDOWN_S[self.severity])
        outside = self.comparison is Comparison.OUTSIDE
        if (self.low is None) == outside or (self.low is not None and self.low >= self.threshold):
            allowed = f"a number below {self.threshold:g}" if outside else "none"
            raise ValueError(
                f"low of {self.name}: got {self.low!r}; expected {allowed}. "
                "Give a low with the comparison 'outside', and with no other."
            )
        if self.recovery is not None:
            self._check_recovery(self.recovery)

    def _check_recovery(self, recovery: float) -> None:
        match self.comparison:
            case Comparison.ABOVE | Comparison.AT_LEAST:
                fits, allowed = recovery <= self.threshold, f"at most {self.threshold:g}"
            case Comparison.BELOW | Comparison.AT_MOST:
                fits, allowed = recovery >= self.threshold, f"at least {self.threshold:g}"
            case _:
                fits, allowed = False, "none: the alert has no side to come back from"
        if not fits:
            raise ValueError(
                f"recovery of {self.name}: got {recovery:g}; expected {allowed}. "
                "Give where the alert ends, or leave it out."
            )

    def fires_at(self, value: float) -> bool:
        """Return whether the alert begins at a value of its measure."""
        return self.comparison.holds(value, self.threshold, self.low)

    def stays_at(self, value: float) -> bool:
        """Return whether an alert that fires goes on at a value of its measure."""
        end = self.threshold if self.recovery is None else self.recovery
        return self.comparison.holds(value, end, self.low)

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

    @property
    def names_targets(self) -> bool:
        """Whether each alert is about one place that is read, and nothing else."""
        return isinstance(self.measure, Reachable)

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
        any_number = self.unit == "any"
        if not (math.isfinite(threshold) and (any_number or threshold > 0)):
            raise ValueError(
                f"threshold of {self.name}: got {threshold:g}; expected a number"
                f"{'' if any_number else ' above 0'}. Leave it out for {self.threshold:g}."
            )
        recovery = self.recovery
        if recovery is not None:
            recovery = moved(recovery, self.threshold, threshold)
        return dataclasses.replace(self, threshold=threshold, recovery=recovery)

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


def moved(recovery: float, before: float, threshold: float) -> float:
    """Return a recovery as far from another threshold as it was, in proportion."""
    return float(f"{threshold * (recovery / before if before else 1.0):.6g}")


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

"""What mutes an alert: which series of ``drift.muted`` say that nobody wants to hear of another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidegauge_semconv import attributes as a
from tidegauge_semconv import metrics

from tidegauge_alerting.measures import Where

if TYPE_CHECKING:
    from collections.abc import Collection

    from tidegauge_semconv import MetricSpec


@dataclass(frozen=True, slots=True)
class Mutes:
    """A series is muted where one of ``drift.muted`` with ``where`` has the same ``on``."""

    on: tuple[str, ...]
    where: tuple[Where, ...] = ()


def of(metric: MetricSpec, labels: Collection[str] | None = None) -> Mutes | None:
    """Return what mutes a metric's series, or an alert that keeps some of their labels.

    What is said of a feature or family is muted by the same feature and family. What is said of a
    whole reference is muted with the whole model: a muted feature says nothing about it. None where
    nothing can be muted.
    """
    kept = metric.attributes if labels is None else labels
    on = tuple(
        each
        for each in metric.attributes
        if each in metrics.DRIFT_MUTED.attributes and each in kept
    )
    if a.FEATURE in metric.attributes:
        return Mutes(on) if a.FEATURE in on else None
    if a.REFERENCE not in on:
        return None
    whole = Where(a.FAMILY, (a.OF_REFERENCE,))
    # A mute of one kind of window is not about what is said without any.
    return Mutes(on, (whole,) if a.WINDOW in on else (Where(a.WINDOW, ("",)), whole))

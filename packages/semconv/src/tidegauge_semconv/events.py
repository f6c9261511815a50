"""Every event of the suite: log records that say what has changed."""

from __future__ import annotations

from dataclasses import dataclass

from tidegauge_semconv import attributes as a


@dataclass(frozen=True, slots=True)
class EventSpec:
    """One event: its OpenTelemetry name and the attributes that its records may carry."""

    name: str
    description: str
    attributes: tuple[str, ...]


MODEL_DRIFT_DETECTED = EventSpec(
    "model.drift.detected",
    "The verdict on a feature, an output or a whole family has changed.",
    (
        a.MODEL_NAME, a.MODEL_VERSION, a.REFERENCE, a.FAMILY, a.FEATURE, a.WINDOW,
        a.STATE, a.STATISTIC, a.VALUE, a.THRESHOLD, a.MUTED,
    ),
)  # fmt: skip
CONFIGURATION_ERROR = EventSpec(
    "tidegauge.configuration.error",
    "A setting, a file or a plugin is wrong; what depends on it is off or has its default.",
    (a.SUBJECT,),
)
MODEL_SCHEMA_CHANGED = EventSpec(
    "model.schema.changed",
    "The columns that a model gets differ from those of its reference, or do no longer.",
    (a.MODEL_NAME, a.MODEL_VERSION, a.REFERENCE, a.SUBJECT, a.STATE),
)

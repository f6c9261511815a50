"""The event sink that every installation has: OpenTelemetry log records."""

from __future__ import annotations

from datetime import UTC, datetime

from opentelemetry._logs import SeverityNumber, get_logger_provider
from tidegauge_semconv import attributes as a
from tidegauge_semconv.events import (
    CONFIGURATION_ERROR,
    MODEL_DRIFT_DETECTED,
    MODEL_SCHEMA_CHANGED,
    EventSpec,
)

from tidegauge.events import ConfigurationError, Event, SchemaChange, StateChange
from tidegauge.otel_private import emit_event

_SCOPE = "tidegauge"
_CHANGED = "changed"
_ALARMS = frozenset({"drifted", "reference_mismatch"})


class LogEvents:
    """Emits each event as a log record; without a provider of logs that is nothing."""

    def on_event(self, event: Event) -> None:
        """Emit it through the provider that is the global one by now."""
        if isinstance(event, StateChange):
            alarm = event.state in _ALARMS and event.muted_until_s is None
            severity = SeverityNumber.WARN if alarm else SeverityNumber.INFO
            _emit(MODEL_DRIFT_DETECTED, event.at_s, severity, _text(event), _attributes(event))
        elif isinstance(event, SchemaChange):
            severity = SeverityNumber.WARN if event.state == _CHANGED else SeverityNumber.INFO
            _emit(MODEL_SCHEMA_CHANGED, event.at_s, severity, _columns(event), _of_schema(event))
        elif isinstance(event, ConfigurationError):
            named: dict[str, str | float] = {a.SUBJECT: event.subject}
            _emit(CONFIGURATION_ERROR, event.at_s, SeverityNumber.ERROR, event.message, named)


def _emit(
    spec: EventSpec,
    at_s: float,
    severity: SeverityNumber,
    text: str,
    attributes: dict[str, str | float],
) -> None:
    emit_event(
        get_logger_provider().get_logger(_SCOPE),
        spec.name,
        timestamp=int(at_s * 1e9),
        severity_number=severity,
        severity_text=severity.name,
        body=text,
        attributes=attributes,
    )


def _attributes(event: StateChange) -> dict[str, str | float]:
    found: dict[str, str | float | bool | None] = {
        a.MODEL_NAME: event.model.name,
        a.MODEL_VERSION: event.model.version,
        a.REFERENCE: event.reference,
        a.FAMILY: event.family,
        a.FEATURE: event.feature,
        a.WINDOW: event.window,
        a.STATE: event.state,
        a.STATISTIC: event.statistic,
        a.VALUE: event.value,
        a.THRESHOLD: event.threshold,
        a.MUTED: event.muted_until_s is not None,
    }
    return {key: value for key, value in found.items() if value is not None}


def _of_schema(event: SchemaChange) -> dict[str, str | float]:
    return {
        a.MODEL_NAME: event.model.name,
        a.MODEL_VERSION: event.model.version,
        a.REFERENCE: event.reference,
        a.SUBJECT: event.kind,
        a.STATE: event.state,
    }


def _columns(event: SchemaChange) -> str:
    model = str(event.model)
    which = f" ({', '.join(event.texts)})" if event.texts else ""
    return f"{model}: {event.kind} {event.state}{which}"


def _text(event: StateChange) -> str:
    model = str(event.model)
    what = f"{event.family} {event.feature}".rstrip()
    why = ""
    if event.value is not None and event.threshold is not None:
        why = f" ({event.statistic} {event.value:.4g}, threshold {event.threshold:.4g})"
    muted = ""
    if event.muted_until_s is not None:
        muted = f"; muted until {_moment(event.muted_until_s)} because {event.muted_because!r}"
    return f"{model}: {what} {event.state} in window {event.window}{why}{muted}"


def _moment(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")

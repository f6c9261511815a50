"""Every private name of OpenTelemetry that the suite uses, in one place.

Each exists on SDK 1.30, 1.42 and the newest; where one is missing, the feature behind it is off and
says so, and nothing else changes.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from typing import Any

from opentelemetry import context
from opentelemetry.trace import INVALID_SPAN_CONTEXT

#: Key of the context under which OpenTelemetry mutes instrumentation (exporters set it).
SUPPRESS_KEY: str = getattr(context, "_SUPPRESS_INSTRUMENTATION_KEY", "suppress_instrumentation")
#: The same key as older libraries write it.
SUPPRESS_KEY_PLAIN = "suppress_instrumentation"

Collect = Callable[..., Any]

# The scope of what the SDK measures of itself.
_SDK_SCOPE = "opentelemetry-sdk"


def _context_getter() -> Callable[[], Any]:
    """Return the fastest way to the current context: the context variable's own ``get``."""
    runtime = getattr(context, "_RUNTIME_CONTEXT", None)
    variable = getattr(runtime, "_current_context", None)
    return variable.get if isinstance(variable, ContextVar) else context.get_current


current_context = _context_getter()


def readers(provider: object) -> Iterable[Any] | None:
    """Return a MeterProvider's own readers; None where this is not the SDK's provider."""
    found = getattr(provider, "_metric_readers", None)
    if found is None:
        found = getattr(getattr(provider, "_sdk_config", None), "metric_readers", None)
    return found if isinstance(found, Iterable) else None


def resource(callback: object) -> Any:
    """Return the resource behind a reader's callback as it is now: it changes at a fork."""
    consumer = getattr(callback, "__self__", None)
    return getattr(getattr(consumer, "_sdk_config", None), "resource", None)


def has_callbacks(callback: object) -> bool:
    """Say whether instruments of the app are asked when a reader collects; yes if unknown.

    Those that the SDK has of itself cost next to nothing.
    """
    instruments = getattr(getattr(callback, "__self__", None), "_async_instruments", [None])
    scopes = (getattr(each, "instrumentation_scope", None) for each in list(instruments))
    return any(getattr(scope, "name", "") != _SDK_SCOPE for scope in scopes)


def collect_callback(reader: object) -> Collect | None:
    """Return the callback by which a reader collects; None before it has a provider."""
    return getattr(reader, "_collect", None)


def set_collect_callback(reader: Any, callback: Collect) -> None:
    """Replace the callback by which a reader collects."""
    reader._collect = callback  # noqa: SLF001 - the purpose of this module


def exporter(reader: object) -> object:
    """Return the exporter that a periodic reader pushes through; None for other readers."""
    return getattr(reader, "_exporter", None)


def temporalities(reader: object) -> dict[str, Any]:
    """Return the temporality that a reader prefers, by the name of the instrument's class."""
    return _by_name(getattr(reader, "_instrument_class_temporality", {}))


def aggregations(reader: object) -> dict[str, Any]:
    """Return the aggregation that a reader prefers, by the name of the instrument's class."""
    return _by_name(getattr(reader, "_instrument_class_aggregation", {}))


def _by_name(classes: dict[type, Any]) -> dict[str, Any]:
    return {kind.__name__.lstrip("_"): value for kind, value in classes.items()}


def emit_event(logger: Any, event_name: str, **fields: Any) -> None:
    """Emit an event through a logger of OpenTelemetry, of no span.

    From SDK 1.39 on a logger takes the fields by themselves. Older ones take a record, which has to
    be of the SDK's class and with its resource: exporters read what the API's class does not have.
    Before 1.35 a record has no name of an event; it was an attribute then.
    """
    if "event_name" in inspect.signature(logger.emit).parameters:
        logger.emit(event_name=event_name, context=context.Context(), **fields)
        return
    record = sys.modules[type(logger).__module__].LogRecord
    known = inspect.signature(record.__init__).parameters
    fields |= {
        "event_name": event_name,
        "resource": getattr(logger, "resource", None),
        "trace_id": INVALID_SPAN_CONTEXT.trace_id,
        "span_id": INVALID_SPAN_CONTEXT.span_id,
        "trace_flags": INVALID_SPAN_CONTEXT.trace_flags,
    }
    if "event_name" not in known:
        fields["attributes"] = {**fields["attributes"], "event.name": event_name}
    logger.emit(record(**{name: value for name, value in fields.items() if name in known}))

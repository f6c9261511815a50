"""What has changed, as Datadog shows it: pure.

One incident is one thread: what drifts in a family of a model shares an ``aggregation_key``, from
the first alarm to the last end, in all windows.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Hashable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b

from tidegauge.batch import ModelKey
from tidegauge.events import ConfigurationError, Event, SchemaChange, StateChange
from tidegauge_semconv import attributes as a

from tidegauge_exporter_datadog.naming import tag
from tidegauge_exporter_datadog.points import Tags
from tidegauge_exporter_datadog.transport import DatadogEvent

# In characters. Datadog takes 100, 4000 and 100; an event is one datagram to the Agent.
_TITLE = 100
_TEXT = 1400
_KEY = 100
_DIGEST = 8  # bytes

# Datadog would notify whomever a text names so, and whoever sends a request may name its columns.
_MENTION = re.compile(r"(?<!\w)@")
_AT = "\N{FULLWIDTH COMMERCIAL AT}"
_NOT_IN_KEY = re.compile(r"[^\w.:/-]+")

# By state: what the title and the text say, and how Datadog colours it.
_STATES = {
    "drifted": ("drifted", "drifted from the reference", "warning"),
    "reference_mismatch": (
        "do not fit the reference",
        "half of them or more differ from the reference since it began; it is of other data, or "
        "what feeds the model is wrong",
        "warning",
    ),
    "ok": ("ok again", "like the reference again", "success"),
    "unknown": (
        "not known any more",
        "windows started anew while the alarm was on; whether it still would be is not known",
        "info",
    ),
}
_SCHEMA = {
    "changed": ("columns differ from the reference", "warning"),
    "ok": ("columns are those of the reference again", "success"),
    "unknown": ("columns differed from a reference that was replaced", "info"),
}
_ENDS = frozenset({"ok", "unknown"})


@dataclass(frozen=True, slots=True)
class Incident:
    """An event to send, and what of it the limit of their number asks.

    ``alarm`` is the same for an alarm and its end, None for what has no end; ``detail``: there
    may be as many as a model has features.
    """

    event: DatadogEvent
    alarm: Hashable
    ends: bool
    detail: bool


def incident(event: Event, tags: Tags) -> Incident | None:
    """Return what to send of an event, with the tags of everything; None for an unknown kind."""
    if isinstance(event, StateChange):
        return _of_state(event, tags)
    if isinstance(event, SchemaChange):
        return _of_schema(event, tags)
    if isinstance(event, ConfigurationError):
        return _of_configuration(event, tags)
    return None


def with_note(event: DatadogEvent, note: str) -> DatadogEvent:
    """Return the event with a last line."""
    text = f"{_cut(event.text, _TEXT - len(note) - 1)}\n{note}"
    return DatadogEvent(
        event.title, text, event.alert_type, event.aggregation_key, event.tags, event.at_s
    )


def _of_state(event: StateChange, tags: Tags) -> Incident:
    state, sentence, alert_type = _STATES.get(
        event.state, (event.state, f"{event.state} now", "info")
    )
    model = event.model
    subject = f"{event.family} {event.feature}".rstrip()
    lines = [f"Model {model}, {subject}: {sentence}.", ""]
    if event.value is not None:
        threshold = "" if event.threshold is None else f", threshold {event.threshold:.4g}"
        lines.append(f"{event.statistic}: {event.value:.4g}{threshold}")
    lines += [f"window: {event.window}", f"reference: {event.reference}"]
    shown = "The bins that moved" if event.state == "drifted" else "More"
    lines.append(f"{shown}: {_command(event.model)}")
    muted = event.muted_until_s is not None
    if event.muted_until_s is not None:
        until = datetime.fromtimestamp(event.muted_until_s, UTC)
        lines.append(f"Muted until {until:%Y-%m-%d %H:%M:%S} UTC because: {event.muted_because}")
    named = {
        a.REFERENCE: event.reference,
        a.FAMILY: event.family,
        a.FEATURE: event.feature,
        a.WINDOW: event.window,
        a.STATE: event.state,
        a.STATISTIC: event.statistic,
        a.MUTED: "true" if muted else "",
    }
    found = DatadogEvent(
        _cut(f"{model}: {subject} {state}", _TITLE),
        _cut("\n".join(lines), _TEXT),
        "info" if muted else alert_type,
        _key("drift", event.model.name, event.model.version, event.family),
        _tags(_of_model(event.model) | named, tags),
        event.at_s,
    )
    alarm = (event.model, event.reference, event.family, event.feature, event.window)
    return Incident(found, alarm, event.state in _ENDS, detail=bool(event.feature))


def _of_schema(event: SchemaChange, tags: Tags) -> Incident:
    sentence, alert_type = _SCHEMA.get(event.state, (f"columns are {event.state}", "info"))
    model = event.model
    kind = event.kind.replace("_", " ")
    lines = [f"Model {model}: {sentence} ({kind}).", ""]
    lines += [f"- {text}" for text in event.texts]
    lines += [f"reference: {event.reference}", f"More: {_command(event.model)}"]
    named = {a.REFERENCE: event.reference, a.SUBJECT: event.kind, a.STATE: event.state}
    found = DatadogEvent(
        _cut(f"{model}: {sentence} ({kind})", _TITLE),
        _cut("\n".join(lines), _TEXT),
        alert_type,
        _key("schema", event.model.name, event.model.version),
        _tags(_of_model(event.model) | named, tags),
        event.at_s,
    )
    alarm = (event.model, event.reference, event.kind)
    return Incident(found, alarm, event.state in _ENDS, detail=False)


def _of_configuration(event: ConfigurationError, tags: Tags) -> Incident:
    found = DatadogEvent(
        _cut(f"Tidegauge: {event.subject} is set up wrongly", _TITLE),
        _cut(event.message, _TEXT),
        "error",
        _key("configuration", event.subject),
        _tags({a.SUBJECT: event.subject}, tags),
        event.at_s,
    )
    return Incident(found, None, ends=False, detail=False)


def _of_model(model: ModelKey) -> dict[str, str]:
    return {a.MODEL_NAME: model.name, a.MODEL_VERSION: model.version}


def _command(model: ModelKey) -> str:
    version = f" --version {shlex.quote(model.version)}" if model.version else ""
    return f"tidegauge explain {shlex.quote(model.name)}{version}"


def _tags(named: dict[str, str], more: Tags) -> Tags:
    found = {key: tag(key, value) for key, value in named.items()}
    return (*filter(None, found.values()), *(t for t in more if t.partition(":")[0] not in found))


def _key(*parts: str) -> str:
    """Return a key of these parts alone: what is too long or not clean gets a digest of it."""
    whole = ":".join(("tidegauge", *parts))
    clean = _NOT_IN_KEY.sub("_", whole)
    if clean == whole and len(whole) <= _KEY:
        return whole
    digest = blake2b(whole.encode("utf-8", "surrogatepass"), digest_size=_DIGEST).hexdigest()
    return f"{clean[: _KEY - 2 * _DIGEST - 1]}:{digest}"


def _cut(text: str, most: int) -> str:
    # Not UTF-8 is not JSON either.
    text = _MENTION.sub(_AT, text.encode("utf-8", "replace").decode())
    return text if len(text) <= most else f"{text[: most - 1]}…"

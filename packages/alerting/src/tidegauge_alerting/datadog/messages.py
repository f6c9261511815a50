"""The texts of an alert as Datadog's templates, and the handles of its channels: pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tidegauge_exporter_datadog.naming import metric_name
from tidegauge_semconv import attributes as a

from tidegauge_alerting.texts import Placeholder, constant, parts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegauge_alerting.channels import Channel
    from tidegauge_alerting.definitions import AlertDefinition

# Where a template begins or ends; and a word that would be notified.
_BRACES = re.compile(r"\{(?=\{|$)|\}(?=\})")
_MENTION = re.compile(r"(?<![\w.+-])@(?=\w)")
_NOT_IN_HANDLE = re.compile(r"[^\w.+@-]+")


def translate(
    text: str, definition: AlertDefinition, keys: Sequence[str], *, composite: bool
) -> str:
    """Return a text with Datadog's templates for its placeholders.

    Parameters
    ----------
    text : str
        Of the definition.
    definition : AlertDefinition
        Whose it is.
    keys : sequence of str
        The tags that the monitor is grouped by; others it cannot name.
    composite : bool
        The monitor is one of several, and its value is that of the first.

    Raises
    ------
    ValueError
        A placeholder names nothing that the alert carries.
    """
    return "".join(
        escape(part) if isinstance(part, str) else _template(part, definition, keys, composite)
        for part in parts(text, definition)
    )


def escape(text: str) -> str:
    """Return a text that a message shows: its braces are no template, and it notifies nobody."""
    apart = _BRACES.sub(lambda found: f"{found[0]} ", text)
    return _MENTION.sub("(at)", f" {apart}" if apart.startswith("}") else apart)


def message(
    definition: AlertDefinition,
    keys: Sequence[str],
    channels: Sequence[Channel],
    *,
    composite: bool = False,
    missing: bool = False,
) -> str:
    """Return what a monitor says, and whom it tells; a model's end is told where it is wanted."""
    texts = [definition.summary, definition.description]
    if definition.first_steps:
        texts.append(f"First: {definition.first_steps}")
    said = [translate(text, definition, keys, composite=composite) for text in texts]
    if definition.runbook_url:
        url = definition.runbook_url.replace("{name}", definition.name)
        said.append(f"Runbook: {escape(url)}")
    begins = "is_no_data" if missing else "is_alert"
    once = " ".join(handle(each) for each in channels if not each.send_resolved)
    always = " ".join(handle(each) for each in channels if each.send_resolved)
    body = "\n\n".join((*said, *filter(None, [once])))
    ended = f"{escape(definition.name)} has ended."
    blocks = [
        f"{{{{#{begins}}}}}\n{body}\n{{{{/{begins}}}}}",
        f"{{{{#is_recovery}}}}\n{ended}\n{{{{/is_recovery}}}}",
    ]
    return "\n".join((*blocks, *filter(None, [always])))


def handle(channel: Channel) -> str:
    """Return what notifies a channel: Datadog's own integrations, by the channel's name.

    A secret is never needed: Datadog has its own.
    """
    match channel.kind:
        case "email":
            return " ".join(f"@{_NOT_IN_HANDLE.sub('', address)}" for address in channel.to)
        case "slack":
            name = channel.channel.lstrip("#") or channel.name
        case _:
            name = channel.name
    return f"@{channel.kind}-{_NOT_IN_HANDLE.sub('-', name).strip('-')}"


def _template(
    placeholder: Placeholder, definition: AlertDefinition, keys: Sequence[str], composite: bool
) -> str:
    fixed = constant(placeholder, definition)
    match placeholder:
        case _ if fixed is not None:
            found = fixed
        case Placeholder("model"):
            found = _tag(a.MODEL_NAME)
            if a.MODEL_VERSION in keys:
                found += f" version {_tag(a.MODEL_VERSION)}"
        case Placeholder("see"):
            found = " and ".join(metric_name(spec.name) for spec in definition.see)
        case Placeholder("value", form):
            found = _value(form, composite=composite)
        case Placeholder(name):
            # A tag that the monitor is not grouped by has no value there.
            found = _tag(name) if name in keys else f"any {name}"
    return found


def _tag(key: str) -> str:
    # A dot would otherwise lead into the tag.
    return f"{{{{[{key}].name}}}}" if "." in key else f"{{{{{key}.name}}}}"


def _value(form: str, *, composite: bool) -> str:
    # What can be computed with is the value of a monitor that is not composed of others.
    value = "{{a.value}}" if composite else "{{value}}"
    match form:
        case "percent" if composite:
            return f"{value} (of 1)"
        case "percent":
            return '{{eval "value*100"}} %'
        case "duration":
            return f"{value} s"
        case _:
            return value

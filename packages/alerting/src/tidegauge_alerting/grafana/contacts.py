"""Channels as Grafana's contact points: secrets by reference alone, read when Grafana starts."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from tidegauge_alerting.channels import Channel, Secret

_LONGEST_UID = 40


def uid(name: str) -> str:
    """Return an identity of at most 40 characters for a name."""
    found = f"tidegauge-{name}"
    if len(found) <= _LONGEST_UID and found.replace("-", "").replace("_", "").isalnum():
        return found
    # Other characters are not allowed in it.
    return f"tidegauge-{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def point(names: Sequence[str]) -> str:
    """Return the name of the contact point that tells some channels at once."""
    return f"tidegauge {' and '.join(names)}"


def contact_point(names: Sequence[str], channels: Mapping[str, Channel]) -> dict[str, Any]:
    """Return the contact point of some channels.

    Raises
    ------
    ValueError
        A channel is not among them, or lacks what its kind needs.
    """
    receivers = []
    for name in names:
        if name not in channels:
            raise ValueError(
                f"channel: got {name!r}; expected one of {', '.join(sorted(channels)) or 'none'}. "
                "Define it under channels, or correct the name."
            )
        channel = channels[name]
        kind, settings = _settings(channel)
        receivers.append(
            {
                # Each receiver has one of its own, also where two points tell one channel.
                "uid": uid("-".join([*names, name]) if len(names) > 1 else name),
                "type": kind,
                "settings": settings,
                "disableResolveMessage": not channel.send_resolved,
            }
        )
    return {"orgId": 1, "name": literal(point(names)), "receivers": receivers}


def literal(text: str) -> str:
    """Return a text of which Grafana reads no part as a variable."""
    return text.replace("$", "$$")


def _settings(channel: Channel) -> tuple[str, dict[str, Any]]:
    match channel.kind:
        case "email":
            # The mail server is Grafana's own, in its section [smtp].
            return "email", {"addresses": literal(";".join(channel.to)), "singleEmail": True}
        case "slack":
            settings = {"url": _reference(channel, channel.url, "url")}
            if channel.channel:
                settings["recipient"] = literal(channel.channel)
            return "slack", settings
        case "pagerduty":
            key = _reference(channel, channel.routing_key, "routing_key")
            return "pagerduty", {"integrationKey": key}
        case "webhook":
            url = literal(channel.address) or _reference(channel, channel.url, "url")
            return "webhook", {"url": url, "httpMethod": "POST"}
        case _:
            raise TypeError(
                f"channel {channel.name}: got kind {channel.kind!r}; expected one that Grafana "
                "has a contact point for. Add it to tidegauge_alerting.grafana."
            )


def _reference(channel: Channel, secret: Secret | None, key: str) -> str:
    if secret is None:
        raise ValueError(
            f"channel {channel.name}: got no {key}; expected where it is kept, a file or a "
            "variable. Name one."
        )
    if secret.file:
        if "}" in secret.file:
            raise ValueError(
                f"channel {channel.name}: got {secret.file!r}; expected a path without '}}', which "
                "ends it in Grafana's files. Move the file."
            )
        return f"$__file{{{secret.file}}}"
    return f"${{{secret.env}}}"

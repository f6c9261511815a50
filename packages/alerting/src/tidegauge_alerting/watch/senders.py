"""A channel's way out: its secrets are read at each use, and kept nowhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from tidegauge_alerting.channels import Channel, Secret, SecretError
from tidegauge_alerting.watch import payloads
from tidegauge_alerting.watch.notice import Notice
from tidegauge_alerting.watch.transport import DeliveryError, post_json, send_mail

#: Sends a notice once, or raises DeliveryError.
Send: TypeAlias = Callable[[Notice], None]

_PAGERDUTY_URL = "https://events.pagerduty.com/v2/enqueue"


def sender(channel: Channel) -> Send:
    """Return what sends a notice to a channel.

    Raises
    ------
    TypeError
        There is no such kind of channel here.
    """
    match channel.kind:
        case "webhook":
            return lambda notice: post_json(_url(channel), payloads.webhook(notice, channel.name))
        case "slack":
            return lambda notice: post_json(_url(channel), payloads.slack(notice, channel))
        case "pagerduty":
            return lambda notice: post_json(
                channel.address or _PAGERDUTY_URL,
                payloads.pagerduty(notice, _read(channel.routing_key)),
            )
        case "email":
            return lambda notice: send_mail(
                payloads.email(notice, channel),
                channel.smarthost,
                username=channel.username,
                password=_read(channel.password),
                require_tls=channel.require_tls,
            )
        case _:
            raise TypeError(
                f"channel {channel.name}: got the kind {channel.kind!r}; expected email, slack, "
                "pagerduty or webhook. Use one of them."
            )


def _url(channel: Channel) -> str:
    return _read(channel.url) if channel.url is not None else channel.address


def _read(secret: Secret | None) -> str:
    """Read a secret. One that is missing may come: whoever rotates it removes it first."""
    if secret is None:
        return ""
    try:
        return secret.read()
    except SecretError as error:
        raise DeliveryError(str(error)) from None

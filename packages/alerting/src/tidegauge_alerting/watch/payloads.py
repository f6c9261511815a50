"""Notices as each kind of channel takes them: pure.

Values of labels come from data. Slack gets them as plain text, in which nothing is a mention, a
link or a format; an e-mail is plain text; JSON has no format.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any

from tidegauge_semconv import attributes as a

from tidegauge_alerting.channels import Channel
from tidegauge_alerting.definitions import Severity
from tidegauge_alerting.watch.notice import Item, Notice
from tidegauge_alerting.watch.words import moment, one_line

# What each receiver documents as its most.
_SLACK_HEADER = 150
_SLACK_TEXT = 3000
_PAGERDUTY_SUMMARY = 1024
# So many alerts are written out for people; the others are counted.
_WRITTEN_OUT = 10
# A webhook gets so many; the others are counted, as Alertmanager does.
_IN_WEBHOOK = 1000
_SUBJECT = 200

_NEVER = "0001-01-01T00:00:00Z"
_PAGERDUTY_SEVERITY = {
    Severity.CRITICAL: "critical",
    Severity.WARNING: "warning",
    Severity.INFO: "info",
}


def webhook(notice: Notice, receiver: str) -> dict[str, Any]:
    """Return what Alertmanager would send to a webhook: its version 4."""
    sent = notice.items[:_IN_WEBHOOK]
    alerts = [_webhook_alert(item) for item in sent]
    return {
        "version": "4",
        "groupKey": f"tidegauge:{notice.key}",
        "truncatedAlerts": len(notice.items) - len(sent),
        "status": "firing" if notice.fires else "resolved",
        "receiver": receiver,
        "groupLabels": {"alertname": notice.name, **notice.group},
        "commonLabels": _in_all([alert["labels"] for alert in alerts]),
        "commonAnnotations": _in_all([alert["annotations"] for alert in alerts]),
        "externalURL": "",
        "alerts": alerts,
    }


def slack(notice: Notice, channel: Channel) -> dict[str, Any]:
    """Return the message of an incoming webhook."""
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": _plain(notice.title, _SLACK_HEADER)},
    ]
    blocks += (
        {"type": "section", "text": _plain(text, _SLACK_TEXT)} for text in _paragraphs(notice)
    )
    # What notifications show. It is markup: what opens a mention or a link is escaped.
    message = {"text": _slack_escaped(one_line(notice.title, _SLACK_HEADER)), "blocks": blocks}
    return message | ({"channel": channel.channel} if channel.channel else {})


def pagerduty(notice: Notice, routing_key: str) -> dict[str, Any]:
    """Return an event for version 2 of the Events API: one incident a group."""
    event: dict[str, Any] = {
        "routing_key": routing_key,
        "event_action": "trigger" if notice.fires else "resolve",
        "dedup_key": f"tidegauge-{notice.key}",
    }
    if not notice.fires:
        return event
    firing = [item for item in notice.items if item.fires]
    first = firing[0]
    return event | {
        "client": "Tidegauge",
        "payload": {
            "summary": one_line(notice.title, _PAGERDUTY_SUMMARY),
            "source": notice.group.get(a.MODEL_NAME) or first.labels.get("instance") or "tidegauge",
            "severity": _PAGERDUTY_SEVERITY[notice.severity],
            "timestamp": moment(min(item.starts_s for item in firing)),
            "class": notice.name,
            "custom_details": {
                "description": first.description,
                "first_steps": first.first_steps,
                "alerts": [dict(item.labels) for item in firing[:_WRITTEN_OUT]],
                "firing": len(firing),
            },
        },
        "links": [{"href": url, "text": "Runbook"} for url in _runbooks(firing)],
    }


def email(notice: Notice, channel: Channel) -> EmailMessage:
    """Return a message in plain text; those of one group are one thread."""
    message = EmailMessage()
    domain = channel.sender.rpartition("@")[2].strip("> ") or "tidegauge.invalid"
    message["From"] = channel.sender
    message["To"] = ", ".join(channel.to)
    message["Subject"] = one_line(notice.title, _SUBJECT)
    message["Date"] = format_datetime(datetime.fromtimestamp(notice.at_s, UTC))
    # The same for each attempt: a server that took it and did not say so is sent no second one.
    message["Message-ID"] = f"<{notice.key}.{notice.at_s:.0f}@{domain}>"
    thread = f"<{notice.key}@{domain}>"
    message["In-Reply-To"] = thread
    message["References"] = thread
    # No out-of-office note answers an alert.
    message["Auto-Submitted"] = "auto-generated"
    message.set_content("\n\n".join(_paragraphs(notice)) + "\n")
    return message


def _paragraphs(notice: Notice) -> Iterator[str]:
    """Yield what people read, a few lines each, the alerts that fire first."""
    for item in notice.items[:_WRITTEN_OUT]:
        lines = [item.summary, item.description, item.first_steps]
        if not item.fires:
            lines = [f"Ended: {item.summary}"]
        since = f"Since {moment(item.starts_s)}"
        lines.append(since if item.ends_s is None else f"{since} until {moment(item.ends_s)}")
        lines.append(", ".join(f"{key}={value}" for key, value in item.labels.items()))
        yield "\n".join(line for line in lines if line)
    if len(notice.items) > _WRITTEN_OUT:
        yield f"And {len(notice.items) - _WRITTEN_OUT} more."
    for url in _runbooks(notice.items):
        yield f"Runbook: {url}"


def _runbooks(items: Sequence[Item]) -> list[str]:
    return list(dict.fromkeys(item.runbook_url for item in items if item.runbook_url))


def _webhook_alert(item: Item) -> dict[str, Any]:
    labels = dict(sorted(item.labels.items()))
    annotations = {
        "summary": item.summary,
        "description": item.description,
        "first_steps": item.first_steps,
        "runbook_url": item.runbook_url,
    }
    return {
        "status": "firing" if item.fires else "resolved",
        "labels": labels,
        "annotations": {key: value for key, value in annotations.items() if value},
        "startsAt": moment(item.starts_s),
        "endsAt": _NEVER if item.ends_s is None else moment(item.ends_s),
        "generatorURL": "",
        "fingerprint": _fingerprint(labels),
    }


def _in_all(mappings: Sequence[Mapping[str, str]]) -> dict[str, str]:
    first = mappings[0]
    return {
        key: value
        for key, value in first.items()
        if all(each.get(key) == value for each in mappings)
    }


def _plain(text: str, most: int) -> dict[str, Any]:
    cut = text if len(text) <= most else text[: most - 1] + "…"
    return {"type": "plain_text", "text": cut, "emoji": False}


def _slack_escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


_FNV_OFFSET = 0xCBF29CE484222325
_FNV_PRIME = 0x100000001B3
_SEPARATOR = b"\xff"


def _fingerprint(labels: Mapping[str, str]) -> str:
    """Return the fingerprint that Prometheus and Alertmanager give to these labels."""
    found = _FNV_OFFSET
    for key in sorted(labels):
        for byte in key.encode() + _SEPARATOR + labels[key].encode() + _SEPARATOR:
            found = ((found ^ byte) * _FNV_PRIME) & 0xFFFFFFFFFFFFFFFF
    return f"{found:016x}"

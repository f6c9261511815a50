"""Local servers in the place of those that alerts are sent to, as strict as their documentation.

- webhook: Alertmanager's version 4 (prometheus.io/docs/alerting/latest/configuration);
- slack: incoming webhooks with blocks (docs.slack.dev/reference/block-kit/blocks);
- pagerduty: version 2 of the Events API (developer.pagerduty.com/docs/send-alert-event).
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Literal, TypeAlias

from tidegauge_testkit.backends.loopback_server import LoopbackServer, Reply, Request
from tidegauge_testkit.backends.process import wait_until

_LIMIT_S = 60.0

Kind: TypeAlias = Literal["webhook", "slack", "pagerduty"]


class AlertReceiver(LoopbackServer):
    """Takes what its kind documents, and answers anything else with 400.

    Answers in ``replies`` are given in their order to what is right, then success for ever.
    """

    def __init__(self, kind: Kind) -> None:
        self._check, self._taken = _KINDS[kind]
        self.replies: deque[Reply] = deque()
        #: What was wrong with requests.
        self.faults: list[str] = []
        #: The bodies that came, with the status that each was answered with; 0 where it was not.
        self.posted: list[tuple[int, dict[str, Any]]] = []
        super().__init__(self._answer)

    def taken(self) -> list[dict[str, Any]]:
        """Return what was answered with success."""
        return [body for status, body in list(self.posted) if status in range(200, 300)]

    def wait_for(self, number: int) -> list[dict[str, Any]]:
        """Return what was taken, once it is so many."""
        return wait_until(
            lambda: found if len(found := self.taken()) >= number else None,
            f"{number} notices ({self.faults})",
            _LIMIT_S,
        )

    def _answer(self, request: Request) -> Reply:
        try:
            body = _json(request)
            self._check(body)
        except (ValueError, KeyError, TypeError) as error:
            self.faults.append(repr(error))
            self.posted.append((400, {}))
            return Reply(400, body=b"invalid_payload")
        reply = self.replies.popleft() if self.replies else self._taken
        self.posted.append((0 if reply.hangs else reply.status, body))
        return reply


def _json(request: Request) -> dict[str, Any]:
    kind = request.headers.get("Content-Type", "")
    if request.method != "POST" or not kind.startswith("application/json"):
        raise ValueError(f"{request.method} of {kind}")
    return dict(json.loads(request.body))


def _keys(found: Mapping[str, Any], needed: str, allowed: str = "") -> None:
    must, may = set(needed.split()), set(allowed.split())
    if not must <= set(found) <= must | may:
        raise ValueError(f"keys {sorted(found)}, expected {needed} and perhaps {allowed}")


def _texts(found: Mapping[str, Any]) -> None:
    for key, value in found.items():
        if not isinstance(value, str) or not value:
            raise ValueError(f"{key}: {value!r}")


def _moment(text: str) -> datetime:
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", text):
        raise ValueError(f"time {text!r}")
    return datetime.fromisoformat(text)


def check_webhook(body: Mapping[str, Any]) -> None:
    """Refuse what Alertmanager would not have sent."""
    _keys(
        body,
        "version groupKey truncatedAlerts status receiver groupLabels commonLabels "
        "commonAnnotations externalURL alerts",
    )
    if body["version"] != "4" or not body["groupKey"] or not body["alerts"]:
        raise ValueError("version, groupKey or alerts")
    if not isinstance(body["truncatedAlerts"], int) or body["truncatedAlerts"] < 0:
        raise ValueError("truncatedAlerts")
    for alert in body["alerts"]:
        _webhook_alert(alert)
        for common, own in (
            ("groupLabels", "labels"),
            ("commonLabels", "labels"),
            ("commonAnnotations", "annotations"),
        ):
            if not body[common].items() <= alert[own].items():
                raise ValueError(f"{common} {body[common]} of {alert[own]}")
    fires = any(alert["status"] == "firing" for alert in body["alerts"])
    if body["status"] != ("firing" if fires else "resolved"):
        raise ValueError(f"status {body['status']}")


def _webhook_alert(alert: Mapping[str, Any]) -> None:
    _keys(alert, "status labels annotations startsAt endsAt generatorURL fingerprint")
    _texts(alert["labels"])
    _texts(alert["annotations"])
    if not re.fullmatch(r"[0-9a-f]{16}", alert["fingerprint"]):
        raise ValueError(f"fingerprint {alert['fingerprint']!r}")
    starts, ends = _moment(alert["startsAt"]), _moment(alert["endsAt"])
    if (alert["status"] == "firing") != (ends.year == 1):
        raise ValueError(f"status {alert['status']} until {ends}")
    if alert["status"] == "resolved" and ends < starts:
        raise ValueError(f"from {starts} until {ends}")


def check_slack(body: Mapping[str, Any]) -> None:
    """Refuse what an incoming webhook would: too long, too many, not of the documented form."""
    _keys(body, "text", "blocks channel username icon_emoji icon_url unfurl_links attachments")
    _slack_markup(body["text"], 40_000)
    blocks = body.get("blocks", [])
    if not isinstance(blocks, list) or len(blocks) > 50:  # noqa: PLR2004 - documented
        raise ValueError(f"{len(blocks)} blocks")
    for block in blocks:
        _keys(block, "type text")
        most, kinds = _SLACK_BLOCKS[block["type"]]
        text = block["text"]
        _keys(text, "type text", "emoji verbatim")
        if text["type"] not in kinds or not 1 <= len(text["text"]) <= most:
            raise ValueError(f"{block['type']}: {text['type']} of {len(text['text'])}")
        if text["type"] == "mrkdwn":
            _slack_markup(text["text"], most)


# Type of block -> the longest text, and the types of text that it takes.
_SLACK_BLOCKS = {
    "header": (150, ("plain_text",)),
    "section": (3000, ("plain_text", "mrkdwn")),
}
# What may follow "<" in markup that no value of a label has brought in.
_SLACK_LINK = re.compile(r"<(?!https?://[^<>|]+(\|[^<>]*)?>)")


def _slack_markup(text: str, most: int) -> None:
    if not 1 <= len(text) <= most:
        raise ValueError(f"text of {len(text)}")
    if _SLACK_LINK.search(text) or re.search(r"&(?!amp;|lt;|gt;)", text):
        raise ValueError(f"unescaped: {text!r}")


def check_pagerduty(body: Mapping[str, Any]) -> None:
    """Refuse what the Events API would."""
    action = body.get("event_action")
    if action == "trigger":
        _keys(body, "routing_key event_action payload", "dedup_key client client_url links images")
        _pagerduty_payload(body["payload"])
    elif action in ("acknowledge", "resolve"):
        _keys(body, "routing_key event_action dedup_key", "payload client client_url links images")
    else:
        raise ValueError(f"event_action {action!r}")
    if not re.fullmatch(r"[0-9a-zA-Z]{32}", body["routing_key"]):
        raise ValueError("routing_key")
    if not 1 <= len(body.get("dedup_key", "-")) <= 255:  # noqa: PLR2004 - documented
        raise ValueError("dedup_key")
    for link in body.get("links", ()):
        _keys(link, "href", "text")
        if not link["href"].startswith(("http://", "https://")):
            raise ValueError(f"href {link['href']!r}")
    if len(json.dumps(body).encode()) > 512 * 1024:
        raise ValueError("larger than 512 KB")


def _pagerduty_payload(payload: Mapping[str, Any]) -> None:
    _keys(payload, "summary source severity", "timestamp component group class custom_details")
    _texts({key: value for key, value in payload.items() if key != "custom_details"})
    if len(payload["summary"]) > 1024:  # noqa: PLR2004 - documented
        raise ValueError(f"summary of {len(payload['summary'])}")
    if payload["severity"] not in ("critical", "error", "warning", "info"):
        raise ValueError(f"severity {payload['severity']!r}")
    if "timestamp" in payload:
        _moment(payload["timestamp"])
    if not isinstance(payload.get("custom_details", {}), dict):
        raise TypeError("custom_details")


_KINDS: dict[Kind, tuple[Callable[[Mapping[str, Any]], None], Reply]] = {
    "webhook": (check_webhook, Reply(200, body=b"")),
    "slack": (check_slack, Reply(200, body=b"ok")),
    "pagerduty": (check_pagerduty, Reply(202, body=b'{"status":"success"}')),
}

"""Notices as receivers take them, whatever the values of labels hold."""

from __future__ import annotations

import dataclasses
import email.policy
import json
from email.parser import BytesParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tidegauge_alerting import Severity, load
from tidegauge_alerting.channels import Channel
from tidegauge_alerting.watch import payloads
from tidegauge_alerting.watch.alerts import Active
from tidegauge_alerting.watch.notice import Notice, clean, from_json, item, to_json
from tidegauge_alerting.watch.vector import labels_of
from tidegauge_testkit.alert_receivers import check_pagerduty, check_slack, check_webhook

DRIFT = next(alert for alert in load().alerts if alert.name == "DataDriftDetected")
SLACK = Channel("ml", "slack", channel="#ml")
MAIL = Channel("mail", "email", to=("ml@example.com",), sender="tidegauge@example.com")
KEY = "0123456789abcdef0123456789abcdef"
NASTY = (
    "<!channel>", "@here", "<https://evil.example|bank>", "*bold* _it_ `code`", "<b>x</b>",
    "a\nb\r\nBcc: x@evil.example", "&amp;", "{{ .Labels }}", "{model}", "\x1b[31m", "x" * 5000,
    "\u2028", ":fire:", "[a](http://evil.example)",
)  # fmt: skip


def notice(*features: str, ended: tuple[str, ...] = (), model: str = "fraud") -> Notice:
    """Return a notice of a model's features."""
    alert = dataclasses.replace(DRIFT, runbook_url="https://example.com/{name}")
    items = []
    for feature in (*features, *ended):
        labels = labels_of([("model_name", model), ("feature", feature), ("window", "1d")])
        active = Active(alert.name, labels, 1_700_000_000.0, 0.3, fires_s=1_700_000_060.0)
        items.append(item(alert, active, 1_700_000_600.0 if feature in ended else None))
    group = clean(labels_of([("model_name", model)]))
    return Notice(alert.name, group, alert.severity, 1_700_000_600.0, tuple(items))


def parts(message: Notice) -> tuple[str, str]:
    """Return an e-mail's subject and text as they arrive."""
    raw = payloads.email(message, MAIL).as_bytes(policy=email.policy.SMTP)
    found = BytesParser(policy=email.policy.default).parsebytes(raw)
    assert {"From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted"} <= set(found.keys())
    assert "text/plain" == found.get_content_type()
    return str(found["Subject"]), found.get_content()


def test_a_webhook_gets_what_alertmanager_sends() -> None:
    """Version 4, with what the alerts have in common and each alert's times."""
    body = payloads.webhook(notice("age", ended=("sex",)), "hook")
    check_webhook(body)
    assert ("firing", "hook", 0) == (body["status"], body["receiver"], body["truncatedAlerts"])
    assert {"alertname": DRIFT.name, "model_name": "fraud"} == body["groupLabels"]
    assert "feature" not in body["commonLabels"]
    firing, resolved = body["alerts"]
    assert ("2023-11-14T22:14:20.000Z", "0001-01-01T00:00:00Z") == (
        firing["startsAt"], firing["endsAt"],
    )  # fmt: skip
    assert "2023-11-14T22:23:20.000Z" == resolved["endsAt"]
    assert "https://example.com/DataDriftDetected" == firing["annotations"]["runbook_url"]
    assert "resolved" == payloads.webhook(notice(ended=("sex",)), "hook")["status"]


def test_a_fingerprint_is_prometheuss() -> None:
    """Receivers that know an alert from Prometheus know it from here."""
    # What Alertmanager 0.25 shows for an alert with these labels.
    labels = {
        "alertname": "DataDriftDetected", "severity": "warning", "model_name": "fraud",
        "feature": "größe",
    }  # fmt: skip
    assert "2b7ac810833f30fe" == payloads._fingerprint(labels)


def test_slack_gets_plain_text() -> None:
    """A header, and a section an alert, none of which is markup; the fallback is escaped."""
    body = payloads.slack(notice("<!channel>", "age"), SLACK)
    check_slack(body)
    assert "#ml" == body["channel"]
    assert {"plain_text"} == {block["text"]["type"] for block in body["blocks"]}
    assert "&lt;!channel&gt;" in body["text"]
    assert "feature=age" in body["blocks"][2]["text"]["text"]


def test_pagerduty_gets_one_incident_a_group() -> None:
    """The same key for all notices of a group, another one for another; a resolve ends it."""
    begins, ends = notice("age"), notice(ended=("age",))
    trigger, resolve = (payloads.pagerduty(each, KEY) for each in (begins, ends))
    check_pagerduty(trigger)
    check_pagerduty(resolve)
    assert ("trigger", "resolve") == (trigger["event_action"], resolve["event_action"])
    assert trigger["dedup_key"] == resolve["dedup_key"]
    assert trigger["dedup_key"] != payloads.pagerduty(notice("age", model="x"), KEY)["dedup_key"]
    assert ("fraud", "warning") == (trigger["payload"]["source"], trigger["payload"]["severity"])
    assert "2023-11-14T22:14:20.000Z" == trigger["payload"]["timestamp"]
    assert [{"href": "https://example.com/DataDriftDetected", "text": "Runbook"}] == (
        trigger["links"]
    )


def test_an_email_is_plain_text_of_one_thread() -> None:
    """Subject and body say what fires; the end is an answer in the same thread."""
    subject, text = parts(notice("age"))
    assert subject == (
        "[WARNING] DataDriftDetected: age of fraud has moved away from the reference (PSI 0.3)"
    )
    assert "Since 2023-11-14T22:14:20.000Z" in text
    assert "Runbook: https://example.com/DataDriftDetected" in text
    begins, ends = (payloads.email(n, MAIL) for n in (notice("age"), notice(ended=("age",))))
    assert begins["References"] == ends["References"] is not None
    assert ends["Subject"].startswith("[RESOLVED] DataDriftDetected: ")


@pytest.mark.parametrize("number", [1, 11, 200, 1500])
def test_many_alerts_are_counted_not_written_out(number: int) -> None:
    """However many features of a model drift, each receiver takes the notice."""
    many = notice(*(f"feature {i}" for i in range(number)))
    hook = payloads.webhook(many, "hook")
    check_webhook(hook)
    check_slack(payloads.slack(many, SLACK))
    check_pagerduty(payloads.pagerduty(many, KEY))
    assert number == len(hook["alerts"]) + hook["truncatedAlerts"]
    text = parts(many)[1]
    assert (number > 10) == (f"And {number - 10} more." in text)


@pytest.mark.parametrize("value", NASTY)
def test_a_value_is_never_markup(value: str) -> None:
    """A model or a feature may be called anything."""
    said = notice(value, model=value)
    for message in (said, notice(ended=(value,), model=value)):
        check_webhook(json.loads(json.dumps(payloads.webhook(message, "hook"))))
        check_slack(payloads.slack(message, SLACK))
        check_pagerduty(payloads.pagerduty(message, KEY))
        labels = [each for item in message.items for each in item.labels.values()]
        assert all(each.isprintable() and len(each) <= 200 for each in labels)
        subject, _ = parts(message)
        assert subject.isprintable()
        assert "Bcc" not in payloads.email(message, MAIL)
        assert message == from_json(json.loads(json.dumps(to_json(message))))


@settings(max_examples=50, deadline=None)
@given(feature=st.text(max_size=300), model=st.text(max_size=300))
def test_any_text_can_be_said(feature: str, model: str) -> None:
    """No text makes a payload that is refused."""
    said = notice(feature, "age", model=model or "x")
    check_webhook(payloads.webhook(said, "hook"))
    check_slack(payloads.slack(said, SLACK))
    check_pagerduty(payloads.pagerduty(said, KEY))
    parts(said)


def test_an_end_that_was_not_sent_goes_with_the_next_notice() -> None:
    """A notice that takes the place of another loses none of its ends."""
    earlier, later = notice("age", ended=("sex", "zip")), notice("age", "zip")
    merged = later.after(earlier)
    assert [("age", True), ("zip", True), ("sex", False)] == [
        (each.labels["feature"], each.fires) for each in merged.items
    ]


def test_severities_are_those_of_pagerduty() -> None:
    """Each severity has its word in the Events API."""
    for severity in Severity:
        check_pagerduty(
            payloads.pagerduty(dataclasses.replace(notice("age"), severity=severity), KEY)
        )

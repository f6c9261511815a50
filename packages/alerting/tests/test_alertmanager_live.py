"""From a metric to whoever is told, through a real Prometheus and a real Alertmanager."""

from __future__ import annotations

import itertools
import json
import re
import threading
from email import message_from_bytes, policy
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from tidegauge_alerting import load, render_prometheus
from tidegauge_alerting.alert_file import own_sources
from tidegauge_alerting.alertmanager import configuration
from tidegauge_alerting.vendors import Request as Asked
from tidegauge_exporter_prometheus import prometheus_name
from tidegauge_semconv import metrics
from tidegauge_testkit.alert_receivers import check_pagerduty, check_webhook
from tidegauge_testkit.backends import Prometheus, free_port, wait_until
from tidegauge_testkit.backends.alertmanager import Alertmanager
from tidegauge_testkit.backends.loopback_server import LoopbackServer, Reply, Request
from tidegauge_testkit.backends.mail_server import MailServer
from tidegauge_testkit.backends.ports import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.backends

EVALUATION_S = 2
COOLDOWN_S = 20
LIMIT_S = 120.0
KEY = "0123456789abcdef0123456789abcdef"
# A name that Slack would take for a mention of everybody, and a template for an action.
NAME = "<!channel> {{ .ExternalURL }} & co"
MODEL = {"model_name": NAME, "model_version": "3"}
WINDOW = {**MODEL, "reference": "0a1b2c3d", "window": "1000rows"}
DETECTED = prometheus_name(metrics.DRIFT_DETECTED)

# What each takes by its documentation; Slack's attachments, which Alertmanager sends, are in tests.
DOCUMENTED = {"/pagerduty/v2/enqueue": check_pagerduty, "/webhook": check_webhook}

FILE = """\
version: 1
channels:
  oncall: {{type: pagerduty, routing_key_file: {folder}/key, address: "{url}/pagerduty"}}
  ml: {{type: slack, url_file: {folder}/url, channel: "#ml"}}
  mail: {{type: email, to: ml@example.com, from: tidegauge@example.com, smarthost: "{smtp}",
         require_tls: false}}
  hook: {{type: webhook, address: "{url}/webhook"}}
routes: {{critical: [oncall, ml], warning: [hook], info: [mail]}}
alerts:
  - {{name: HighErrorRate, for: 1s, cooldown: 20s, measure: {{share: {{window: 20s}}}}}}
  - {{name: ModelDrift, cooldown: 20s}}
  - {{name: InputDrift, cooldown: 20s}}
  - {{name: MissingValues, cooldown: 20s}}
  - {{name: TidegaugeFaults, cooldown: 20s}}
"""


class World(LoopbackServer):
    """Shows metrics, takes what is sent, and keeps it with its time."""

    def __init__(self) -> None:
        self.page: dict[str, float] = {}
        self.came: list[tuple[float, str, dict[str, Any]]] = []
        self.mails: list[Any] = []
        super().__init__(self._answer)

    def _answer(self, request: Request) -> Reply:
        if request.method == "GET":
            lines = [f"{series} {value}\n" for series, value in list(self.page.items())]
            kind = {"Content-Type": "text/plain; version=0.0.4"}
            return Reply(200, kind, "".join(lines).encode())
        self.came.append((request.at_s, request.path, json.loads(request.body)))
        # PagerDuty says that it has queued an event; Slack says ok.
        return Reply(202) if request.path.startswith("/pagerduty") else Reply(200, body=b"ok")

    async def handle_DATA(self, _server: object, _session: object, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        """Take a mail."""
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 OK"

    def show(self, name: str, value: float, **labels: str) -> None:
        """Show a series with a value."""
        inside = ",".join(f"{key}={json.dumps(text)}" for key, text in labels.items())
        self.page[f"{name}{{{inside}}}"] = value

    def sent(self, path: str, said: str) -> list[tuple[float, dict[str, Any]]]:
        """Return what has come to a path and holds a text."""
        return [
            (when, body) for when, at, body in list(self.came) if at == path and said in str(body)
        ]

    def wait_for(self, path: str, said: str, number: int = 1) -> list[tuple[float, dict[str, Any]]]:
        """Return so many requests that hold a text."""
        return wait_until(
            lambda: found if len(found := self.sent(path, said)) >= number else None,
            f"{said} at {path}: {self.came}",
            LIMIT_S,
        )


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Run everything from the metric to whoever is told."""
    found = World()
    mail = MailServer(found, hostname=LOOPBACK, port=free_port())
    mail.start()
    (tmp_path / "key").write_text(KEY)
    (tmp_path / "url").write_text(f"{found.url}/slack")
    source = tmp_path / "alerts.yaml"
    source.write_text(FILE.format(folder=tmp_path, url=found.url, smtp=f"{LOOPBACK}:{mail.port}"))
    file = load(source, sources=own_sources())
    channels = {channel.name: channel for channel in file.channels}
    plain = configuration(Asked(file.alerts, "x", channels=channels, routes=file.routes))
    plain["route"] |= {"group_wait": "0s", "group_interval": "1s"}
    try:
        with (
            found,
            Alertmanager(tmp_path / "am", configuration=yaml.safe_dump(plain)) as alertmanager,
            Prometheus(
                tmp_path / "p",
                {"serve": f"{LOOPBACK}:{found.port}"},
                rules=render_prometheus(file.alerts),
                alertmanager=alertmanager.address,
                interval_s=EVALUATION_S,
            ),
        ):
            yield found
        for _, path, body in found.came:
            if path in DOCUMENTED:
                DOCUMENTED[path](body)
    finally:
        mail.stop()


def test_outputs_page_and_end(world: World) -> None:
    """Events API v2 and Slack, said again after the cooldown and not before; inputs keep still."""
    series = {**WINDOW, "feature": "", "family": "outputs"}
    world.show(DETECTED, 1, **series)
    world.show(DETECTED, 1, **{**series, "family": "inputs"})
    pages = world.wait_for("/pagerduty/v2/enqueue", "trigger", 3)
    for _, page in pages:
        assert page["routing_key"] == KEY
        assert re.fullmatch(r".{1,255}", page["dedup_key"])
        payload = page["payload"]
        assert payload["summary"] == f"Drift in the outputs of {NAME} version 3"
        assert (payload["severity"], payload["component"]) == ("critical", NAME)
        assert payload["source"]
        assert "tidegauge explain" in payload["custom_details"]["firing"]
    assert len({page["dedup_key"] for _, page in pages}) == 1
    times = [when for when, _ in pages]
    for before, after in itertools.pairwise(times):
        assert COOLDOWN_S - 1 <= after - before <= COOLDOWN_S + EVALUATION_S
    (_, note), *_ = world.wait_for("/slack", "differ from")
    (attachment,) = note["attachments"]
    assert note["channel"] == "#ml"
    assert "&lt;!channel&gt; {{ .ExternalURL }} &amp; co" in attachment["title"]
    assert "<!" not in json.dumps(note)
    world.show(DETECTED, 0, **series)
    (_, end), *_ = world.wait_for("/pagerduty/v2/enqueue", "'event_action': 'resolve'")
    assert end["dedup_key"] == pages[0][1]["dedup_key"]
    world.wait_for("/slack", "Ended: Drift in the outputs")
    # What was inhibited is told now.
    (_, hook), *_ = world.wait_for("/webhook", "InputDrift")
    assert (hook["version"], hook["status"]) == ("4", "firing")
    assert hook["groupLabels"] == {"model_name": NAME}
    assert {alert["labels"]["alertname"] for alert in hook["alerts"]} == {"InputDrift"}
    assert times[0] + COOLDOWN_S < world.sent("/webhook", "InputDrift")[0][0]


def test_errors_quality_and_faults_are_told_and_end(world: World) -> None:
    """One of each family: a page, a webhook, a mail; and what ends is told too."""
    requests = prometheus_name(metrics.MODEL_REQUESTS)
    missing = prometheus_name(metrics.DATA_QUALITY_MISSING_RATIO)
    stop = threading.Event()

    def serve() -> None:
        count = 0
        while not stop.wait(0.5):
            count += 10
            for status in ("error", "success"):
                world.show(requests, count, **MODEL, operation="predict", status=status)

    serving = threading.Thread(target=serve)
    serving.start()
    feature = {**WINDOW, "feature": "age"}
    world.show(missing, 0.25, **feature)
    world.show(DETECTED, 1, **feature, family="data_quality")
    try:
        world.wait_for("/pagerduty/v2/enqueue", "of the predictions of")
        world.wait_for("/webhook", "25% of age of")
        world.show(prometheus_name(metrics.TIDEGAUGE_ERRORS), 1, cause="drift.pane:KeyError")
        mail = wait_until(lambda: world.mails[0] if world.mails else None, "a mail", LIMIT_S)
    finally:
        stop.set()
        serving.join()
    assert mail["To"] == "ml@example.com"
    assert mail["Subject"] == "Tidegauge itself met faults (drift.pane:KeyError)"
    text = mail.get_body(("plain",)).get_content()
    assert "tidegauge doctor" in text
    world.show(missing, 0, **feature)
    world.wait_for("/webhook", "'status': 'resolved'")
    # No request any more: no failure either, and the alert ends.
    world.wait_for("/pagerduty/v2/enqueue", "'event_action': 'resolve'")

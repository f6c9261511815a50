"""From live drift to Datadog's events: served processes, strict receivers, through the very end."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from tidegauge_semconv import metrics
from tidegauge_testkit.backends import ServedApp
from tidegauge_testkit.backends.dogstatsd_server import DogStatsDServer
from tidegauge_testkit.datadog_intake import DatadogIntake, Reply

pytestmark = pytest.mark.backends

REQUESTS = metrics.MODEL_REQUESTS.name
# No part of what the model answers: its outputs do not move with it.
SHIFTED = "visits"
SHIFT = 4.0
ROWS_A_REQUEST = 10
WINDOWS = 3
LIMIT_S = 90.0
SETTINGS = {
    "OTEL_METRICS_EXPORTER": "datadog",
    "OTEL_METRIC_EXPORT_INTERVAL": "1000",
    "DD_SERVICE": "scoring",
    "DD_ENV": "prod",
    "TIDEGAUGE_REFERENCE": "score.reference.json",
    "TIDEGAUGE_STATE_DIR": "state",
    "TIDEGAUGE_DRIFT_PANE_S": "1",
    "TIDEGAUGE_DRIFT_WINDOWS": "300rows",
    # On a busy machine too the end takes the time that it needs.
    "TIDEGAUGE_SHUTDOWN_TIMEOUT_S": "20",
}
# One thread of events: the family, which is what somebody acts on, and the feature that did it.
BEGINS = [
    "score 3: inputs drifted",
    f"score 3: inputs {SHIFTED} drifted",
]
ENDS = [
    "score 3: inputs ok again",
    f"score 3: inputs {SHIFTED} ok again",
]


class Clients:
    """Whoever asks the service, one request after the other."""

    def __init__(self, app: ServedApp, workshop: Any) -> None:
        self._url = f"{app.url}/score"
        self._batches = workshop.batches(ROWS_A_REQUEST, seed=100)
        self.answered = 0

    def ask_until(self, ready: Callable[[], bool], what: str, shift: float = 0.0) -> None:
        """Go on asking, with one feature moved or not, until something is so."""
        deadline_s = time.monotonic() + LIMIT_S
        with httpx.Client(timeout=LIMIT_S) as client:
            while not ready():
                assert time.monotonic() < deadline_s, what
                rows = [{**row, SHIFTED: row[SHIFTED] + shift} for row in next(self._batches)]
                client.post(self._url, json={"rows": rows}).raise_for_status()
                self.answered += 1


class Status:
    """What the service has written of its model."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "state" / "score.3.status.json"
        self._closed: set[float] = set()

    def window(self) -> dict[str, Any]:
        """Return the last window that was judged."""
        try:
            (window,) = json.loads(self._path.read_bytes())["windows"]
        except FileNotFoundError:
            return {}
        found: dict[str, Any] = window
        return found

    def has_judged(self, windows: int) -> bool:
        """Tell whether so many windows were judged since somebody began to look."""
        self._closed.add(self.window().get("closed_s", 0.0))
        return len(self._closed - {0.0}) >= windows

    def alarms(self) -> bool:
        """Tell whether the inputs alarm."""
        families = self.window().get("families", {})
        return bool(families.get("inputs", {}).get("detected"))


def served(workshop: Any, folder: Path, workers: int, **environment: str) -> ServedApp:
    """Return a service that was not started yet."""
    app: ServedApp = workshop.serve(folder, {**SETTINGS, **environment}, workers=workers)
    (folder / "state").mkdir(mode=0o700)
    return app


def test_one_alarm_is_one_beginning_and_one_end(workshop: Any, tmp_path: Path) -> None:
    """By an Agent, of two workers: nothing of clean rows, and nothing twice, refused or lost."""
    with DogStatsDServer("unix", tmp_path) as agent:
        app = served(workshop, tmp_path / "app", 2, DD_DOGSTATSD_URL=agent.url)
        status = Status(tmp_path / "app")
        with app:
            clients = Clients(app, workshop)
            clients.ask_until(lambda: status.has_judged(WINDOWS), "clean windows")
            assert [] == agent.events()
            clients.ask_until(lambda: len(agent.events()) >= 2, "the alarm", SHIFT)
            # As long again: an alarm that goes on is not said again.
            status = Status(tmp_path / "app")
            clients.ask_until(lambda: status.has_judged(WINDOWS), "more of it", SHIFT)
            clients.ask_until(lambda: len(agent.events()) >= 4, "its end")
            app.terminate(LIMIT_S)
        agent.wait_for(
            lambda: sum(agent.counts(REQUESTS).values()) == clients.answered, "all requests"
        )
        events = agent.events()
        assert [] == agent.refused

    assert [BEGINS, ENDS] == [
        sorted(event.title for event in part) for part in (events[:2], events[2:])
    ]
    assert ["warning"] * 2 + ["success"] * 2 == [event.fields["t"] for event in events]
    assert {"tidegauge:drift:score:3:inputs"} == {event.fields["k"] for event in events}
    for event in events:
        assert {"env:prod", "service:scoring", "model_name:score"} <= set(event.tags)
        assert event.text.endswith(": tidegauge explain score --version 3")
    assert "WARNING" not in app.output()


def test_an_alarm_in_an_outage_arrives_when_the_process_ends(workshop: Any, tmp_path: Path) -> None:
    """Without an Agent: what Datadog did not take is there after SIGTERM, once and in order."""
    with DatadogIntake() as api:
        key = "0123456789abcdef0123456789abcdef"
        app = served(workshop, tmp_path / "app", 1, DD_API_KEY=key, TIDEGAUGE_DATADOG_URL=api.url)
        status = Status(tmp_path / "app")
        with app:
            clients = Clients(app, workshop)
            clients.ask_until(lambda: status.has_judged(2), "clean windows")
            api.replies += [Reply(503)] * 100_000
            clients.ask_until(status.alarms, "the alarm", SHIFT)
            assert [] == api.taken("/api/v1/events")
            clients.ask_until(lambda: not status.alarms(), "its end")
            api.replies.clear()
            app.terminate(LIMIT_S)
        events = [each.body for each in api.taken("/api/v1/events")]
        requests = {
            (second, *sorted(series["tags"])): value
            for series in api.series("/api/v1/series")
            if series["metric"] == REQUESTS
            for second, value in series["points"]
        }
        assert [] == api.faults

    assert [BEGINS, ENDS] == [
        sorted(event["title"] for event in part) for part in (events[:2], events[2:])
    ]
    assert ["warning"] * 2 + ["success"] * 2 == [event["alert_type"] for event in events]
    assert [each["date_happened"] for each in events] == sorted(
        each["date_happened"] for each in events
    )
    assert clients.answered == sum(requests.values())
    assert 1 <= app.output().count("got HTTP 503")
    assert "lost" not in app.output()

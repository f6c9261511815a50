"""What `tidegauge mute` and `marker` do to a live alarm, through real parts up to the webhook."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import httpx
import pytest
from tidegauge_exporter_prometheus import prometheus_name
from tidegauge_semconv import metrics
from tidegauge_testkit.backends import Alertmanager, Prometheus, ServedApp, Webhook, free_port
from tidegauge_testkit.backends.process import wait_until

pytestmark = pytest.mark.backends

DETECTED = prometheus_name(metrics.DRIFT_DETECTED)
MUTED = prometheus_name(metrics.DRIFT_MUTED)
MARKER = prometheus_name(metrics.MODEL_MARKER_START_TIME)
# No part of what the model answers: only its inputs drift.
SHIFTED = "visits"
SHIFT = 4.0
LIMIT_S = 60.0
ROWS_A_REQUEST = 10
PAUSE_S = 0.02
# As often as an alarm without a mute was said several times over.
EVALUATIONS = 5


class Shifted:
    """A client, in a thread, whose rows have one feature moved."""

    def __init__(self, app: ServedApp, workshop: Any) -> None:
        self._url = f"{app.url}/score"
        self._batches = _batches(workshop)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.errors: list[Exception] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        with httpx.Client(timeout=LIMIT_S) as client:
            while not self._stop.wait(PAUSE_S):
                try:
                    client.post(self._url, json={"rows": next(self._batches)}).raise_for_status()
                except Exception as error:  # the test thread shows it
                    self.errors.append(error)
                    return


def _batches(workshop: Any) -> Iterator[list[dict[str, float]]]:
    seed = 200
    while True:
        seed += 1
        table = workshop.rows(2_000, seed)
        records = table.assign(**{SHIFTED: table[SHIFTED] + SHIFT}).to_dict("records")
        for start in range(0, len(records), ROWS_A_REQUEST):
            yield records[start : start + ROWS_A_REQUEST]


def test_a_muted_alarm_wakes_nobody_until_the_mute_ends(
    workshop: Any, rules: str, command: Callable[..., str], tmp_path: Path
) -> None:
    """Then it is said once; a backfill ends it again, and a deploy is only shown."""
    port = free_port()
    environment = {
        "OTEL_METRICS_EXPORTER": "tidegauge_prometheus",
        "OTEL_EXPORTER_PROMETHEUS_PORT": str(port),
        "TIDEGAUGE_REFERENCE": "score.reference.json",
        "TIDEGAUGE_STATE_DIR": "state",
        "TIDEGAUGE_DRIFT_PANE_S": "1",
        "TIDEGAUGE_DRIFT_WINDOWS": "300rows",
    }
    app = workshop.serve(tmp_path / "app", environment, workers=2)
    (tmp_path / "app" / "state").mkdir(mode=0o700)
    with (
        Webhook() as webhook,
        Alertmanager(tmp_path / "alertmanager", webhook.url) as alertmanager,
        app,
        Prometheus(
            tmp_path / "prometheus",
            {"scoring": f"127.0.0.1:{port}"},
            rules=rules,
            alertmanager=alertmanager.address,
            interval_s=1,
        ) as prometheus,
        Shifted(app, workshop) as client,
    ):

        def evaluations() -> float:
            return prometheus.value('sum(prometheus_rule_group_iterations_total)') or 0.0

        def tidegauge(*words: str) -> str:
            return command(tmp_path / "app", *words, "--state-dir", "state")

        alarm = f'{DETECTED}{{feature="",family="inputs"}}'
        # The service has the model once it has judged a window; from then on it can be muted.
        wait_until(lambda: prometheus.query(alarm), "a verdict", LIMIT_S)
        said = tidegauge("mute", "score", "--for", "1h", "--reason", "new supplier")
        assert "score: muted (all) until " in said

        both = f'{alarm} == 1 and on (model_name, feature, family) {MUTED} == 1'
        wait_until(lambda: prometheus.query(both), "an alarm that is muted", LIMIT_S)
        silent_s = time.monotonic()
        wait_until(
            lambda: time.monotonic() > silent_s + EVALUATIONS, "some evaluations", LIMIT_S
        )
        print("received", webhook.received())
        assert "MUTED" in tidegauge("explain", "score")

        tidegauge("mute", "score", "--end")
        told = webhook.wait_for("InputDrift", LIMIT_S)
        print([ (r.name, dict(r.labels), dict(r.annotations)) for r in webhook.received()])
        tidegauge("marker", "deploy", "score", "--version", "4", "--for", "1h")
        wait_until(lambda: prometheus.query(f'{MARKER}{{kind="deploy"}}'), "the deploy", LIMIT_S)
        tidegauge("marker", "backfill", "score", "--for", "1h")
        webhook.wait_for("InputDrift", LIMIT_S, "resolved")
        print([ (r.name, r.status) for r in webhook.received()+webhook.received(status="resolved")])
        assert [] == client.errors
        print(tidegauge("explain", "score"))
        print(evaluations())

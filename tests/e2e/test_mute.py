"""What `tidegauge mute` and `marker` do to a live alarm, through real parts up to the webhook."""

from __future__ import annotations

import threading
from collections.abc import Callable
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
LIMIT_S = 60.0
ROWS_A_REQUEST = 10
PAUSE_S = 0.02
# So often is an alarm seen, each a second after the other, that is muted.
SCRAPES = 5


class Clients:
    """Whoever asks the service, in a thread; ``shift`` moves one feature of their rows."""

    def __init__(self, app: ServedApp, workshop: Any) -> None:
        self._url = f"{app.url}/score"
        self._batches = workshop.batches(ROWS_A_REQUEST, seed=200)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.shift = 0.0
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
                rows = [{**row, SHIFTED: row[SHIFTED] + self.shift} for row in next(self._batches)]
                try:
                    client.post(self._url, json={"rows": rows}).raise_for_status()
                except Exception as error:  # the test thread shows it
                    self.errors.append(error)
                    return


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
    state = tmp_path / "app" / "state"
    state.mkdir(mode=0o700)
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
        Clients(app, workshop) as clients,
    ):

        def tidegauge(*words: str) -> str:
            return command(tmp_path / "app", *words, "--state-dir", "state")

        def seen(query: str, what: str) -> None:
            wait_until(lambda: prometheus.query(query) or None, what, LIMIT_S)

        # The service has the model once it has judged a window; from then on it can be muted.
        wait_until((state / "score.3.status.json").exists, "a verdict", LIMIT_S)
        said = tidegauge("mute", "score", "--for", "1h", "--reason", "new supplier")
        assert said.startswith("score: muted (all) until ")
        seen(MUTED, "the mute")
        clients.shift = 4.0
        on = '{feature="",family="inputs"}'
        both = f"sum_over_time({DETECTED}{on}[5m]) >= {SCRAPES} and on (family) {MUTED}{on} == 1"
        seen(both, "an alarm that is muted for a while")
        tidegauge("marker", "deploy", "score", "--version", "4", "--for", "1h")
        seen(f'{MARKER}{{kind="deploy"}}', "the deploy")
        assert "in inputs; MUTED\n" in tidegauge("explain", "score")
        assert [] == prometheus.query('count_over_time(ALERTS{alertname="InputDrift"}[1h])')
        assert [] == webhook.received()

        assert "score: mute ended (all)\n" == tidegauge("mute", "score", "--end")
        told = webhook.wait_for("InputDrift", LIMIT_S)
        tidegauge("marker", "backfill", "score", "--for", "1h")
        webhook.wait_for("InputDrift", LIMIT_S, "resolved")
        assert "backfill   all, until " in tidegauge("explain", "score")
        assert [told] == webhook.received("InputDrift")
        assert 1 == len(webhook.received("InputDrift", "resolved"))
        assert (
            "The inputs of score version 3 differ from the reference"
            == (told.annotations["summary"])
        )
        assert [] == clients.errors

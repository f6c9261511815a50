"""A prediction travels from an untouched app to a firing alert, through real parts."""

from __future__ import annotations

import http.client
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pandas as pd
import pytest
from tidegauge_exporter_prometheus import prometheus_name
from tidegauge_semconv import metrics
from tidegauge_testkit.backends import (
    Alertmanager,
    Prometheus,
    ServedApp,
    Webhook,
    free_port,
    wait_until,
)

pytestmark = pytest.mark.backends

REQUESTS = prometheus_name(metrics.MODEL_REQUESTS)
PREDICTIONS = prometheus_name(metrics.MODEL_PREDICTIONS)
PSI = prometheus_name(metrics.DRIFT_PSI_VALUE)
DETECTED = prometheus_name(metrics.DRIFT_DETECTED)
WINDOW_ROWS = prometheus_name(metrics.DRIFT_WINDOW_ROWS)

# Five minutes; shorter only while somebody works on this test.
CLEAN_S = float(os.environ.get("E2E_CLEAN_S", "300"))
INTERVAL_S = 5
ROWS_A_REQUEST = 8
REQUESTS_A_SECOND = 30
MIN_ROWS_A_SECOND = 200
INPUT_DRIFT_S = 60
DATA_DRIFT_S = 120
SHIFTED = "age"


@dataclass(frozen=True)
class Sent:
    """What the client did: requests answered, rows in them, when it began."""

    requests: int
    rows: int
    started_s: float


class Traffic:
    """One client at a steady pace, in a thread: never more than one request under way."""

    def __init__(self, app: ServedApp, batches: Iterator[list[dict[str, float]]]) -> None:
        self._port = app.port
        self._batches = batches
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._answered = 0
        self.started_s = 0.0
        self.error: BaseException | None = None

    def __enter__(self) -> Self:
        self.started_s = time.monotonic()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def answered(self) -> int:
        """Requests that were answered with 200."""
        return self._answered

    def _run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        try:
            for number, rows in enumerate(self._batches):
                due_s = self.started_s + number / REQUESTS_A_SECOND
                if self._stop.wait(max(0.0, due_s - time.monotonic())):
                    return
                body = json.dumps({"rows": rows})
                connection.request("POST", "/score", body, {"Content-Type": "application/json"})
                with connection.getresponse() as answer:
                    scores = json.loads(answer.read())
                assert (answer.status, len(scores)) == (http.HTTPStatus.OK, len(rows)), scores
                self._answered += 1
        except BaseException as error:  # an AssertionError too: the test thread shows it
            self.error = error
        finally:
            connection.close()


def batches(
    draw: Callable[[int, int], pd.DataFrame], seed: int, shift: float = 0.0
) -> Iterator[list[dict[str, float]]]:
    """Yield the rows of one request after another, without end."""
    while True:
        seed += 1
        table = draw(ROWS_A_REQUEST * 500, seed)
        table[SHIFTED] += shift
        records: list[dict[Any, Any]] = table.to_dict("records")
        for start in range(0, len(records), ROWS_A_REQUEST):
            yield records[start : start + ROWS_A_REQUEST]


def test_a_shift_reaches_the_on_call_and_clean_traffic_does_not(
    workshop: Any, rules: str, tmp_path: Path
) -> None:
    """Five clean minutes alert nobody; a feature moved by 1 sd alerts within the promised time."""
    metrics_port = free_port()
    environment = {
        "OTEL_METRICS_EXPORTER": "tidegauge_prometheus",
        "OTEL_EXPORTER_PROMETHEUS_PORT": str(metrics_port),
        "TIDEGAUGE_REFERENCE": "score.reference.json",
    }
    sd = float(workshop.rows(10_000, seed=1)[SHIFTED].std())
    with (
        Webhook() as webhook,
        Alertmanager(tmp_path / "alertmanager", webhook.url) as alertmanager,
        workshop.serve(tmp_path / "app", environment) as app,
        Prometheus(
            tmp_path / "prometheus",
            {"scoring": f"127.0.0.1:{metrics_port}"},
            rules=rules,
            alertmanager=alertmanager.address,
            interval_s=INTERVAL_S,
        ) as prometheus,
    ):
        with Traffic(app, batches(workshop.rows, seed=1000)) as clean:
            pause = threading.Event()
            while time.monotonic() < clean.started_s + CLEAN_S:
                assert clean.error is None
                assert webhook.received() == []
                pause.wait(1.0)
        clean_rate = clean.answered * ROWS_A_REQUEST / (time.monotonic() - clean.started_s)
        assert clean_rate >= MIN_ROWS_A_SECOND

        # It was quiet because everything was watched, and found well.
        fired = f'max_over_time(ALERTS{{alertstate="firing"}}[{int(CLEAN_S) + 60}s])'
        assert prometheus.query(fired) == []
        assert prometheus.unhealthy_rules() == []
        assert {sample.labels["feature"] for sample in prometheus.query(PSI)} == {
            *workshop.rows(1, seed=1).columns,
            "prediction",
        }
        window_rows = prometheus.value(f'min({WINDOW_ROWS}{{window="1000rows"}})')
        assert window_rows is not None
        assert window_rows >= 1000
        families = prometheus.query(f'{DETECTED}{{feature="",window="1000rows"}}')
        assert {"inputs": 0, "outputs": 0}.items() <= {
            sample.labels["family"]: sample.value for sample in families
        }.items()

        with Traffic(app, batches(workshop.rows, seed=2000, shift=sd)) as shifted:
            inputs = webhook.wait_for("InputDrift", INPUT_DRIFT_S)
            data = webhook.wait_for(
                "DataDriftDetected", shifted.started_s + DATA_DRIFT_S - time.monotonic()
            )
            assert shifted.error is None
        input_delay_s = inputs.time_s - shifted.started_s
        data_delay_s = data.time_s - shifted.started_s
        print(
            f"\nclean: {clean.answered} requests in {CLEAN_S:g} s at {clean_rate:.0f} rows/s, no "
            f"alert\nInputDrift at the webhook after {input_delay_s:.1f} s, "
            f"DataDriftDetected after {data_delay_s:.1f} s"
        )
        assert input_delay_s < INPUT_DRIFT_S
        assert data_delay_s < DATA_DRIFT_S

        model = {"model_name": "score", "model_version": "3", "window": "1000rows"}
        assert {**model, "family": "inputs", "severity": "warning"}.items() <= inputs.labels.items()
        assert {
            received.labels["feature"] for received in webhook.received("DataDriftDetected")
        } == {SHIFTED}
        assert data.annotations["summary"].startswith(
            f"{SHIFTED} of score version 3 has moved away from the reference (PSI "
        )

        sent = clean.answered + shifted.answered
        total = f'sum({REQUESTS}{{status="success"}})'
        wait_until(lambda: prometheus.value(total) == sent, f"{total} = {sent}", 30)
        assert prometheus.value(f"sum({PREDICTIONS})") == sent * ROWS_A_REQUEST
        assert prometheus.value(f'sum({REQUESTS}{{status="error"}})') == 0
        print(f"{REQUESTS}: {sent} in Prometheus, {sent} sent")

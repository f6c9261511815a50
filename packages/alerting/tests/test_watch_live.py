"""The watcher beside a real Prometheus, both reading one real app: they see the same alerts."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from tidegauge_testkit.alert_receivers import AlertReceiver
from tidegauge_testkit.backends import Process, Prometheus, free_port, wait_until
from tidegauge_testkit.contracts import commands

pytestmark = pytest.mark.backends

APP = Path(__file__).parent / "served" / "several_models.py"
READY_S = 120.0
# The rules of a service wait for minutes; here they do not. A window of seconds closes often: what
# has just closed may be seen by one of the two and not yet by the other.
ALERTS = """\
version: 1
channels: {{hook: {{type: webhook, address: '{url}'}}}}
routes: {{critical: [hook], warning: [hook], info: [hook]}}
alerts:
  - {{name: HighErrorRate, for: 1s}}
  - {{name: DataDriftDetected, for: 1s}}
"""
PLACE = {"job", "instance"}
STEADY = {"HighErrorRate", "ModelDrift", "DataDriftDetected", "ReferenceMismatch", "ReferenceOld"}


def test_both_see_the_same(tmp_path: Path) -> None:
    """Same alerts with the same labels, whatever the models are called; the receiver takes all."""
    port = free_port()
    environment = {
        **{key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ},
        "OTEL_METRICS_EXPORTER": "tidegauge_prometheus",
        "OTEL_TRACES_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        "OTEL_EXPORTER_PROMETHEUS_PORT": str(port),
        "TIDEGAUGE_REFERENCE": ".",
        "TIDEGAUGE_DRIFT_PANE_S": "1",
        "TIDEGAUGE_DRIFT_WINDOWS": "500rows,10s",
        "TIDEGAUGE_CPU_BUDGET_PERCENT": "100",
    }
    app = Process([sys.executable, str(APP)], tmp_path / "app", environment=environment, name="app")
    with AlertReceiver("webhook") as receiver:
        file = tmp_path / "alerts.yaml"
        file.write_text(ALERTS.format(url=receiver.url))
        rules = commands.run("rules render", "prometheus", "--alerts", file).written
        state = tmp_path / "state"
        url = f"http://127.0.0.1:{port}/metrics"
        words = [
            "alerts",
            "watch",
            "--interval",
            "2s",
            "--alerts",
            str(file),
            "--state",
            str(state),
        ]
        watch = Process(
            [sys.executable, "-m", "tidegauge_distro", *words, "--url", url, "--state", str(state)],
            tmp_path,
            name="watch",
        )
        targets = {"serve": f"127.0.0.1:{port}"}
        with (
            app,
            Prometheus(tmp_path / "prometheus", targets, rules=rules, interval_s=2) as prometheus,
            watch,
        ):

            def firing() -> set[str]:
                return {
                    shown(alert["labels"]) for alert in prometheus.alerts()
                    if alert["state"] == "firing" and alert["labels"]["alertname"] in STEADY
                }  # fmt: skip

            def both() -> bool:
                found = firing()
                names = {json.loads(each)["alertname"] for each in found}
                return names == STEADY and found == judged(state) == firing()

            wait_until(both, "the same alerts in both", READY_S, 0.5)
            assert 0 == watch.terminate()
            found = judged(state)
    assert [] == receiver.faults
    assert {json.loads(each)["alertname"] for each in found} == STEADY
    models = {body["groupLabels"]["model_name"] for body in receiver.taken()}
    assert {"fraud_detection", "pricing"} <= models


def judged(state: Path) -> set[str]:
    """Return what fires by the watcher's own state."""
    path = state / "alerts-watch.json"
    alerts = json.loads(path.read_text())["alerts"] if path.exists() else []
    return {
        shown({"alertname": each["name"], **dict(each["labels"])})
        for each in alerts
        if each["fires_s"] is not None and each["name"] in STEADY
    }


def shown(labels: dict[str, str]) -> str:
    """Return an alert's labels, without those that differ between the two."""
    kept = {key: labels[key] for key in labels.keys() - PLACE - {"severity"}}
    return json.dumps(kept, sort_keys=True)

"""What a process counts last arrives at the Agent, however the process ends."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from tidegauge_testkit.backends.dogstatsd_server import DogStatsDServer

# Seven calls, and an end in the middle of the interval of an hour.
JOB = """
import os, signal, sys
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from tidegauge_exporter_datadog import DatadogExporter
import tidegauge

reader = PeriodicExportingMetricReader(DatadogExporter(), export_interval_millis=3_600_000)
metrics.set_meter_provider(MeterProvider([reader]))
tidegauge.attach(metrics.get_meter_provider())
metrics.get_meter("app").create_counter("hits").add(3)
model = tidegauge.Model("job", version="1")
for _ in range(7):
    with model.prediction([1.0]) as prediction:
        prediction.output = 2.0
"""
ENDINGS = {
    "end": "",
    "exit": "sys.exit(3)",
    "exception": "raise RuntimeError",
    "SIGTERM": "os.kill(os.getpid(), signal.SIGTERM)",
}
LIMIT_S = 200.0
AT_A_TIME = 4


def run(endings: Iterable[str], url: str, folder: Path) -> None:
    """Run a job for each ending, a few at a time; the version of the service is its number."""
    inherited = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("OTEL_", "TIDEGAUGE_", "DD_"))
    }
    running: list[subprocess.Popen[bytes]] = []
    try:
        for number, ending in enumerate(endings):
            if len(running) == AT_A_TIME:
                running.pop(0).wait(LIMIT_S)
            environment = {
                **inherited,
                "DD_DOGSTATSD_URL": url,
                "DD_VERSION": f"v{number}",
                # A process of less than a second still loads plugins when it ends: on a busy
                # machine that takes longer than a service should wait.
                "TIDEGAUGE_SHUTDOWN_TIMEOUT_S": "60",
            }
            running.append(
                subprocess.Popen(
                    [sys.executable, "-c", JOB + ENDINGS[ending]],
                    cwd=folder,
                    env=environment,
                    stderr=subprocess.DEVNULL,
                )
            )
        for each in running:
            each.wait(LIMIT_S)
    finally:
        for each in running:
            if each.poll() is None:
                each.kill()
                each.wait()


def lost(server: DogStatsDServer, runs: int) -> dict[int, tuple[float, float, int]]:
    """Return the runs of which not all has come: calls, the app's own count, latencies."""

    def came(number: int) -> tuple[float, float, int]:
        own = f"version:v{number}"
        counts = [
            sum(value for tags, value in server.counts(name).items() if own in tags)
            for name in ("model.requests", "hits")
        ]
        latencies = server.seen("model.request.latency").items()
        return counts[0], counts[1], sum(seen.total() for tags, seen in latencies if own in tags)

    return {number: came(number) for number in range(runs) if came(number) != (7, 3, 7)}


def arrived(server: DogStatsDServer, runs: int) -> bool:
    """Say whether something of each run has come: sockets deliver in order, and in moments."""
    return len({tags for tags in server.counts("hits") if tags}) == runs


def test_every_end_sends_all(tmp_path: Path) -> None:
    """The normal one, an exit status, an exception nobody catches, and SIGTERM."""
    with DogStatsDServer() as server:
        run(ENDINGS, server.url, tmp_path)
        server.wait_for(lambda: arrived(server, len(ENDINGS)), "the last packets")
        assert {} == lost(server, len(ENDINGS))
        assert [] == server.refused


@pytest.mark.backends
@pytest.mark.timeout(1200)
def test_a_hundred_ends_lose_nothing(tmp_path: Path) -> None:
    """Not one of a hundred, of each kind a quarter."""
    with DogStatsDServer("unix", tmp_path) as server:
        run(list(ENDINGS) * 25, server.url, tmp_path)
        server.wait_for(lambda: arrived(server, 100), "the last packets")
        assert {} == lost(server, 100)
        assert [] == server.refused

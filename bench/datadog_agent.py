"""What an export to Datadog's Agent costs, and what arrives of it.

The peer is Datadog's own client, as an app would use it: one call a prediction. What is exported
instead is 500 series, among them the latencies of the same 10,000 predictions. The rounds take
turns; the figure is thread CPU time, with an Agent that reads in another process.

Then what arrives is read by a strict server: packets beside the fewest that so many bytes need, and
quantiles beside the exact ones. Last, what a call costs its caller where nobody listens, beside the
same call while nothing is exported.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import socket
import statistics
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from caller import FEATURES, Watched
from datadog.dogstatsd import DogStatsd
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Buckets,
    ExponentialHistogram,
    ExponentialHistogramDataPoint,
    Gauge,
    Metric,
    MetricsData,
    NumberDataPoint,
    PeriodicExportingMetricReader,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from rounds import interleave
from tidegauge import attach
from tidegauge.counts import LOG_SCALE, CallCounts
from tidegauge_exporter_datadog import DatadogExporter
from tidegauge_semconv import metrics as m
from tidegauge_testkit.backends.dogstatsd_server import DogStatsDServer, quantile, total_bytes
from tidegauge_testkit.backends.ports import LOOPBACK, free_port

PREDICTIONS, SERIES, MODELS = 10_000, 500, 5
ROUNDS = 15
MOST_OF_CLIENT = 0.25
MOST_OF_PACKETS = 1.1
MOST_ERROR = 0.02
MOST_OF_CALL = 1.1
CALLS = 3000
OFTEN_MS, NEVER_MS = 200, 3_600_000
DELTA = AggregationTemporality.DELTA
# Of these models each feature is shown: so many series leave.
os.environ["TIDEGAUGE_DATADOG_MAX_FEATURES"] = str(SERIES)


def read(port: int, ready: Any) -> None:
    """Read and forget what comes, for ever."""
    bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    bound.bind((LOOPBACK, port))
    ready.set()
    while True:
        bound.recv(65536)


def latencies() -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return seconds from 0.05 ms to 5 s."""
    drawn = np.random.default_rng(3).lognormal(math.log(0.01), 1.5, PREDICTIONS)
    return np.clip(drawn, 5e-5, 5.0)


def exported(seconds: Any) -> MetricsData:
    """Return what a reader hands over after so many predictions: so many series."""
    now = time.time_ns()
    begun = now - 10**10
    requests, latency, drift = [], [], []
    for number, part in enumerate(np.array_split(seconds, MODELS)):
        counts = CallCounts()
        counts.add_latency(part)
        call = {"model_name": f"fraud_{number}", "model_version": "3", "operation": "predict"}
        log = counts.log_latency
        low, high = min(log), max(log)
        buckets = Buckets(low, [log[cell] for cell in range(low, high + 1)])
        point = ExponentialHistogramDataPoint(
            call, begun, now, len(part), float(part.sum()), LOG_SCALE, 0, buckets,
            Buckets(0, []), 0, math.nan, math.nan,
        )  # fmt: skip
        latency.append(point)
        requests.append(NumberDataPoint({**call, "status": "success"}, begun, now, len(part)))
    for number in range(SERIES - 2 * MODELS):
        feature = {
            "model_name": f"fraud_{number % MODELS}", "model_version": "3", "window": "1000rows",
            "reference": "train_2026_11", "feature": f"feature_{number // MODELS}",
        }  # fmt: skip
        drift.append(NumberDataPoint(feature, begun, now, 0.01 + number / 7000))
    scope = ScopeMetrics(
        InstrumentationScope("tidegauge"),
        [
            Metric(m.MODEL_REQUESTS.name, "", "", Sum(requests, DELTA, is_monotonic=True)),
            Metric(m.MODEL_REQUEST_LATENCY.name, "", "s", ExponentialHistogram(latency, DELTA)),
            Metric(m.DRIFT_PSI_VALUE.name, "", "", Gauge(drift)),
        ],
        "",
    )
    resource = Resource({"service.name": "scoring", "deployment.environment.name": "prod"})
    return MetricsData([ResourceMetrics(resource, [scope], "")])


def compare(data: MetricsData, seconds: Any) -> dict[str, float]:
    """Return the milliseconds of an export, and of calling the client for each prediction."""
    port = free_port()
    process = multiprocessing.get_context("spawn")
    ready = process.Event()
    agent = process.Process(target=read, args=(port, ready), daemon=True)
    agent.start()
    ready.wait(60)
    os.environ["DD_DOGSTATSD_URL"] = f"udp://{LOOPBACK}:{port}"
    tags = ["model_name:fraud", "model_version:3", "operation:predict", "service:scoring"]
    values = seconds.tolist()

    def client(**options: Any) -> Any:
        made = DogStatsd(LOOPBACK, port, disable_telemetry=True, **options)

        def call() -> None:
            for value in values:
                made.distribution(m.MODEL_REQUEST_LATENCY.name, value, tags=tags)
            made.flush()

        return call

    exporter = DatadogExporter()
    try:
        found = interleave(
            {
                "export": lambda: exporter.export(data),
                "client": client(),
                "buffered": client(disable_buffering=False),
            },
            calls=1,
            rounds=ROUNDS,
        )
    finally:
        exporter.shutdown()
        agent.terminate()
        agent.join()
    return {name: cost_us / 1e3 for name, cost_us in found.items()}


def received(data: MetricsData, scheme: str) -> DogStatsDServer:
    """Return a strict server to which the data was exported."""
    with tempfile.TemporaryDirectory() as folder, DogStatsDServer(scheme, Path(folder)) as server:
        os.environ["DD_DOGSTATSD_URL"] = server.url
        exporter = DatadogExporter()
        exporter.export(data)
        server.wait_for(
            lambda: (
                sum(seen.total() for seen in server.seen(m.MODEL_REQUEST_LATENCY.name).values())
                == PREDICTIONS
            ),
            "all latencies",
        )
        exporter.shutdown()
    assert not server.refused, server.refused[:3]
    assert len(server.gauges(m.DRIFT_PSI_VALUE.name)) == SERIES - 2 * MODELS
    return server


def called(export_interval_ms: float) -> float:
    """Return the microseconds of a watched call's CPU, on the caller's thread."""
    reader = PeriodicExportingMetricReader(
        DatadogExporter(), export_interval_millis=export_interval_ms
    )
    provider = MeterProvider([reader], shutdown_on_exit=False)
    attach(provider)
    model, rows = Watched(), np.zeros((1, FEATURES))
    cost = interleave({"call": lambda: model.predict(rows)}, calls=CALLS, rounds=5)["call"]
    provider.shutdown()
    return cost


def without_listener() -> float:
    """Return what a call costs while nobody listens, as a part of one while nothing is exported."""
    os.environ["DD_DOGSTATSD_URL"] = f"udp://{LOOPBACK}:{free_port()}"
    called(NEVER_MS)  # the first calls pay for much that comes once
    return statistics.median(called(OFTEN_MS) / called(NEVER_MS) for _ in range(5))


def main() -> int:
    """Print the figures; status 1 where one is not kept."""
    seconds = latencies()
    data = exported(seconds)
    cost = compare(data, seconds)
    print(f"\nAn export of {SERIES} series, or {PREDICTIONS} calls of Datadog's client: CPU time")
    print(f"  export                        {cost['export']:8.1f} ms")
    print(f"  client, as it is              {cost['client']:8.1f} ms")
    print(f"  client, told to buffer        {cost['buffered']:8.1f} ms")
    wrong = 0

    def judge(what: str, figure: float, limit: float) -> None:
        nonlocal wrong
        wrong += figure > limit
        print(f"  {what:<29} {figure:8.3f}  <= {limit}  {'ok' if figure <= limit else 'TOO MUCH'}")

    judge("export / client", cost["export"] / cost["client"], MOST_OF_CLIENT)
    print(f"  export / client with buffer   {cost['export'] / cost['buffered']:8.3f}")
    for scheme, limit in (("udp", 1432), ("unix", 8192)):
        server = received(data, scheme)
        size = total_bytes(server.packets)
        print(f"\nWhat arrives, {scheme}: {len(server.packets)} packets, {size / 1024:.1f} KiB")
        judge("packets / fewest", len(server.packets) / math.ceil(size / limit), MOST_OF_PACKETS)
        seen: Counter[float] = Counter()
        for each in server.seen(m.MODEL_REQUEST_LATENCY.name).values():
            seen += each
        for q in (0.5, 0.95, 0.99):
            exact = float(np.quantile(seconds, q))
            judge(f"p{q * 100:g} is off by", abs(quantile(seen, q) / exact - 1), MOST_ERROR)
    print("\nA watched call where nobody listens, beside one while nothing is exported")
    judge("caller's CPU time", without_listener(), MOST_OF_CALL)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())

"""Forks many children while a thread records and exports; prints how they ended, as JSON.

Arguments: how many, and the exporter: ``memory``, or ``http`` or ``grpc`` with an endpoint.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections import Counter
from importlib import import_module
from typing import Any

from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    MetricExporter,
    MetricExportResult,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from tidegauge.attach import attach

INTERVAL_MS = 50
HANGS_AFTER_S = 10
AT_ONCE = 10

count, kind, *rest = sys.argv[1:]
endpoint = rest[0] if rest else ""


class Memory(MetricExporter):
    """Keeps what is exported, and takes a while for it, as the network does."""

    def __init__(self) -> None:
        super().__init__()
        self.exported: list[Any] = []

    def export(self, metrics_data: Any, timeout_millis: float = 10_000, **kwargs: Any) -> Any:
        """Keep it."""
        time.sleep(0.002)
        self.exported.append(metrics_data)
        return MetricExportResult.SUCCESS

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Hold nothing back."""
        return True

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:
        """Do nothing."""


def exporters() -> tuple[Any, Any]:
    """Return the exporters of metrics and of traces."""
    if kind == "memory":
        return Memory(), None
    package = f"opentelemetry.exporter.otlp.proto.{kind}"
    paths = ("/v1/metrics", "/v1/traces") if kind == "http" else ("", "")
    return (
        import_module(f"{package}.metric_exporter").OTLPMetricExporter(endpoint + paths[0]),
        import_module(f"{package}.trace_exporter").OTLPSpanExporter(endpoint + paths[1]),
    )


exporter, span_exporter = exporters()
provider = MeterProvider([PeriodicExportingMetricReader(exporter, INTERVAL_MS)])
metrics.set_meter_provider(provider)
assert attach(provider)
tracers = TracerProvider()
if span_exporter is not None:
    tracers.add_span_processor(BatchSpanProcessor(span_exporter, schedule_delay_millis=INTERVAL_MS))
trace.set_tracer_provider(tracers)
meter = provider.get_meter("app")
tracer = tracers.get_tracer("app")
counter = meter.create_counter("app.counter")
histogram = meter.create_histogram("app.histogram")


def reported() -> float | None:
    """Return the counter's value of the main thread, as exported last."""
    for data in reversed(getattr(exporter, "exported", [])):
        for resource in data.resource_metrics:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    if metric.name == "app.counter":
                        for point in metric.data.data_points:
                            if point.attributes == {"who": "main"}:
                                return float(point.value)
    return None


def record(stop: threading.Event) -> None:
    """Record as fast as possible, with many attributes."""
    number = 0
    while not stop.is_set():
        number += 1
        counter.add(1, {"who": "thread", "which": str(number % 20)})
        histogram.record(number % 7, {"which": str(number % 20)})
        if span_exporter is not None:
            tracer.start_span("parent").end()
            time.sleep(0.0005)  # no more than the batches can take


def child(pipe: int) -> None:
    """Do all that can hang; say before each step what comes."""
    signal.alarm(HANGS_AFTER_S)

    def say(word: str) -> None:
        os.write(pipe, word.encode() + b" ")

    getattr(exporter, "exported", []).clear()
    say("count")
    counter.add(1, {"who": "main"})
    say("measure")
    histogram.record(1, {"which": "1"})
    say("create")
    meter.create_counter(f"app.counter{os.getpid()}").add(1)
    provider.get_meter(f"app{os.getpid()}")
    tracer.start_span("child").end()
    say("flush")
    provider.force_flush()
    tracers.force_flush()
    say(f"={reported()}")
    say("shutdown")
    provider.shutdown()
    tracers.shutdown()
    say("end")


def fork() -> tuple[int, int]:
    """Return a child and the pipe that it talks through."""
    mine, its = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            child(its)
        finally:
            os._exit(0)
    os.close(its)
    return pid, mine


def ended(pid: int, pipe: int) -> list[str]:
    """Wait for the end of a child and return what it said."""
    said = b""
    while part := os.read(pipe, 4096):
        said += part
    os.close(pipe)
    os.waitpid(pid, 0)
    return ["nothing", *said.decode().split()]


def main() -> None:
    """Fork, wait, and report."""
    counter.add(5, {"who": "main"})
    stop = threading.Event()
    recording = threading.Thread(target=record, args=(stop,))
    recording.start()
    last: Counter[str] = Counter()
    values: Counter[str] = Counter()
    for _ in range(0, int(count), AT_ONCE):
        children = []
        for _ in range(AT_ONCE):
            children.append(fork())
            time.sleep(0.003)
        for pid, pipe in children:
            said = ended(pid, pipe)
            last[said[-1]] += 1
            values.update(word for word in said if word.startswith("="))
    stop.set()
    recording.join()
    provider.force_flush()
    tracers.force_flush()
    print(json.dumps({"last": last, "values": values, "parent": reported()}))
    provider.shutdown()
    tracers.shutdown()


main()

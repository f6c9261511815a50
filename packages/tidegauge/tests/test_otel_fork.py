"""OpenTelemetry's SDK in forked children: none hangs, none repeats what is the parent's."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from tidegauge import otel_fork
from tidegauge.attach import attach

PROGRAMS = Path(__file__).parent / "programs"
LIMIT_S = 300.0

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
needs_otlp = pytest.mark.skipif(
    find_spec("opentelemetry.exporter") is None, reason="no OTLP exporter is installed"
)
# Without the repair one child in five hangs (measured: 62 to 70 of 300, on each SDK).
each_count = pytest.mark.parametrize("count", [40, pytest.param(300, marks=pytest.mark.backends)])

# The parent is ended by an alarm if a child hangs.
HEAD = """
import json, logging, os, signal, threading, time
from opentelemetry import metrics
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from tidegauge import otel_fork
from tidegauge.attach import attach
from tidegauge_testkit.forks import in_child
class ByThread:
    "Locks that another thread holds."
    def __init__(self, *locks):
        self.locks, self.held, self.leave = locks, threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self.hold)
    def hold(self):
        for lock in self.locks:
            lock.acquire()
        self.held.set()
        self.leave.wait()
        for lock in self.locks:
            lock.release()
    def __enter__(self):
        self.thread.start()
        self.held.wait()
    def __exit__(self, *_):
        self.leave.set()
        self.thread.join()
def read(reader):
    data = reader.get_metrics_data()
    return {
        m.name: [p.value for p in m.data.data_points]
        for r in data.resource_metrics for s in r.scope_metrics for m in s.metrics
        if s.scope.name != "tidegauge"
    } if data else {}
"""


@pytest.fixture
def run(python: Callable[..., Any]) -> Callable[[str], Any]:
    """Run code after the head; return the JSON that it prints."""

    def run_code(code: str) -> Any:
        done = python(HEAD + code)
        assert ("", 0) == (done.stderr, done.returncode)
        return json.loads(done.stdout)

    return run_code


def program(name: str, *words: str) -> str:
    """Run a program of the tests and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", PROGRAMS / name, *words],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    # gRPC finds its connection gone, makes another and sends again.
    lines = [line for line in done.stderr.splitlines() if "StatusCode.UNAVAILABLE" not in line]
    assert ([], 0) == (lines, done.returncode)
    return done.stdout


@pytest.fixture
def sink() -> Iterator[tuple[dict[str, str], Callable[[], Any]]]:
    """Receive OTLP; return the endpoints by protocol, and what asks for what arrived."""
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", PROGRAMS / "otlp_sink.py"],
        stdout=subprocess.PIPE,
        text=True,
    ) as started:
        try:
            assert started.stdout is not None
            http, grpc = (f"http://127.0.0.1:{port}" for port in started.stdout.readline().split())

            def arrived() -> Any:
                with urllib.request.urlopen(http, timeout=10) as answer:  # noqa: S310 - loopback
                    return json.load(answer)

            yield {"http": http, "grpc": grpc}, arrived
        finally:
            started.kill()


@each_count
def test_no_child_hangs_and_each_counts_for_itself(count: int) -> None:
    """The parent adds 5; each child adds 1 and reports 1; the parent keeps its 5."""
    found = json.loads(program("many_forks.py", str(count), "memory"))
    assert {"last": {"end": count}, "values": {"=1.0": count}, "parent": 5.0} == found


@needs_otlp
@each_count
@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_everything_arrives_from_parent_and_children(
    sink: tuple[dict[str, str], Callable[[], Any]], protocol: str, count: int
) -> None:
    """By OTLP, over connections of their own: exact counts, and every child's span."""
    endpoints, arrived = sink
    found = json.loads(program("many_forks.py", str(count), protocol, endpoints[protocol]))
    assert {"end": count} == found["last"]
    got = arrived()
    assert [] == got["broken"]
    assert (5 + count, 1 + count) == (
        got["totals"]["app.counter{who=main}"],
        got["instances"]["app.counter{who=main}"],
    )
    assert count == got["spans"]["child"]
    # What the parent's thread counted is in no child's report.
    assert {1} == {
        instances
        for series, instances in got["instances"].items()
        if series.startswith("app.counter{which=")
    }


LOCKS = {
    "the consumer's": "consumer._lock",
    "the storage's": "storage._lock",
    "an aggregation's": "match._lock, aggregation._lock",
    "the reader's": "reader._lock",
    "the provider's": "provider._lock, provider._meter_lock,"
    "type(provider)._all_metric_readers_lock",
    "those of what is done once": "provider._shutdown_once._lock",
    "the meter's": "meter.__dict__.get('_instrument_registration_lock')"
    " or meter._instrument_id_instrument_lock, meter._instrument_ids_lock",
}


@pytest.mark.parametrize("locks", LOCKS.values(), ids=LOCKS)
def test_a_lock_of_a_thread_that_is_not_there_is_freed(
    run: Callable[[str], Any], locks: str
) -> None:
    """Whichever it was; the parent's stays as it is."""
    found = run(
        f"""
reader = InMemoryMetricReader()
provider = MeterProvider([reader])
attach(provider)
meter = provider.get_meter("app")
counter = meter.create_counter("c")
counter.add(5)
consumer = provider._measurement_consumer
storage = consumer._reader_storages[reader]
match = next(iter(storage._instrument_view_instrument_matches.values()))[0]
aggregation = next(iter(match._attributes_aggregation.values()))
def child():
    counter.add(1)
    provider.get_meter("other").create_counter("d").add(2)
    found = read(reader)
    provider.shutdown()
    return found
locks = ({locks},)
with ByThread(*locks):
    found = in_child(child)
    still = [lock.acquire(blocking=False) for lock in locks]
print(json.dumps([found, still, read(reader)]))
"""
    )
    assert [{"c": [1], "d": [2]}, {"c": [5]}] == [found[0], found[2]]
    assert {False} == set(found[1])


def test_the_periodic_reader_goes_on_in_the_child(run: Callable[[str], Any]) -> None:
    """Its thread was exporting, and waking up, when the process forked."""
    assert ["exported", True] == run(
        """
from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult
class Exporter(MetricExporter):
    def __init__(self):
        super().__init__()
        self.seen, self.condition = [], threading.Condition()
    def export(self, metrics_data, timeout_millis=10_000, **kwargs):
        with self.condition:
            self.seen.append(os.getpid())
            self.condition.notify_all()
        return MetricExportResult.SUCCESS
    def force_flush(self, timeout_millis=10_000):
        return True
    def shutdown(self, timeout_millis=30_000, **kwargs):
        pass
exporter = Exporter()
reader = PeriodicExportingMetricReader(exporter, 20)
provider = MeterProvider([reader])
attach(provider)
counter = provider.get_meter("app").create_counter("c")
def child():
    counter.add(1)
    with exporter.condition:
        mine = exporter.condition.wait_for(lambda: os.getpid() in exporter.seen, 10)
    began = time.monotonic()
    provider.shutdown()
    return "exported" if mine else "nothing", time.monotonic() - began < 5
with ByThread(reader._export_lock, reader._shutdown_event._cond, exporter.condition):
    print(json.dumps(in_child(child)))
provider.shutdown()
"""
    )


def test_each_process_has_an_instance_id(run: Callable[[str], Any]) -> None:
    """Also where the app has set one: two series with one identity would overwrite each other."""
    parent, child, grandchild, after = run(
        """
provider = MeterProvider([InMemoryMetricReader()], Resource({"service.instance.id": "mine"}))
attach(provider)
def name():
    return provider._sdk_config.resource.attributes["service.instance.id"]
def child():
    return name(), in_child(name)
before = name()
found = in_child(child)
print(json.dumps([before, *found, name()]))
"""
    )
    assert ("mine", "mine") == (parent, after)
    assert 3 == len({parent, child, grandchild})


def test_the_sdks_own_hooks_do_not_hang(run: Callable[[str], Any]) -> None:
    """They use a pool of threads, whose module may be imported after the provider is made."""
    assert "done" == run(
        """
import sys
provider = MeterProvider([InMemoryMetricReader()], Resource({"service.name": "x"}))
attach(provider)
assert "concurrent.futures.thread" not in sys.modules
import concurrent.futures.thread
signal.alarm(15)
print(json.dumps(in_child(lambda: "done")))
"""
    )


def test_deltas_that_were_not_collected_stay_with_the_parent(run: Callable[[str], Any]) -> None:
    """The child's first interval holds what the child counted."""
    assert [{"c": [1]}, {"c": [5]}] == run(
        """
from opentelemetry.sdk.metrics.export import AggregationTemporality
reader = InMemoryMetricReader({Counter: AggregationTemporality.DELTA})
provider = MeterProvider([reader])
attach(provider)
counter = provider.get_meter("app").create_counter("c")
counter.add(5)
def child():
    counter.add(1)
    return read(reader)
print(json.dumps([in_child(child), read(reader)]))
"""
    )


def test_observable_instruments_go_on(run: Callable[[str], Any]) -> None:
    """Their callbacks are asked in the child as in the parent."""
    assert [{"o": [7]}, {"o": [7]}] == run(
        """
from opentelemetry.metrics import Observation
reader = InMemoryMetricReader()
provider = MeterProvider([reader])
attach(provider)
provider.get_meter("app").create_observable_gauge("o", [lambda _: [Observation(7)]])
print(json.dumps([in_child(lambda: read(reader)), read(reader)]))
"""
    )


def test_a_reader_without_a_known_provider(run: Callable[[str], Any]) -> None:
    """Attached by itself, as a reader of ours attaches when a provider takes it."""
    assert {"c": [1]} == run(
        """
from tidegauge.attach import attach_reader
reader = InMemoryMetricReader()
provider = MeterProvider([reader])
attach_reader(reader)
counter = provider.get_meter("app").create_counter("c")
counter.add(5)
def child():
    counter.add(1)
    return read(reader)
with ByThread(provider._measurement_consumer._lock):
    print(json.dumps(in_child(child)))
"""
    )


@needs_otlp
def test_a_child_uses_no_connection_of_the_parent(
    run: Callable[[str], Any], sink: tuple[dict[str, str], Callable[[], Any]]
) -> None:
    """Nor waits for the locks of its pool and of its cookies; the parent's connection stays."""
    endpoints, arrived = sink
    assert 0 == run(
        f"""
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
exporter = OTLPMetricExporter({endpoints["http"]!r} + "/v1/metrics")
provider = MeterProvider([PeriodicExportingMetricReader(exporter, 3_600_000)])
attach(provider)
counter = provider.get_meter("app").create_counter("app.counter")
counter.add(5)
provider.force_flush()
client = getattr(exporter, "_client", None)
session = exporter._session if client is None else client._transport._session
manager = session.get_adapter("http://").poolmanager
def child():
    counter.add(1)
    provider.force_flush()
    return 0
with ByThread(session.cookies._cookies_lock, manager.pools.lock):
    found = in_child(child)
provider.force_flush()
print(json.dumps(found))
provider.shutdown()
"""
    )
    got = arrived()
    assert (2, []) == (got["connections"], got["broken"])
    assert 6 == got["totals"]["app.counter{}"]


@needs_otlp
def test_a_fork_waits_for_an_export_by_grpc_but_not_for_ever(run: Callable[[str], Any]) -> None:
    """A collector that hangs delays the app's forks by a second each, and nothing is left held."""
    waited, took, freed = run(
        """
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
exporter = OTLPMetricExporter("http://127.0.0.1:9", insecure=True)
reader = PeriodicExportingMetricReader(exporter, 3_600_000)
provider = MeterProvider([reader])
attach(provider)
lock = getattr(exporter, "_export_lock", None) or reader._export_lock
otel_fork._GRPC_PATIENCE_S = 0.2
def free():
    return lock.acquire(blocking=False)
began = time.monotonic()
with ByThread(lock):
    child = in_child(free)
took = time.monotonic() - began
print(json.dumps([child, took, [in_child(free), free()]]), flush=True)
os._exit(0)
"""
    )
    assert waited
    assert 0.2 <= took < 5
    assert [True, True] == freed


def test_an_sdk_that_repairs_itself_is_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    """So is one that is built otherwise; it is said once, for those who look for it."""
    caplog.set_level(logging.DEBUG, "tidegauge")
    otel_fork._said.clear()
    before = len(otel_fork._consumers)

    class Repaired:
        _reader_storages: dict[Any, Any] = {}  # noqa: RUF012 - as the SDK's

        def _at_fork_reinit(self) -> None:
            """Repair."""

        def collect(self) -> None:
            """Collect."""

    class Unknown:
        def collect(self) -> None:
            """Collect."""

    for consumer in (Repaired(), Unknown(), Unknown()):
        otel_fork.watch_reader(InMemoryMetricReader(), consumer.collect)
    assert before == len(otel_fork._consumers)
    assert [
        "Repaired repairs itself after a fork: it is left alone.",
        "Unknown is unknown: it is not repaired after a fork.",
    ] == [record.getMessage() for record in caplog.records]


def test_a_provider_that_is_gone_is_not_kept() -> None:
    """Watching holds nothing alive."""
    import gc

    provider = MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False)
    attach(provider)
    found = len(otel_fork._providers), len(otel_fork._consumers)
    provider.shutdown()
    del provider
    gc.collect()
    assert (len(otel_fork._providers), len(otel_fork._consumers)) < found

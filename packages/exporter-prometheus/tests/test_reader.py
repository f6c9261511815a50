"""The reader: found by OpenTelemetry, scraped over HTTP, never in the app's way."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

import pytest
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader
from prometheus_client import CollectorRegistry
from prometheus_client import Counter as ClientCounter
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from tidegauge import guard
from tidegauge.settings import rows
from tidegauge_exporter_prometheus import PrometheusReader, settings
from tidegauge_exporter_prometheus.exposition import OPENMETRICS, TEXT, Unavailable
from tidegauge_exporter_prometheus.readers import expose, running


def value(body: bytes, name: str) -> float:
    """Return the one sample of this name."""
    families = parse_text(body.decode())
    found = [s.value for family in families for s in family.samples if s.name == name]
    assert len(found) == 1
    return float(found[0])


def test_nothing_is_answered_before_tidegauge_is_attached(
    make_reader: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer with the app's instruments alone would say that nothing was predicted."""
    refused: list[str] = []

    def scraped_meanwhile(reader: PrometheusReader) -> None:
        with pytest.raises(Unavailable) as found:
            reader.read()
        refused.append(str(found.value))

    monkeypatch.setattr(import_module("tidegauge.attach"), "attach_reader", scraped_meanwhile)
    reader = make_reader(listen=False)
    provider = MeterProvider([reader], shutdown_on_exit=False)
    assert 1 == len(refused)
    assert reader.has_provider
    provider.shutdown()


@pytest.mark.parametrize(
    "group", ["opentelemetry_metrics_exporter", "opentelemetry_pull_metric_exporter"]
)
def test_opentelemetry_finds_the_reader(group: str) -> None:
    """Both ways of configuration load a reader class that needs no arguments."""
    (found,) = entry_points(group=group, name="tidegauge_prometheus")
    assert found.load() is PrometheusReader
    assert issubclass(PrometheusReader, MetricReader)


def test_the_settings_are_declared() -> None:
    """The settings page and the check for unknown variables find the rows."""
    (found,) = entry_points(group="tidegauge_settings", name="exporter_prometheus")
    assert found.load() is settings.PrometheusSettings
    assert [row.env for row in rows(settings.PrometheusSettings).values()] == [
        "OTEL_EXPORTER_PROMETHEUS_HOST",
        "OTEL_EXPORTER_PROMETHEUS_PORT",
        "TIDEGAUGE_PROMETHEUS_LISTEN",
        "TIDEGAUGE_PROMETHEUS_PUSHGATEWAY",
        "TIDEGAUGE_PROMETHEUS_PUSH_JOB",
        "TIDEGAUGE_PROMETHEUS_PUSH_INSTANCE",
    ]


def test_a_scrape_shows_what_was_recorded(served: Any, get: Any) -> None:
    """A count is in the scrape that follows it, and the next scrape has the newer one."""
    reader, provider = served
    counter = provider.get_meter("app").create_counter("jobs")
    for expected in (1.0, 2.0):
        counter.add(1)
        answer = get(reader.port)
        assert (answer.status, answer.headers["Content-Type"]) == (200, TEXT)
        assert value(answer.body, "jobs_total") == expected


def test_openmetrics_and_gzip_over_http(served: Any, get: Any) -> None:
    """The server passes on what the client accepts."""
    reader, provider = served
    provider.get_meter("app").create_counter("jobs").add(1)
    plain = get(reader.port, Accept="application/openmetrics-text; version=1.0.0")
    assert plain.headers["Content-Type"] == OPENMETRICS
    assert "jobs" in {family.name for family in parse_openmetrics(plain.body.decode())}  # type: ignore[no-untyped-call]
    small = get(reader.port, Accept_Encoding="gzip")
    assert small.headers["Content-Encoding"] == "gzip"
    assert len(small.body) == int(small.headers["Content-Length"])


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/metrics", 200),
        ("GET", "/metrics/", 200),
        ("GET", "/metrics?name=x", 200),
        ("HEAD", "/metrics", 200),
        ("OPTIONS", "/metrics", 200),
        ("POST", "/metrics", 405),
        ("DELETE", "/metrics", 405),
        ("GET", "/", 404),
        ("GET", "/favicon.ico", 404),
        ("HEAD", "/nowhere", 404),
    ],
)
def test_methods_and_paths(served: Any, get: Any, method: str, path: str, status: int) -> None:
    """The endpoint is at /metrics, to be read."""
    reader, provider = served
    provider.get_meter("app").create_counter("jobs").add(1)
    answer = get(reader.port, path, method)
    assert answer.status == status
    assert (answer.body == b"") == (method in {"HEAD", "OPTIONS"})


def test_the_environment_says_where(make_reader: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Host and port come from OpenTelemetry's own variables."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    monkeypatch.setenv("OTEL_EXPORTER_PROMETHEUS_HOST", "localhost")
    monkeypatch.setenv("OTEL_EXPORTER_PROMETHEUS_PORT", str(port))
    assert make_reader().port == port


def test_the_default_is_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is shown to the network unless somebody says so."""
    for row in rows(settings.PrometheusSettings).values():
        monkeypatch.delenv(row.env, raising=False)
    assert settings.read() == settings.PrometheusSettings("127.0.0.1", 9464, listen=True)


@pytest.mark.parametrize("port", ["abc", "70000", "-1", "94.64"])
def test_a_bad_port_is_one_error_and_no_listener(
    make_reader: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    port: str,
) -> None:
    """The app starts; the line says what to write; the metrics can still be mounted."""
    monkeypatch.setenv("OTEL_EXPORTER_PROMETHEUS_PORT", port)
    reader = make_reader()
    assert reader.port is None
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        (
            "ERROR",
            (
                f"OTEL_EXPORTER_PROMETHEUS_PORT: got {port!r} from the environment; expected "
                "an integer in [0, 65535]. Unset it to use 9464. "
                "The Prometheus endpoint does not listen."
            ),
        )
    ]
    reader.start()
    assert reader.port is None
    provider = MeterProvider([reader], shutdown_on_exit=False)
    provider.get_meter("app").create_counter("jobs").add(1)
    assert "jobs" in {family.name for family in expose([reader])}


NO_LISTENER = "Leave it out for the default. The Prometheus endpoint does not listen."
BAD_OPTIONS: list[tuple[dict[str, Any], str]] = [
    ({"port": "9464"}, "port: got '9464' from the argument; expected an integer in [0, 65535]."),
    ({"port": True}, "port: got True from the argument; expected an integer in [0, 65535]."),
    ({"host": 1}, "host: got 1 from the argument; expected text."),
]


@pytest.mark.parametrize(("options", "message"), BAD_OPTIONS)
def test_bad_options_are_one_error(
    make_reader: Any, caplog: pytest.LogCaptureFixture, options: dict[str, Any], message: str
) -> None:
    """A declarative configuration with a slip does not stop the app."""
    assert make_reader(**options).port is None
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("ERROR", f"{message} {NO_LISTENER}")
    ]


def test_unknown_options_are_one_error(make_reader: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A misspelt option is named, and the rest still holds."""
    assert make_reader(prt=1, port=0, a=2).port
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        (
            "ERROR",
            (
                "tidegauge_prometheus: got the unknown options a, prt; expected host, port, "
                "listen, registry or pushgateway. They have no effect: remove them."
            ),
        )
    ]


def test_listening_can_be_left_to_the_app(
    make_reader: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An app that mounts the endpoint opens no second port; start() still does when asked."""
    monkeypatch.setenv("TIDEGAUGE_PROMETHEUS_LISTEN", "false")
    reader = make_reader(port=0)
    assert reader.port is None
    reader.start()
    assert reader.port is not None


def test_starting_twice_is_starting_once(make_reader: Any) -> None:
    """start() on a reader that listens changes nothing."""
    reader = make_reader(port=0)
    port = reader.port
    reader.start()
    assert reader.port == port


def test_a_reader_belongs_to_one_provider(served: Any) -> None:
    """The SDK refuses a second provider, and the first goes on."""
    reader, provider = served
    provider.get_meter("app").create_counter("jobs").add(1)
    with pytest.raises(Exception, match="registered already"):
        MeterProvider([reader], shutdown_on_exit=False)
    assert "jobs" in {family.name for family in expose([reader])}


def test_two_readers_of_two_providers_are_shown_together(make_reader: Any) -> None:
    """Without a reader given, an app that mounts shows all that run, each instrument once."""
    readers = [make_reader(listen=False), make_reader(listen=False)]
    for number, reader in enumerate(readers):
        provider = MeterProvider([reader], shutdown_on_exit=False)
        provider.get_meter("app").create_counter("jobs").add(1, {"provider": number})
    assert set(readers) <= set(running())
    (jobs,) = (family for family in expose(readers) if family.name == "jobs")
    assert sorted(sample.labels["provider"] for sample in jobs.samples) == ["0", "1"]


def test_a_raising_callback_costs_only_itself(served: Any, get: Any) -> None:
    """One broken instrument of the app does not cost the scrape."""
    reader, provider = served
    meter = provider.get_meter("app")

    def broken(options: CallbackOptions) -> Any:
        raise RuntimeError("broken")

    meter.create_observable_gauge("broken", [broken])
    meter.create_counter("jobs").add(1)
    answer = get(reader.port)
    assert answer.status == 200
    assert value(answer.body, "jobs_total") == 1.0


def test_a_failing_collection_is_answered_and_counted(
    served: Any, get: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """When the SDK itself fails the scrape gets 500 and the next one is fine."""
    reader, provider = served
    provider.get_meter("app").create_counter("jobs").add(1)
    collect = reader._collect

    def fail(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("no")

    reader._collect = fail
    answers = [get(reader.port) for _ in range(2)]
    assert [answer.status for answer in answers] == [500, 500]
    assert guard.counts()["prometheus.scrape:RuntimeError"] == 2
    assert len([r for r in caplog.records if "prometheus.scrape" in r.getMessage()]) == 1
    reader._collect = collect
    assert get(reader.port).status == 200


def test_sixteen_scrapes_at_once_are_all_right(served: Any, get: Any) -> None:
    """Concurrent clients get whole, equal answers; a cumulative count is never split."""
    reader, provider = served
    counter = provider.get_meter("app").create_counter("jobs")
    counter.add(7, {"k": "v"})
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: get(reader.port), range(64)))
    assert {answer.status for answer in answers} == {200}
    assert {value(answer.body, "jobs_total") for answer in answers} == {7.0}


def test_scrapes_while_the_app_counts_never_run_backwards(served: Any, get: Any) -> None:
    """Each client sees a counter that only rises, whoever else scrapes."""
    reader, provider = served
    counter = provider.get_meter("app").create_counter("jobs")
    counter.add(1)
    stop = threading.Event()

    def count() -> None:
        while not stop.is_set():
            counter.add(1)

    def scrape(_: int) -> list[float]:
        return [value(get(reader.port).body, "jobs_total") for _ in range(5)]

    worker = threading.Thread(target=count)
    worker.start()
    try:
        with ThreadPoolExecutor(8) as pool:
            seen = list(pool.map(scrape, range(8)))
    finally:
        stop.set()
        worker.join()
    assert all(values == sorted(values) for values in seen)


def test_a_hanging_collection_holds_up_nobody_for_ever(served: Any) -> None:
    """Others are told after their time is up, and the fault is counted."""
    reader, provider = served
    gate, entered = threading.Event(), threading.Event()

    def hang(options: CallbackOptions) -> Any:
        entered.set()
        gate.wait(20)
        yield Observation(1)

    provider.get_meter("app").create_observable_gauge("slow", [hang])
    first = threading.Thread(target=reader.read)
    first.start()
    assert entered.wait(10)
    with pytest.raises(Unavailable, match=r"has run for 0\.01 s: a callback of the app hangs"):
        reader.read(timeout_s=0.01)
    gate.set()
    first.join(10)
    assert guard.counts()["prometheus.collect:TimeoutError"] == 1
    assert "slow" in {family.name for family in expose([reader])}


def test_a_reader_without_provider_says_so(make_reader: Any, get: Any) -> None:
    """A scrape before the provider exists is down, not empty."""
    answer = get(make_reader(port=0).port)
    assert answer.status == 503
    assert b"has no MeterProvider yet: pass it in metric_readers." in answer.body


def test_shutdown_is_idempotent_and_frees_the_port(make_reader: Any, get: Any) -> None:
    """After shutdown the port is free, a scrape is refused, and a second shutdown does nothing."""
    reader = make_reader(port=0)
    provider = MeterProvider([reader], shutdown_on_exit=False)
    port = reader.port
    provider.shutdown()
    reader.shutdown()
    reader.start()
    assert reader.port is None
    assert reader not in running_or_none()
    with pytest.raises(Unavailable, match="shut down"):
        expose([reader])
    with socket.create_server(("127.0.0.1", port)):
        pass


def running_or_none() -> list[PrometheusReader]:
    try:
        return running()
    except Unavailable:
        return []


def test_a_scrape_during_shutdown_is_finished(served: Any, get: Any) -> None:
    """Shutdown does not wait for a scrape, and the scrape gets its answer."""
    reader, provider = served
    gate, entered = threading.Event(), threading.Event()

    def slow(options: CallbackOptions) -> Any:
        entered.set()
        gate.wait(10)
        yield Observation(4)

    provider.get_meter("app").create_observable_gauge("slow", [slow])
    with ThreadPoolExecutor(1) as pool:
        scrape = pool.submit(get, reader.port)
        assert entered.wait(10)
        reader.shutdown()
        gate.set()
        assert value(scrape.result(10).body, "slow") == 4.0


def test_flushing_collects_nothing(served: Any) -> None:
    """A reader that is asked holds nothing back, and a flush disturbs no scrape."""
    _, provider = served

    def unexpected(options: CallbackOptions) -> Any:
        pytest.fail("collected")

    provider.get_meter("app").create_observable_gauge("g", [unexpected])
    assert provider.force_flush()


def test_another_registry_is_shown_too(make_reader: Any) -> None:
    """An app that already counts with prometheus_client keeps one endpoint."""
    registry = CollectorRegistry()
    ClientCounter("legacy", "d", registry=registry).inc(3)
    reader = make_reader(listen=False, registry=registry)
    MeterProvider([reader], shutdown_on_exit=False)
    assert "legacy" in {family.name for family in expose([reader])}


def test_a_broken_registry_does_not_cost_the_scrape(make_reader: Any) -> None:
    """A collector of the app that raises is counted; everything else is shown."""

    class Broken:
        def collect(self) -> Any:
            raise RuntimeError("no")

    registry = CollectorRegistry()
    registry.register(Broken())
    reader = make_reader(listen=False, registry=registry)
    provider = MeterProvider([reader], shutdown_on_exit=False)
    provider.get_meter("app").create_counter("jobs").add(1)
    assert "jobs" in {family.name for family in expose([reader])}
    assert guard.counts()["prometheus.registry:RuntimeError"] == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
@pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning")
def test_a_forked_child_leaves_the_port_to_its_parent(served: Any, get: Any) -> None:
    """The child closes the socket and the connections that it inherited; the parent goes on."""
    reader, provider = served
    provider.get_meter("app").create_counter("jobs").add(1)
    port = reader.port
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"GET /metrics HTTP/1.0\r\n")  # a request that is not yet whole
        server = reader._listener._server
        while not server._connections:
            time.sleep(0.01)
        inherited = [server.fileno(), *(each.fileno() for each in server._connections)]
        pid = os.fork()
        if pid == 0:
            os._exit(_in_child(reader, inherited))
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        client.sendall(b"\r\n")
        assert client.makefile("rb").read().startswith(b"HTTP/1.0 200 OK")
    assert value(get(port).body, "jobs_total") == 1.0
    provider.shutdown()
    with socket.create_server(("127.0.0.1", port)):
        pass


def _in_child(reader: PrometheusReader, inherited: list[int]) -> int:
    """Return which expectation failed, 0 for none; nothing of pytest may run here."""
    failed = 9
    with suppress(BaseException):
        checks = (reader.port is None, not any(map(is_open, inherited)))
        failed = 0 if all(checks) else checks.index(False) + 1
    return failed


def is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def test_constructing_is_quiet(make_reader: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A reader that starts as it should logs nothing."""
    caplog.set_level(logging.INFO)
    make_reader(port=0)
    assert caplog.records == []

"""Pushing at the end of a job: what arrives, and what a gateway that fails costs."""

from __future__ import annotations

import base64
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource
from prometheus_client.parser import text_string_to_metric_families as parse_text
from tidegauge import guard
from tidegauge.settings import SettingError, load
from tidegauge_exporter_prometheus import PrometheusReader
from tidegauge_exporter_prometheus.push import Address
from tidegauge_exporter_prometheus.settings import PrometheusSettings

LIMIT_S = 60.0
VARIABLE = "TIDEGAUGE_PROMETHEUS_PUSHGATEWAY"


@dataclass
class Gateway:
    """What a gateway was sent, and how it shall answer."""

    url: str
    status: int = 202
    says: bytes = b""
    delay: threading.Event | None = None
    requests: list[tuple[str, str, str, bytes]] = field(default_factory=list)

    def sums(self) -> dict[str, float]:
        """Return the samples of the last push, added up by name."""
        found: dict[str, float] = {}
        for family in parse_text(self.requests[-1][3].decode()):
            for sample in family.samples:
                found[sample.name] = found.get(sample.name, 0.0) + sample.value
        return found


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    """Serve a gateway that does as it is told."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            authorization = self.headers.get("Authorization", "")
            found.requests.append((self.command, self.path, authorization, body))
            if found.delay is not None:
                found.delay.wait(LIMIT_S)
            try:
                self.send_response(found.status)
                self.send_header("Content-Length", str(len(found.says)))
                self.end_headers()
                self.wfile.write(found.says)
            except OSError:
                pass  # nobody waits any more

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    found = Gateway(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield found
    if found.delay is not None:
        found.delay.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def job(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Run a job in this process: a counter of 3, and the provider's end."""
    monkeypatch.setattr("tidegauge_exporter_prometheus.reader.socket.gethostname", lambda: "box")
    guard.reset()

    @contextmanager
    def running(url: str | None, **attributes: str) -> Iterator[Any]:
        reader = PrometheusReader(pushgateway=url)
        provider = MeterProvider([reader], Resource(attributes), shutdown_on_exit=False)
        provider.get_meter("app").create_counter("jobs").add(3)
        try:
            yield reader
        finally:
            provider.shutdown()

    return running


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what was logged at ERROR."""
    return [r.getMessage() for r in caplog.records if r.levelno >= logging.ERROR]


def test_the_end_pushes_once_and_nobody_listens(gateway: Gateway, job: Any) -> None:
    """All of the job's metrics, under its service and its host."""
    with job(gateway.url, **{"service.name": "nightly/score"}) as reader:
        assert reader.port is None
        assert gateway.requests == []
    ((method, path, authorization, _),) = gateway.requests
    assert (method, authorization) == ("PUT", "")
    assert path == "/metrics/job@base64/bmlnaHRseS9zY29yZQ==/instance/box"
    assert gateway.sums()["jobs_total"] == 3.0


def test_a_flush_pushes_what_there_is(gateway: Gateway, job: Any) -> None:
    """A long job may push before its end; each push replaces the one before."""
    with job(gateway.url) as reader:
        assert reader.force_flush()
        assert gateway.sums()["jobs_total"] == 3.0
    assert [request[0] for request in gateway.requests] == ["PUT", "PUT"]


def test_names_may_be_set(gateway: Gateway, job: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where each run has a host of its own, a Pushgateway would keep all of them."""
    monkeypatch.setenv(VARIABLE, gateway.url)
    monkeypatch.setenv("TIDEGAUGE_PROMETHEUS_PUSH_JOB", "score")
    monkeypatch.setenv("TIDEGAUGE_PROMETHEUS_PUSH_INSTANCE", "all")
    with job(None):
        pass
    assert [request[1] for request in gateway.requests] == ["/metrics/job/score/instance/all"]


def test_name_and_password_are_sent_and_never_shown(
    gateway: Gateway, job: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Not in a message, not in a repr, not in the settings."""
    caplog.set_level(logging.DEBUG)
    gateway.status = 401
    url = gateway.url.replace("http://", "http://me:s%40cret@")
    with job(url) as reader:
        shown = repr(reader._settings)
    assert gateway.requests[0][2] == "Basic " + base64.b64encode(b"me:s@cret").decode()
    assert errors(caplog) == [
        f"Pushgateway {gateway.url}: got HTTP 401 Unauthorized; expected it to take this job's "
        "metrics. They are lost, the job is not affected. Put name and password into "
        "TIDEGAUGE_PROMETHEUS_PUSHGATEWAY: https://name:password@host."
    ]
    assert "cret" not in caplog.text + shown


def test_what_the_gateway_says_is_passed_on(
    gateway: Gateway, job: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """It names the metric that does not fit."""
    gateway.status, gateway.says = 400, b"pushed metrics are invalid: x"
    with job(gateway.url):
        pass
    assert errors(caplog) == [
        f"Pushgateway {gateway.url}: got HTTP 400 Bad Request (pushed metrics are invalid: x); "
        "expected it to take this job's metrics. They are lost, the job is not affected. Look "
        "for another job that pushes the same metrics with other types or labels."
    ]


def test_a_gateway_that_is_down(job: Any, caplog: pytest.LogCaptureFixture) -> None:
    """One line, however often it is tried."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{held.getsockname()[1]}"
        with job(url) as reader:
            reader.force_flush()
    assert errors(caplog) == [
        f"Pushgateway {url}: got [Errno 111] Connection refused; expected it to take this job's "
        "metrics. They are lost, the job is not affected. "
        "Check that it runs and that its URL is right."
    ]


def test_a_gateway_that_does_not_answer(
    gateway: Gateway, job: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """It costs what a flush may take, and no more."""
    gateway.delay = threading.Event()
    with job(gateway.url) as reader:
        began = time.monotonic()
        reader.force_flush(timeout_millis=200)
        took = time.monotonic() - began
        gateway.delay.set()
        gateway.delay = None
    assert 0.2 <= took < 5
    (line,) = errors(caplog)
    assert line.startswith(f"Pushgateway {gateway.url}: got no answer in 0.2 s;") or (
        "timed out" in line
    )


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://gateway:9091", "http://gateway:9091"),
        ("gateway:9091", "http://gateway:9091"),
        ("https://me:secret@[::1]:9091/push/", "https://[::1]:9091/push"),
    ],
)
def test_urls_that_are_understood(text: str, url: str) -> None:
    """With what is secret apart."""
    found = Address.parse(text)
    assert found.url == url
    assert "secret" not in repr(found)
    assert found.password == ("secret" if "secret" in text else "")


@pytest.mark.parametrize(
    "text",
    ["ftp://me:secret@host", "http://", "http://me:secret@host:port", "http://host?a=secret"],
)
def test_urls_that_are_not(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message does not repeat them: they may hold a password."""
    monkeypatch.setenv(VARIABLE, text)
    with pytest.raises(SettingError) as caught:
        load(PrometheusSettings)
    assert str(caught.value) == (
        f"{VARIABLE}: got a secret value from the environment; expected a URL such as "
        "http://gateway:9091 or https://name:password@gateway. Unset it to use the default."
    )
    assert "secret@" not in repr(caught.value.__cause__)


def test_a_bad_url_is_one_error_and_opens_no_port(
    job: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """The job runs on."""
    with job("ftp://me:secret@host") as reader:
        assert reader.port is None
    assert errors(caplog) == [
        "pushgateway: got another value from the argument; expected a URL such as "
        "http://gateway:9091. Leave it out to listen instead. "
        "The Prometheus endpoint does not listen."
    ]


SCRIPT = """
import os, sys
import tidegauge
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from tidegauge.attach import attach
from tidegauge_exporter_prometheus import PrometheusReader
provider = MeterProvider([PrometheusReader()])
metrics.set_meter_provider(provider)
attach(provider)
with tidegauge.Model("m").prediction([[1.0]] * 5) as p:
    p.output = [1.0] * 5
{rest}
"""


def run(url: str, rest: str, timeout_s: int = 10) -> tuple[int, str, float]:
    """Run a job in a process of its own; return its status, its log, and how long its end took."""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", SCRIPT.format(rest=rest)],
        env={**os.environ, VARIABLE: url, "TIDEGAUGE_SHUTDOWN_TIMEOUT_S": str(timeout_s)},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    return done.returncode, done.stderr, time.monotonic() - began


@pytest.mark.parametrize(
    ("rest", "status"),
    [("", 0), ("sys.exit(3)", 3), ("raise SystemExit('no')", 1)],
    ids=["it ends", "it says 3", "it fails"],
)
def test_a_script_pushes_and_keeps_its_status(gateway: Gateway, rest: str, status: int) -> None:
    """Whatever way it ends."""
    found, _, _ = run(gateway.url, rest)
    assert found == status
    assert len(gateway.requests) == 1
    assert gateway.sums()["model_requests_total"] == 1.0
    assert gateway.sums()["model_predictions_total"] == 5.0


def test_a_gateway_that_hangs_costs_a_script_a_second(gateway: Gateway) -> None:
    """The shutdown timeout; one line on stderr, and the script's own status."""
    gateway.delay = threading.Event()
    status, log, took = run(gateway.url, "sys.exit(3)", 1)
    assert (status, took < 30) == (3, True)
    assert len(log.splitlines()) == 1
    assert log.startswith(f"Pushgateway {gateway.url}: got ")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_job_with_forked_children_pushes_their_counts(gateway: Gateway) -> None:
    """The last of the processes pushes for all: nothing is counted twice, nothing is missing."""
    rest = """
def child():
    with tidegauge.Model("m").prediction([[1.0]] * 2) as p:
        p.output = [1.0] * 2
children = []
for _ in range(3):
    pid = os.fork()
    if pid == 0:
        child()
        sys.exit(0)
    children.append(pid)
for pid in children:
    os.waitpid(pid, 0)
"""
    status, log, _ = run(gateway.url, rest)
    assert (status, log) == (0, "")
    assert gateway.sums()["model_predictions_total"] == 11.0
    assert {path for _, path, _, _ in gateway.requests} == {gateway.requests[0][1]}

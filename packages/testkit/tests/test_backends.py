"""The process fixtures keep what they promise; the real backends start, answer and stop."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest
from tidegauge_testkit.backends import (
    Alertmanager,
    BackendError,
    MissingProgramError,
    Process,
    Prometheus,
    ServedApp,
    TestAgent,
    VictoriaMetrics,
    Vmalert,
    Webhook,
    free_ports,
    wait_until,
)

if TYPE_CHECKING:
    from pathlib import Path

FIRING = """
groups:
- name: always
  rules:
  - alert: Always
    expr: vector(1)
    # Prometheus looks for Alertmanagers every 5 s, and says again what nobody heard after 60.
    for: 7s
    labels: {severity: info}
    annotations: {summary: said}
"""


def python(code: str) -> list[str]:
    """Return a command that runs a line of Python."""
    return [sys.executable, "-u", "-c", code]


def gone(pid: int) -> bool:
    """Whether no process has this id."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_leaving_stops_the_process_and_its_children(tmp_path: Path) -> None:
    """Nothing that a test started is there after it, even what ignores SIGTERM."""
    code = (
        "import signal, subprocess, sys, time; "
        "child = 'import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(60)'; "
        "print(subprocess.Popen([sys.executable, '-c', child]).pid); time.sleep(60)"
    )
    with Process(python(code), tmp_path) as process:
        child = int(process.wait_for(lambda: process.output().strip() or None, "its child", 10))
        pid = process.pid
    assert gone(pid)
    wait_until(lambda: gone(child), "the child is gone", 5)


def test_a_failure_shows_the_output(tmp_path: Path) -> None:
    """Who reads the failure of a test sees what the program said."""

    def fail() -> None:
        with Process(python("print('the cause')"), tmp_path) as process:
            process.wait_exit(10)
            raise KeyError

    with pytest.raises(KeyError) as caught:
        fail()
    assert [note.splitlines()[-1] for note in caught.value.__notes__] == ["the cause"]


def test_waiting_ends_with_the_process(tmp_path: Path) -> None:
    """A program that dies at start is told at once, not at the deadline."""
    started = time.monotonic()
    with (
        pytest.raises(BackendError, match=r"process ended before it is up[\s\S]*boom"),
        Process(python("raise SystemExit('boom')"), tmp_path) as process,
    ):
        process.wait_for(lambda: False, "it is up", 60)
    assert time.monotonic() - started < 30


def test_waiting_has_a_deadline() -> None:
    """What does not come is an error that says what was waited for."""
    with pytest.raises(BackendError) as caught:
        wait_until(lambda: None, "nothing", 0.1)
    assert str(caught.value) == "waited 0.1 s for nothing; it did not come"


def test_the_exit_status_is_the_programs(tmp_path: Path) -> None:
    """SIGTERM reaches the program itself, and its status comes back."""
    code = (
        "import signal, sys, time; signal.signal(15, lambda *a: sys.exit(7)); "
        "print('ready'); time.sleep(60)"
    )
    with Process(python(code), tmp_path) as process:
        process.wait_for(lambda: "ready" in process.output(), "it is ready", 10)
        assert process.terminate() == 7
    with Process(python("import time; print('ready'); time.sleep(60)"), tmp_path / "b") as process:
        process.wait_for(lambda: "ready" in process.output(), "it is ready", 10)
        assert process.terminate() == -signal.SIGTERM


def test_a_missing_program_names_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without Prometheus a test fails, and says what to install."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingProgramError) as caught:
        Prometheus(tmp_path, {})
    assert str(caught.value) == (
        "prometheus: not found on PATH; expected Debian's package prometheus. "
        "apt-get install --no-install-recommends prometheus prometheus-alertmanager "
        "prometheus-pushgateway victoria-metrics"
    )


def test_ports_are_different_and_free() -> None:
    """Several ports at once can all be listened on."""
    ports = free_ports(5)
    assert len(set(ports)) == 5
    sockets = [socket.create_server(("127.0.0.1", port)) for port in ports]
    for each in sockets:
        each.close()


def test_a_served_app_answers(tmp_path: Path) -> None:
    """An app is ready when it answers, whatever the status; a foreign environment stays out."""
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"]
    with ServedApp(tmp_path, command, port, {}, ready_path="/missing") as app:
        assert app.returncode is None
    assert "404" in app.output()


@pytest.mark.backends
def test_an_alert_travels_to_the_webhook(tmp_path: Path) -> None:
    """Prometheus evaluates, Alertmanager sends, the webhook keeps labels, texts and the time."""
    before, threads = time.monotonic(), set(threading.enumerate())
    with (
        Webhook() as webhook,
        Alertmanager(tmp_path / "alertmanager", webhook.url) as alertmanager,
        Prometheus(
            tmp_path / "prometheus",
            {"alertmanager": alertmanager.address},
            rules=FIRING,
            alertmanager=alertmanager.address,
            interval_s=1,
        ) as prometheus,
    ):
        received = webhook.wait_for("Always", 30)
        assert received.labels == {"alertname": "Always", "severity": "info"}
        assert received.annotations == {"summary": "said"}
        assert before < received.time_s < time.monotonic()
        assert [alert["labels"]["alertname"] for alert in prometheus.alerts()] == ["Always"]
        assert prometheus.wait_for(lambda: prometheus.value("up"), "a scrape", 10) == 1
        assert prometheus.value("absent_metric") is None
        assert prometheus.unhealthy_rules() == []
    wait_until(lambda: set(threading.enumerate()) <= threads, "the webhook's threads end", 5)
    assert (prometheus.returncode, alertmanager.returncode) == (0, 0)


RECORDED = """
groups:
- name: recorded
  interval: 1s
  rules:
  - record: twice:up
    expr: 2 * up
  - alert: Up
    expr: up == 1
"""


@pytest.mark.backends
def test_victoria_metrics_scrapes_and_vmalert_records(tmp_path: Path) -> None:
    """Targets are scraped, rules are evaluated, and what they record can be queried."""
    with (
        Webhook() as webhook,
        Alertmanager(tmp_path / "alertmanager", webhook.url) as alertmanager,
        VictoriaMetrics(
            tmp_path / "vm", {"alertmanager": alertmanager.address}, interval_s=1
        ) as storage,
        Vmalert(tmp_path / "vmalert", RECORDED, storage, alertmanager.address) as vmalert,
    ):
        assert storage.wait_for(lambda: storage.value("up"), "a scrape", 10) == 1
        assert storage.value("absent_metric") is None
        assert storage.wait_for(lambda: storage.value("twice:up"), "a record", 20) == 2
        wait_until(vmalert.alerts, "an alert", 10)
        assert [alert["name"] for alert in vmalert.alerts()] == ["Up"]
        assert webhook.wait_for("Up", 30).labels["job"] == "alertmanager"
    assert (storage.returncode, vmalert.returncode) == (0, 0)


@pytest.mark.backends
def test_the_agent_reads_otlp(tmp_path: Path) -> None:
    """The agent starts, has nothing at first, and stops."""
    with TestAgent(tmp_path) as agent:
        assert agent.points() == []
        agent.clear()
    assert agent.returncode is not None

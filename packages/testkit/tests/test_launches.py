"""The ledger judges rightly, the clients count what they did, and processes are what they seem."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tidegauge_testkit.backends import free_port, wait_until
from tidegauge_testkit.launches import ALL, BY_HAND, ZERO_CODE, Clients, Launcher, Row, processes
from tidegauge_testkit.launches.launch import series
from tidegauge_testkit.launches.ledger import table

APPS = Path("apps")


@pytest.mark.parametrize(
    ("sent", "failed", "may_lose", "counted", "right", "verdict"),
    [
        (100, 0, 0, 100, True, "equal"),
        (100, 0, 0, 99, False, "WRONG"),
        (100, 0, 0, 101, False, "WRONG"),
        (100, 2, 0, 102, True, "equal, with requests that lost their answer"),
        (100, 2, 0, 103, False, "WRONG"),
        (100, 0, 5, 95, True, "short by 5, at most 5"),
        (100, 0, 5, 94, False, "WRONG"),
    ],
)
def test_a_row_is_judged(
    *, sent: int, failed: int, may_lose: int, counted: int, right: bool, verdict: str
) -> None:
    """Only what was killed may be missing, and only what lost its answer may be more."""
    row = Row("gunicorn", ZERO_CODE, "SIGKILL", sent, failed, counted, may_lose)
    assert (right, verdict) == (row.right, row.verdict)
    assert row == Row.from_json(json.loads(json.dumps(row.as_json())))


def test_the_table_is_markdown() -> None:
    """A heading, a rule, a line for each row, all of one width."""
    row = Row("uvicorn", BY_HAND, "SIGTERM", 10, 1, 10, note="1 x 503")
    lines = table([row]).splitlines()
    assert 1 == len({len(line) for line in lines})
    assert [
        "uvicorn", BY_HAND, "SIGTERM", "10", "1", "10", "equal; 1 x 503",
    ] == [cell.strip() for cell in lines[2].strip("|").split("|")]  # fmt: skip


@pytest.mark.parametrize("launcher", ALL, ids=lambda each: each.name)
def test_a_command_is_complete(launcher: Launcher, monkeypatch: pytest.MonkeyPatch) -> None:
    """No placeholder is left, and the app set up by hand is not instrumented from outside."""
    monkeypatch.setattr("tidegauge_testkit.launches.launchers.find", str)
    without_code = launcher.command(ZERO_CODE, APPS, 8000, recycle=True)
    by_hand = launcher.command(BY_HAND, APPS, 8000, recycle=False)
    assert "opentelemetry-instrument" == without_code[0]
    assert "opentelemetry-instrument" not in by_hand
    for words, module in ((without_code, launcher.module), (by_hand, f"by_hand_{launcher.module}")):
        line = " ".join(words)
        assert module in line
        assert "8000" in line
        assert "{" not in line


class Service(BaseHTTPRequestHandler):
    """Answers every third request with 500, and says which process answered the others."""

    asked = 0
    bodies: list[Any] = []  # noqa: RUF012 - one service at a time
    lock = threading.Lock()

    def do_POST(self) -> None:
        """Answer."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.lock:
            Service.asked += 1
            Service.bodies.append(body)
            broken = Service.asked % 3 == 0
        content = json.dumps({"worker": os.getpid()}).encode()
        self.send_response(500 if broken else 200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_request(self, *args: Any) -> None:
        """Log nothing."""


def test_clients_count_answers_and_failures_apart() -> None:
    """Refused connections are no requests: the service starts after the clients."""
    Service.asked, Service.bodies = 0, []
    port = free_port()
    with Clients(port, "/", [1, 2], requests=30, per_s=1000) as clients:
        wait_until(lambda: clients.refused > 0, "a refused connection", 10)
        with ThreadingHTTPServer(("127.0.0.1", port), Service) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.01,))
            thread.start()
            clients.wait_answered(30, timeout_s=10)
            server.shutdown()
            thread.join()
    assert (20, {"500": 10}) == (len(clients.sent), dict(clients.sent.failures))
    assert sorted([1, 2] * 15) == sorted(Service.bodies)
    assert [os.getpid()] == clients.sent.workers()
    last = max(answer.time_s for answer in clients.sent.answers)
    assert 1 == clients.sent.since(os.getpid(), last)
    assert 0 == clients.sent.since(0, 0.0)


def test_who_listens_is_known() -> None:
    """The owner of a socket is found by its port."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        assert set() == processes.listeners(port)
        listening.listen()
        assert {os.getpid()} == processes.listeners(port)


def test_who_holds_a_lock_is_known(tmp_path: Path) -> None:
    """The holder of a file's lock is found, and nobody where there is none."""
    path = tmp_path / "lock"
    assert processes.lock_holder(path) is None
    with path.open("w") as file:
        assert processes.lock_holder(path) is None
        fcntl.flock(file, fcntl.LOCK_EX)
        assert os.getpid() == processes.lock_holder(path)


def test_families_are_known() -> None:
    """Children of children are found, in their session too, and the dead are not alive."""
    code = (
        "import subprocess, sys, time; "
        "print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']).pid); "
        "sys.stdout.flush(); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True
    ) as child:
        try:
            assert child.stdout is not None
            grandchild = int(child.stdout.readline())
            assert {child.pid, grandchild} <= processes.descendants(os.getpid())
            assert {child.pid, grandchild} == processes.of_session(child.pid)
        finally:
            os.killpg(child.pid, signal.SIGKILL)
        wait_until(lambda: not processes.alive(child.pid), "its end, before it is fetched", 10)
        wait_until(lambda: not processes.of_session(child.pid), "the end of both", 10)


def test_series_are_chosen_by_label() -> None:
    """Only the metric of that very name, and only its series with all of the labels."""
    text = (
        "# TYPE requests_total counter\n"
        'requests_total{model="a",status="success"} 3.0\n'
        'requests_total{model="b",status="success"} 4\n'
        'requests_total{model="a",status="error"} 5\n'
        'requests_total_more{status="success"} 6\n'
        "bare 7\n"
    )
    assert [3.0, 4.0] == series(text, "requests_total", status="success")
    assert [3.0] == series(text, "requests_total", status="success", model="a")
    assert [7.0] == series(text, "bare")

"""Workers of one launch: each is asked over its pipe, and any of them answers for all."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tidegauge_exporter_prometheus import reader

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="groups need Linux")

# Newer Pythons warn of every fork in a process that has threads, as the launcher's listener is one.
PYTHON = [sys.executable, "-W", "ignore::DeprecationWarning"]

# The launcher forks workers; each does what its pipe says, and answers on the other.
PROGRAM = """
import asyncio, json, os, signal, sys
import tidegauge
from opentelemetry.metrics import Observation
from opentelemetry.sdk.metrics import MeterProvider
from tidegauge_exporter_prometheus import PrometheusReader, asgi_app, reader, transport, wsgi_app

port, pipes, retry_s = int(sys.argv[1]), json.loads(sys.argv[2]), float(sys.argv[3])
reader.REVIVAL_S = transport.RETRY_S = retry_s
reader = PrometheusReader(port=port)
provider = MeterProvider([reader], shutdown_on_exit=False)
meter = provider.get_meter("app")
jobs = meter.create_counter("jobs")
in_flight = meter.create_up_down_counter("in.flight")
seconds = meter.create_histogram("wait", "s", explicit_bucket_boundaries_advisory=[1.0, 10.0])
pid = lambda options: [Observation(os.getpid())]
by_wsgi, by_asgi = wsgi_app(), asgi_app()
model = tidegauge.Model("m")

async def ask_asgi(sent):
    async def send(message):
        sent.append(message.get("body", b"").decode())
    await by_asgi({"type": "http", "method": "GET", "headers": []}, None, send)
    return "".join(sent)

def work(commands, answers):
    commands, answers = os.fdopen(commands), os.fdopen(answers, "w")
    for line in commands:
        what, number = json.loads(line)
        answer = None
        if what == "count":
            jobs.add(number)
            in_flight.add(1)
            seconds.record(number)
        elif what == "predict":
            for _ in range(number):
                with model.prediction([1.0, 2.0]) as prediction:
                    prediction.output = 0.5
        elif what == "observe":
            meter.create_observable_gauge("pid", [pid])
        elif what == "scrape":
            (body,) = by_wsgi({"REQUEST_METHOD": "GET"}, lambda status, headers: None)
            answer = body.decode()
        elif what == "scrape by asgi":
            answer = asyncio.run(ask_asgi([]))
        elif what == "port":
            answer = reader.port
        elif what == "pid":
            answer = os.getpid()
        elif what == "end":
            provider.shutdown()
            os._exit(0)
        print(json.dumps(answer), file=answers, flush=True)
    os._exit(0)

for ours in pipes:
    if os.fork() == 0:
        for commands, answers in pipes:
            if [commands, answers] != ours:
                os.close(commands), os.close(answers)
        work(*ours)
for commands, answers in pipes:
    os.close(commands), os.close(answers)
print("ready", flush=True)
signal.pause()
"""

Totals = dict[str, float]


class Worker:
    """One worker, at the ends of its pipes."""

    def __init__(self, commands: int, answers: int) -> None:
        self.commands = os.fdopen(commands, "w")
        self.answers = os.fdopen(answers)

    def tell(self, what: str, number: float = 0) -> None:
        """Have it do something that has no answer."""
        print(json.dumps([what, number]), file=self.commands, flush=True)

    def ask(self, what: str, number: float = 0) -> Any:
        """Have it do something; return its answer."""
        self.tell(what, number)
        return json.loads(self.answers.readline())

    def close(self) -> None:
        """End it."""
        with suppress(OSError):
            self.commands.close()
        self.answers.close()


class Launch:
    """A launcher with the port, and its workers."""

    def __init__(self, folder: Path, number: int, retry_s: float) -> None:
        self.port = free_port()
        self.stderr = folder / "stderr"
        ours, theirs = [], []
        for _ in range(number):
            command_end, commands = os.pipe()
            answers, answer_end = os.pipe()
            ours.append((commands, answers))
            theirs.append((command_end, answer_end))
        ends = [end for pair in theirs for end in pair]
        with self.stderr.open("w") as stderr:
            self.launcher = subprocess.Popen(
                [*PYTHON, "-c", PROGRAM, str(self.port), json.dumps(theirs), str(retry_s)],
                pass_fds=ends,
                env={**os.environ, "TIDEGAUGE_GROUP_DIR": str(folder / "group")},
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        for end in ends:
            os.close(end)
        self.workers = [Worker(*pair) for pair in ours]
        assert self.launcher.stdout is not None
        assert self.launcher.stdout.readline() == "ready\n"

    def scrape(self) -> str:
        """Scrape the port."""
        url = f"http://127.0.0.1:{self.port}/metrics"
        with urllib.request.urlopen(url, timeout=10) as response:
            return str(response.read().decode())

    def end(self) -> None:
        """Stop all processes."""
        for worker in self.workers:
            worker.close()
        self.launcher.kill()
        self.launcher.wait()
        assert self.launcher.stdout is not None
        self.launcher.stdout.close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Callable[..., Launch]]:
    """Start launches that are ended after the test."""
    made: list[Launch] = []

    def start(number: int, retry_s: float = 0.1) -> Launch:
        made.append(Launch(tmp_path, number, retry_s))
        return made[-1]

    yield start
    for each in made:
        each.end()


def samples(text: str, name: str) -> dict[str, float]:
    """Return the series of a name, by what tells them apart beside the scope."""
    return {
        ",".join(
            f"{key}={value}"
            for key, value in sorted(sample.labels.items())
            if value and not key.startswith("otel_scope")
        ): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name
    }


def totals(text: str) -> Totals:
    """Return what only grows."""
    return {
        f"{sample.name}{sorted(sample.labels.items())}": sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if family.type in {"counter", "histogram"} and not family.name.startswith("otel_sdk")
    }


def until(condition: Callable[[], bool], timeout_s: float = 15.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.02)


def counted(found: Totals) -> float:
    return sum(value for key, value in found.items() if key.startswith("wait_seconds_count"))


def test_four_workers_are_one_answer(launch: Any) -> None:
    """Counters, up-down counters and histograms add; a gauge is each worker's own."""
    one = launch(4)
    for number, worker in enumerate(one.workers, 1):
        worker.ask("count", number)
        worker.ask("observe")
    until(lambda: samples(one.scrape(), "jobs_total") == {"": 10.0})
    until(lambda: len(samples(one.scrape(), "pid")) == 4)
    text = one.scrape()
    assert samples(text, "in_flight") == {"": 4.0}
    assert samples(text, "wait_seconds_bucket") == {"le=1.0": 1.0, "le=10.0": 4.0, "le=+Inf": 4.0}
    assert samples(text, "wait_seconds_sum") == {"": 10.0}
    pids = {f"worker={value:.0f}": value for value in samples(text, "pid").values()}
    assert samples(text, "pid") == pids
    (target,) = samples(text, "target_info")
    assert target.count("service_instance_id=") == 1
    (other,) = samples(one.workers[0].ask("scrape"), "target_info")
    assert other == target
    assert one.stderr.read_text() == ""


def test_totals_never_go_down_whoever_answers(launch: Any) -> None:
    """Each answer has what the one before had, and its worker's counts: by port, WSGI and ASGI."""
    one = launch(4)
    before: Totals = {}
    for turn in range(40):
        counting, answering = one.workers[turn % 3], one.workers[turn % 4]
        counting.ask("count", 0.1)
        counting.ask("predict", 3)
        text = answering.ask(("scrape", "scrape by asgi")[turn % 2]) if turn % 5 else one.scrape()
        after = totals(text)
        assert {key: value for key, value in before.items() if after.get(key, -1.0) < value} == {}
        if counting is answering and turn % 5:
            assert counted(after) > counted(before)
        before = after
    until(lambda: samples(one.scrape(), "wait_seconds_count") == {"": 40.0})
    until(lambda: sum(samples(one.scrape(), "model_requests_total").values()) == 120.0)
    for worker in one.workers:
        for how in ("scrape", "scrape by asgi"):
            text = worker.ask(how)
            assert sum(samples(text, "model_requests_total").values()) == 120.0


def test_what_a_dead_worker_counted_stays(launch: Any) -> None:
    """After SIGKILL its counters and histograms stay; what it was like is gone."""
    one = launch(3)
    for worker in one.workers:
        worker.ask("count", 2)
        worker.ask("observe")
    until(lambda: samples(one.scrape(), "jobs_total") == {"": 6.0})
    until(lambda: len(samples(one.scrape(), "pid")) == 3)
    pid = int(min(samples(one.scrape(), "pid").values()))
    os.kill(pid, signal.SIGKILL)
    until(lambda: len(samples(one.scrape(), "pid")) == 2)
    text = one.scrape()
    assert samples(text, "jobs_total") == {"": 6.0}
    assert samples(text, "in_flight") == {"": 2.0}
    assert samples(text, "wait_seconds_sum") == {"": 6.0}


def test_a_worker_that_ends_loses_nothing(launch: Any) -> None:
    """What it counted right before its end is in the next scrape."""
    one = launch(2)
    one.workers[0].ask("count", 1)
    one.workers[0].tell("end")
    assert one.workers[0].answers.readline() == ""
    one.workers[1].ask("count", 1)
    one.workers[1].tell("end")
    assert one.workers[1].answers.readline() == ""
    assert samples(one.scrape(), "jobs_total") == {"": 2.0}


@pytest.mark.backends  # needs no service, but long
def test_an_idle_worker_takes_the_port_over(launch: Any) -> None:
    """The owner is killed; a worker that never did anything answers within five seconds."""
    one = launch(2, reader.REVIVAL_S)
    one.workers[0].ask("count", 1)
    until(lambda: samples(one.scrape(), "jobs_total") == {"": 1.0})
    one.launcher.kill()
    one.launcher.wait()
    until(lambda: reachable(one), timeout_s=5.0)
    assert samples(one.scrape(), "jobs_total") == {"": 1.0}
    assert sorted([worker.ask("port") or 0 for worker in one.workers]) == [0, one.port]


def reachable(one: Launch) -> bool:
    try:
        one.scrape()
    except urllib.error.URLError:
        return False
    return True


class Foreign(BaseHTTPRequestHandler):
    """Another program on the port."""

    asked = 0

    def do_HEAD(self) -> None:
        """Know nothing."""
        Foreign.asked += 1
        self.send_response(404)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def test_a_stolen_port_is_one_line_a_launch(launch: Any) -> None:
    """Another program is quicker after the owner's death; when it ends, a worker answers."""
    one = launch(3)
    pids = [worker.ask("pid") for worker in one.workers]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    one.launcher.kill()
    one.launcher.wait()
    thief = HTTPServer(("127.0.0.1", one.port), Foreign)
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
    thread = threading.Thread(target=thief.serve_forever, args=(0.05,))
    thread.start()
    try:
        until(lambda: Foreign.asked == len(one.workers))
    finally:
        thief.shutdown()
        thread.join()
        thief.server_close()
    until(lambda: reachable(one), timeout_s=5.0)
    (line,) = one.stderr.read_text().splitlines()
    assert line == (
        f"The Prometheus endpoint cannot listen on 127.0.0.1 port {one.port} yet: [Errno 98] "
        "Address already in use. Another process or reader has the port: set "
        "OTEL_EXPORTER_PROMETHEUS_PORT to a free one (0 takes any), or stop the other. "
        "The app is not affected; Tidegauge tries again every 0.1 s."
    )


SPAWN = """
import multiprocessing, os, signal, sys
from opentelemetry.sdk.metrics import MeterProvider
from tidegauge_exporter_prometheus import PrometheusReader, reader, transport

reader.REVIVAL_S = transport.RETRY_S = 0.1

def serve(method):
    reader = PrometheusReader(port=int(os.environ["PORT"]))
    MeterProvider([reader], shutdown_on_exit=False).get_meter("app").create_counter("jobs").add(1)
    signal.pause()  # until the test has seen enough

if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    reader = PrometheusReader(port=int(os.environ["PORT"]))
    provider = MeterProvider([reader], shutdown_on_exit=False)
    provider.get_meter("app").create_counter("jobs").add(1)
    workers = [context.Process(target=serve, args=(sys.argv[1],)) for _ in range(2)]
    for worker in workers:
        worker.start()
    print(os.getpid(), *[worker.pid for worker in workers], flush=True)
    for worker in workers:
        worker.join()
"""

# As opentelemetry-instrument does it: every Python process of the environment has a reader.
EVERYWHERE = """
import os, sys
from tidegauge_exporter_prometheus import PrometheusReader, reader, transport
reader.REVIVAL_S = transport.RETRY_S = 0.1
listens = PrometheusReader(port=int(os.environ["PORT"])).port is not None
with open(os.environ["LOG"], "a") as log:
    print(listens, sys.orig_argv, file=log)
"""

IDLE = """
import multiprocessing, os, signal, sys

def serve():
    signal.pause()

if __name__ == "__main__":
    context = multiprocessing.get_context("forkserver")
    workers = [context.Process(target=serve) for _ in range(2)]
    for worker in workers:
        worker.start()
    print(os.getpid(), *[worker.pid for worker in workers], flush=True)
    for worker in workers:
        worker.join()
"""

Start = Callable[..., tuple[int, Path, list[int]]]


@pytest.fixture
def spawned(tmp_path: Path) -> Iterator[Start]:
    """Start a program whose workers multiprocessing makes; return port, stderr and pids."""
    made: list[subprocess.Popen[str]] = []

    def start(code: str, *arguments: str, **environ: str) -> tuple[int, Path, list[int]]:
        port, program = free_port(), tmp_path / "program.py"
        program.write_text(code)
        group = str(tmp_path / "group")
        with (tmp_path / "stderr").open("w") as stderr:
            found = subprocess.Popen(
                [*PYTHON, str(program), *arguments],
                env={**os.environ, "PORT": str(port), "TIDEGAUGE_GROUP_DIR": group, **environ},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                start_new_session=True,
                text=True,
            )
        made.append(found)
        assert found.stdout is not None
        return port, tmp_path / "stderr", [int(pid) for pid in found.stdout.readline().split()]

    yield start
    for each in made:
        with suppress(ProcessLookupError):
            os.killpg(each.pid, signal.SIGKILL)
        each.communicate()


@pytest.mark.parametrize("method", ["spawn", "forkserver", "fork"])
def test_workers_of_multiprocessing_answer_for_one_another(spawned: Any, method: str) -> None:
    """The port is the parent's, which is nothing to warn of; the counts are of all three.

    Each makes a reader of its own, a forked one in place of the one that it has from its parent.
    """
    port, stderr, pids = spawned(SPAWN, method)

    def scrape() -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as response:
            return str(response.read().decode())

    until(lambda: samples(scrape(), "jobs_total") == {"": 3.0}, timeout_s=30.0)
    os.kill(pids[0], signal.SIGKILL)

    def again() -> bool:
        try:
            return samples(scrape(), "jobs_total") == {"": 3.0}
        except OSError:
            return False

    until(again)
    assert stderr.read_text() == ""


def test_helpers_of_multiprocessing_do_not_listen(spawned: Any, tmp_path: Path) -> None:
    """The tracker and the fork server leave the port alone; the server's children do not."""
    (tmp_path / "sitecustomize.py").write_text(EVERYWHERE)
    log = tmp_path / "log"
    port, stderr, pids = spawned(IDLE, PYTHONPATH=str(tmp_path), LOG=str(log))
    until(lambda: len(log.read_text().splitlines()) == 3)
    server, tracker, main = sorted(log.read_text().splitlines())
    assert [line.partition(" ")[0] for line in (server, tracker, main)] == [
        "False",
        "False",
        "True",
    ]
    assert "multiprocessing.forkserver" in server
    assert "multiprocessing.resource_tracker" in tracker
    os.kill(pids[0], signal.SIGKILL)
    owners = []

    def answered() -> bool:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10)
        except urllib.error.HTTPError as error:  # these have no provider
            owners.append(int(error.headers["Tidegauge-Launch"].split()[1]))
            return True
        except OSError:
            return False
        return False

    until(answered)
    assert owners[0] in pids[1:]
    assert stderr.read_text() == ""

"""The end of real processes: the last interval is exported, and the signal keeps its meaning."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import sysconfig
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

Environment = Callable[..., dict[str, str]]
LIMIT_S = 60.0
SCRIPTS = Path(sysconfig.get_path("scripts"))
Child = Callable[..., AbstractContextManager[subprocess.Popen[str]]]

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")

APP = """
import tidegauge
from fastapi import FastAPI

app = FastAPI()
model = tidegauge.Model("fraud", version="3")


@app.get("/")
def predict():
    with model.prediction([[1.0, 2.0]]) as p:
        p.output = [0.5]
    return {}
"""
READY = """
import sys

print("ready", flush=True)
"""
CONFIGURED = "from tidegauge_distro import configure; configure()\n"


@pytest.fixture
def child(tmp_path: Path, environment: Environment) -> Child:
    """Start a process in a folder of its own, and end it whatever happens."""

    @contextmanager
    def started(words: Sequence[str], **environ: str) -> Iterator[subprocess.Popen[str]]:
        process = subprocess.Popen(
            words,
            cwd=tmp_path,
            env=environment(**environ),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.communicate()

    return started


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Wait for the end; return the status and what was written."""
    out, err = process.communicate(timeout=LIMIT_S)
    return process.returncode, out, err


def requests_in(text: str) -> dict[str, int]:
    """Return model.requests by status in the last of the exports that a console exporter wrote."""
    decoder = json.JSONDecoder()
    found: dict[str, int] = {}
    position = text.find("{")
    while position >= 0:
        try:
            exported, position = decoder.raw_decode(text, position)
        except json.JSONDecodeError:
            position += 1
        else:
            for resource in exported.get("resource_metrics", []):
                for scope in resource["scope_metrics"]:
                    for metric in scope["metrics"]:
                        if metric["name"] == "model.requests":
                            for point in metric["data"]["data_points"]:
                                found[point["attributes"]["status"]] = point["value"]
        position = text.find("{", position)
    return found


def free_port() -> int:
    """Return a port that nobody has right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def get(url: str) -> None:
    """GET until it is answered."""
    deadline = time.monotonic() + LIMIT_S
    while True:
        try:
            urllib.request.urlopen(url, timeout=5).close()  # noqa: S310 - loopback
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


def test_sigterm_under_uvicorn_exports_the_last_interval(child: Child, tmp_path: Path) -> None:
    """Uvicorn runs no atexit: all requests are exported all the same, and it dies by SIGTERM."""
    (tmp_path / "app.py").write_text(APP)
    port = free_port()
    words = [SCRIPTS / "opentelemetry-instrument", sys.executable, "-m", "uvicorn", "app:app"]
    with child(
        [*map(str, words), "--port", str(port), "--no-access-log"],
        OTEL_METRICS_EXPORTER="console",
        OTEL_METRIC_EXPORT_INTERVAL="3600000",
    ) as process:
        for _ in range(7):
            get(f"http://127.0.0.1:{port}/")
        process.send_signal(signal.SIGTERM)
        status, out, err = ended(process)
    assert status == -signal.SIGTERM, err
    assert requests_in(out) == {"success": 7, "error": 0}


def test_the_end_of_a_script_exports_what_was_recorded(child: Child) -> None:
    """A script that just ends loses nothing."""
    code = CONFIGURED + (
        "import tidegauge\n"
        "with tidegauge.Model('fraud').prediction([[1.0]]) as p:\n"
        "    p.output = [1.0]\n"
    )
    with child([sys.executable, "-c", code], OTEL_METRICS_EXPORTER="console") as process:
        status, out, err = ended(process)
    assert (status, err) == (0, "")
    assert requests_in(out) == {"success": 1, "error": 0}


@pytest.mark.parametrize(
    "held",
    [
        "import threading; threading._active_limbo_lock.acquire()",
        "import logging; logging._lock.acquire()",
        "from tidegauge import pipeline; pipeline.current()._lock.acquire()",
        (
            "from opentelemetry import metrics; p = metrics.get_meter_provider(); "
            "p._measurement_consumer._lock.acquire()"
        ),
    ],
)
def test_sigterm_waits_for_no_lock_of_the_interrupted_code(child: Child, held: str) -> None:
    """Whatever the main thread holds, the process ends within the limit, by SIGTERM."""
    code = f"{CONFIGURED}{held}{READY}import time\ntime.sleep(60)\n"
    with child(
        [sys.executable, "-c", code],
        OTEL_METRICS_EXPORTER="console",
        TIDEGAUGE_SHUTDOWN_TIMEOUT_S="0.5",
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        status, _, _ = ended(process)
        took = time.monotonic() - began
    assert status == -signal.SIGTERM
    assert took < 10


def test_a_second_sigterm_does_not_wait(child: Child) -> None:
    """Who sends SIGTERM again means it: a flush that hangs is left."""
    code = CONFIGURED + (
        "from opentelemetry import metrics\n"
        "metrics.get_meter_provider()._measurement_consumer._lock.acquire()\n"
        "import signal, threading, os, time\n"
        "threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM)).start()\n"
        "threading.Timer(0.7, os.kill, (os.getpid(), signal.SIGTERM)).start()\n"
        "time.sleep(60)\n"
    )
    began = time.monotonic()
    with child(
        [sys.executable, "-c", code],
        OTEL_METRICS_EXPORTER="console",
        TIDEGAUGE_SHUTDOWN_TIMEOUT_S="50",
    ) as process:
        status, _, _ = ended(process)
    assert status == -signal.SIGTERM
    assert time.monotonic() - began < 40


def test_the_handler_of_the_app_stays(child: Child) -> None:
    """An app that handles SIGTERM itself keeps its handler."""
    code = (
        "import signal, sys\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\n"
        + CONFIGURED
        + "signal.raise_signal(signal.SIGTERM)\n"
    )
    with child([sys.executable, "-c", code], OTEL_METRICS_EXPORTER="none") as process:
        status, _, err = ended(process)
    assert (status, err) == (7, "")


def test_an_app_may_raise_sigterm_again(child: Child) -> None:
    """An app that handled SIGTERM before the set-up, and raises it for its default, loses nothing.

    So do uvicorn's workers: they import the app when they handle SIGTERM already.
    """
    code = (
        "import signal\n"
        "before = signal.signal(signal.SIGTERM, lambda *_: None)\n"
        + CONFIGURED
        + "import tidegauge\n"
        "with tidegauge.Model('fraud').prediction([[1.0]]) as p:\n"
        "    p.output = [1.0]\n"
        "signal.raise_signal(signal.SIGTERM)\n"
        "signal.signal(signal.SIGTERM, before)\n"
        "signal.raise_signal(signal.SIGTERM)\n"
    )
    with child([sys.executable, "-c", code], OTEL_METRICS_EXPORTER="console") as process:
        status, out, err = ended(process)
    assert (status, err) == (-signal.SIGTERM, "")
    assert requests_in(out) == {"success": 1, "error": 0}


@pytest.mark.parametrize("again", ["signal.raise_signal(n)", "os.kill(os.getpid(), n)"])
@pytest.mark.parametrize("first", [True, False], ids=["before", "after"])
def test_a_handler_that_sends_sigterm_again_loses_nothing(
    child: Child, again: str, *, first: bool
) -> None:
    """As handlers do that clean up and then end as by default, set before the set-up or after."""
    handler = (
        "import os, signal, time\n"
        "def handler(n, _):\n"
        "    print('cleaned up', flush=True)\n"
        "    signal.signal(n, signal.SIG_DFL)\n"
        f"    {again}\n"
        "    time.sleep(60)\n"
        "signal.signal(signal.SIGTERM, handler)\n"
    )
    parts = [handler, CONFIGURED] if first else [CONFIGURED, handler]
    code = "".join(parts) + (
        "import tidegauge\n"
        "with tidegauge.Model('fraud').prediction([[1.0]]) as p:\n"
        "    p.output = [1.0]\n"
        "os.kill(os.getppid(), 0)\n"  # others are sent what they are sent
        "os.kill(os.getpid(), signal.SIGTERM)\n"
        "time.sleep(60)\n"
    )
    with child([sys.executable, "-c", code], OTEL_METRICS_EXPORTER="console") as process:
        status, out, err = ended(process)
    assert (status, err) == (-signal.SIGTERM, "")
    assert out.startswith("cleaned up\n")
    assert requests_in(out) == {"success": 1, "error": 0}


def test_ctrl_c_keeps_its_meaning(child: Child) -> None:
    """SIGINT is a KeyboardInterrupt as ever."""
    code = CONFIGURED + (
        "import signal\n"
        "try:\n"
        "    signal.raise_signal(signal.SIGINT)\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted')\n"
    )
    with child([sys.executable, "-c", code], OTEL_METRICS_EXPORTER="none") as process:
        status, out, _ = ended(process)
    assert (status, out) == (0, "interrupted\n")


def test_configure_in_a_thread_leaves_signals_alone(child: Child) -> None:
    """Only the main thread may set a handler: elsewhere nothing is raised and nothing is set."""
    code = (
        "import signal, threading\n"
        "from tidegauge_distro import configure\n"
        "thread = threading.Thread(target=configure)\n"
        "thread.start()\n"
        "thread.join()\n"
        "print(signal.getsignal(signal.SIGTERM) is signal.SIG_DFL)\n"
    )
    with child([sys.executable, "-c", code], OTEL_METRICS_EXPORTER="none") as process:
        _, out, err = ended(process)
    assert (out, err) == ("True\n", "")

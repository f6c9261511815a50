"""One launch of several processes: asked, hurt and ended."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import tempfile
import threading
import time
from typing import TYPE_CHECKING, Any

from tidegauge.group.folder import Layout

from tidegauge_testkit.backends import web
from tidegauge_testkit.backends.ports import LOOPBACK, free_ports
from tidegauge_testkit.backends.process import BackendError, wait_until
from tidegauge_testkit.backends.served_app import ServedApp
from tidegauge_testkit.launches import processes
from tidegauge_testkit.launches.clients import Clients
from tidegauge_testkit.launches.launchers import PID_FILE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tidegauge_testkit.launches.launchers import Launcher

# As long as Prometheus waits by default.
_SCRAPE_LIMIT_S = 10.0
# Longer than a process may keep what it counted to itself.
_SETTLED_S = 1.5
_END_S = 120.0


class Launch(ServedApp):
    """A launcher with its workers, an app, and the port that shows the metrics of all.

    Parameters
    ----------
    launcher, started
        What starts it, and how it is set up.
    folder
        Where it runs: it has the model.
    apps
        Where the apps' modules are.
    environment
        All of its environment but the ports and folders that are its own.
    recycle
        Whether the launcher replaces each worker after some requests.
    prefix
        Words before the command line: a program that runs it.
    """

    def __init__(
        self,
        launcher: Launcher,
        started: str,
        folder: Path,
        apps: Path,
        environment: Mapping[str, str],
        *,
        recycle: bool = False,
        prefix: Sequence[str] = (),
    ) -> None:
        port, self.metrics_port = free_ports(2)
        self.group = folder / "group"
        self.slowest_scrape_s = 0.0
        self._files: list[str] = []
        command = [*prefix, *launcher.command(started, apps, port, recycle=recycle)]
        # gunicorn puts a socket there, whose path must be short.
        self._home = tempfile.TemporaryDirectory(prefix="home")
        super().__init__(
            folder,
            command,
            port,
            {
                **environment,
                **launcher.environment_of(started),
                "HOME": self._home.name,
                "OTEL_EXPORTER_PROMETHEUS_PORT": str(self.metrics_port),
                "TIDEGAUGE_GROUP_DIR": str(self.group),
            },
        )

    def described(self) -> str:
        """Return also what was in the group's folder before the launch was stopped."""
        return "\n".join([super().described(), "--- the group's folder:", *self._files])

    def stop(self) -> None:
        """Stop all of it; a second call does nothing."""
        self._files = self._files or sorted(
            str(path.relative_to(self.group)) for path in self.group.rglob("*") if path.is_file()
        )
        super().stop()
        self._home.cleanup()

    def clients(
        self,
        bodies: Sequence[Any],
        path: str = "/score",
        requests: int | None = None,
        per_s: float = 100.0,
    ) -> Clients:
        """Return clients of the app, not yet started."""
        return Clients(self.port, path, bodies, requests=requests, per_s=per_s)

    # -- what it shows -------------------------------------------------------------------------

    def scrape(self) -> str | None:
        """Return what the metrics' port answers, None where it does not."""
        began = time.monotonic()
        try:
            text = web.get_text(f"http://{LOOPBACK}:{self.metrics_port}/metrics", _SCRAPE_LIMIT_S)
        except OSError:
            return None
        self.slowest_scrape_s = max(self.slowest_scrape_s, time.monotonic() - began)
        return text

    def total(self, name: str, **labels: str) -> int | None:
        """Return the sum of a counter's series with these labels, None where nobody answers."""
        text = self.scrape()
        return None if text is None else int(sum(series(text, name, **labels)))

    def settled(self, expected: range, timeout_s: float, name: str, **labels: str) -> int | None:
        """Return a counter's sum once it is as high as it may get, or high enough and still.

        Where it does not get there in time, the sum as it stands; None where nobody answers.
        """
        with contextlib.suppress(BackendError):
            wait_until(
                lambda: (self.total(name, **labels) or 0) >= expected.start,
                "the total",
                timeout_s,
                0.2,
            )
        last = self.total(name, **labels)
        deadline = time.monotonic() + timeout_s
        while last != expected.stop - 1 and time.monotonic() < deadline:
            threading.Event().wait(_SETTLED_S)
            now = self.total(name, **labels)
            if now is not None and now == last:
                break
            last = now
        return last

    # -- its processes -------------------------------------------------------------------------

    def members(self) -> set[int]:
        """Return all of its living processes, whoever their parents are by now."""
        return processes.of_session(self.pid)

    def leader(self) -> int | None:
        """Return the process that leads its group, None where none does."""
        held = (processes.lock_holder(Layout(root).kept) for root in self.group.iterdir())
        return next((pid for pid in held if pid is not None), None)

    def listeners(self) -> set[int]:
        """Return the processes that hold the socket of the metrics' port."""
        return processes.listeners(self.metrics_port)

    def children(self, pid: int) -> set[int]:
        """Return the living processes that one of the launch has started."""
        return processes.descendants(pid)

    def kill(self, pid: int, number: signal.Signals) -> None:
        """Send a signal to one process of the launch.

        Raises
        ------
        BackendError
            It is none of the launch's.
        """
        if pid not in self.members():
            raise BackendError(f"process {pid} is not of this launch, or has ended")
        os.kill(pid, number)

    def wait_gone(self, pids: set[int], timeout_s: float = _END_S) -> None:
        """Wait until none of some processes lives."""
        wait_until(
            lambda: not any(map(processes.alive, pids)), f"the end of {sorted(pids)}", timeout_s
        )

    def upgrade(self, timeout_s: float = _END_S) -> int:
        """Have gunicorn start a second launch, and return its first process."""
        self.signal(signal.SIGUSR2)
        file = self.folder / f"{PID_FILE}.2"
        return wait_until(
            lambda: int(file.read_text().strip() or 0) if file.exists() else None,
            f"{file.name} of the second launch",
            timeout_s,
        )

    def end(self, first: int, *, each: bool) -> None:
        """Send SIGTERM to the first process, or at once to each, and wait for the end of all."""
        for pid in sorted(self.members()) if each else [first]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        wait_until(lambda: not self.members(), "the end of the whole launch", _END_S)


def series(text: str, name: str, **labels: str) -> list[float]:
    """Return the values of a metric's series that have these labels."""
    wanted = [f'{key}="{value}"' for key, value in labels.items()]
    found = re.findall(rf"^{name}(?:\{{(.*)\}})? (\S+)", text, re.MULTILINE)
    return [float(value) for inside, value in found if all(each in inside for each in wanted)]

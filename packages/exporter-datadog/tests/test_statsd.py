"""Counts and gauges as another program reads them that speaks the protocol: npm's statsd."""

from __future__ import annotations

import contextlib
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tidegauge_exporter_datadog.address import Address
from tidegauge_exporter_datadog.dogstatsd import DogStatsD
from tidegauge_exporter_datadog.points import Count, Gauge
from tidegauge_testkit.backends import Process, free_ports
from tidegauge_testkit.backends.ports import LOOPBACK

pytestmark = pytest.mark.backends

VERSION = "0.9.0"
LIMIT_S = 120.0
NOW_S = 1_795_000_000.0


class Statsd(Process):
    """Etsy's statsd on a free port; another one tells what it has added up."""

    name = "statsd"

    def __init__(self, folder: Path, installed: Path) -> None:
        self.port, self._management = free_ports(2)
        config = folder / "config.js"
        config.write_text(
            f"{{address: '{LOOPBACK}', port: {self.port}, mgmt_address: '{LOOPBACK}', "
            f"mgmt_port: {self._management}, flushInterval: 3600000, backends: []}}"
        )
        super().__init__(["node", str(installed / "stats.js"), str(config)], folder)

    def wait_ready(self) -> None:
        """Wait until it answers."""
        self.wait_for(lambda: self._answers(), "it answers", LIMIT_S)

    def added_up(self, kind: str, name: str) -> dict[tuple[str, ...], float]:
        """Return the sums (of counters) or the last values (of gauges) of one metric by tags."""
        found: dict[tuple[str, ...], float] = {}
        for key, value in self._ask(kind).items():
            # It knows no times: they become a part of the last tag.
            own, *tags = re.sub(r"T[0-9]+$", "", key).split(";")
            if own == name:
                found[tuple(tags)] = value
        return found

    def _answers(self) -> bool:
        with contextlib.suppress(OSError):
            return bool(self._ask("counters"))
        return False

    def _ask(self, kind: str) -> dict[str, float]:
        with socket.create_connection((LOOPBACK, self._management), LIMIT_S) as asking:
            asking.sendall(f"{kind}\n".encode())
            told = "".join(iter(asking.makefile().readline, "END\n"))
        return {key: float(value) for key, value in re.findall(r"'(.+)': ([-+.e\d]+)", told)}


@pytest.fixture
def statsd(tmp_path: Path) -> Iterator[Statsd]:
    """Install and start it."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("npm is not here; Debian's packages nodejs and npm have it")
    subprocess.run(
        [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", f"statsd@{VERSION}"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        timeout=LIMIT_S,
    )
    with Statsd(tmp_path, tmp_path / "node_modules" / "statsd") as running:
        yield running


def test_counts_and_gauges(statsd: Statsd) -> None:
    """Several in a packet, with their tags; it knows neither distributions nor times."""
    agent = DogStatsD(Address(host=LOOPBACK, port=statsd.port))
    tags = ("model_name:fraud", "status:success")
    for number in range(3):
        agent.send(
            [
                *(Count("model.requests", 2.0, tags, 10.0, NOW_S) for _ in range(100)),
                Gauge("drift.psi.value", number / 8, ("feature:age",), NOW_S),
            ]
        )
    agent.close(1.0)
    wanted = {("model_name=fraud", "status=success"): 600.0}
    statsd.wait_for(
        lambda: statsd.added_up("counters", "model.requests") == wanted, "all counts", LIMIT_S
    )
    assert {("feature=age",): 0.25} == statsd.added_up("gauges", "drift.psi.value")
    assert "Bad line" not in statsd.output()

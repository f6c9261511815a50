"""What a scrape costs the process that answers, for itself and for eight workers.

Two launches of the same program run side by side: one process, and eight forked ones, each with a
model of 100 features, drift on, and some traffic all the while. Both answer the same series. The
rounds take turns, and the figure is thread CPU time of a whole answer: collecting, reading what the
others have published, merging, writing the text. In the group it is asked of the leader and of a
worker that does not lead, and the dearer one counts.
"""

from __future__ import annotations

import json
import os
import select
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, Any

import numpy as np
from caller import FEATURES, Watched
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client.parser import text_string_to_metric_families
from tidegauge_drift import build, save
from tidegauge_exporter_prometheus import PrometheusReader, prometheus_name, wsgi_app
from tidegauge_semconv.metrics import DRIFT_PSI_VALUE, MODEL_REQUESTS

WORKERS = 8
LIMIT = 3.0
ROUNDS = 40
START_S = 120.0
PAUSE_S = 0.02
ROWS = 20
ENVIRON = {"TIDEGAUGE_DRIFT_WINDOWS": "1000rows", "TIDEGAUGE_DRIFT_PANE_S": "1"}


def serve(workers: int) -> None:
    """Predict, and answer standard input; the second worker answers pipes of its own."""
    commands, answers = sys.stdin, sys.stdout
    for number in range(1, workers):
        if os.fork() == 0:
            ends = json.loads(os.environ["PIPES"]) if number == 1 else None
            commands, answers = (
                (os.fdopen(ends[0]), os.fdopen(ends[1], "w")) if ends else (None, None)
            )
            break
    metrics.set_meter_provider(MeterProvider([PrometheusReader(listen=False)]))
    answer_all(commands, answers)


def answer_all(commands: IO[str] | None, answers: IO[str] | None) -> None:
    """Predict between commands, for ever."""
    model, generator = Watched(), np.random.default_rng(os.getpid())
    mounted = wsgi_app()
    while True:
        model.predict(generator.normal(size=(ROWS, FEATURES)))
        time.sleep(PAUSE_S)
        if commands is None or not select.select([commands], [], [], 0)[0]:
            continue
        commands.readline()
        begun = time.thread_time()
        (body,) = mounted({"REQUEST_METHOD": "GET"}, lambda *_: None)
        print(json.dumps([time.thread_time() - begun, body.decode()]), file=answers, flush=True)


class Peer:
    """One process that can be asked."""

    def __init__(self, commands: IO[str], answers: IO[str]) -> None:
        self._commands, self._answers = commands, answers

    def scrape(self) -> tuple[float, str]:
        """Return the seconds of CPU that an answer took, and the answer."""
        print(file=self._commands, flush=True)
        cost_s, text = json.loads(self._answers.readline())
        return cost_s, text


class Launch:
    """A launch of so many workers."""

    def __init__(self, workers: int, folder: str) -> None:
        read_commands, write_commands = os.pipe()
        read_answers, write_answers = os.pipe()
        self.process = subprocess.Popen(
            [sys.executable, __file__, str(workers)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=(read_commands, write_answers),
            env={
                **os.environ,
                **ENVIRON,
                "TIDEGAUGE_REFERENCE": str(Path(folder) / "all.reference.json"),
                "TIDEGAUGE_GROUP_DIR": folder,
                "PIPES": json.dumps([read_commands, write_answers]),
            },
            start_new_session=True,
            text=True,
        )
        os.close(read_commands)
        os.close(write_answers)
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.leader = Peer(self.process.stdin, self.process.stdout)
        self.worker = Peer(os.fdopen(write_commands, "w"), os.fdopen(read_answers))

    def end(self) -> None:
        """Stop all processes."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def series(text: str) -> dict[tuple[str, str], float]:
    """Return what is shown of the model: what is said of processes differs by process."""
    return {
        (sample.name, json.dumps(sample.labels, sort_keys=True)): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if not family.name.startswith(("otel_sdk", "target", "tidegauge_errors"))
    }


def ready(text: str) -> bool:
    """Say whether all features have a verdict."""
    return sum(name == prometheus_name(DRIFT_PSI_VALUE) for name, _ in series(text)) == FEATURES


def measure(alone: Launch, group: Launch) -> dict[str, Any]:
    """Return the medians of milliseconds, and what was answered last."""
    peers = {"alone": alone.leader, "leader": group.leader, "worker": group.worker}
    deadline = time.monotonic() + START_S
    while not all(ready(peer.scrape()[1]) for peer in peers.values()):
        if time.monotonic() > deadline:
            raise RuntimeError("no window closed, so this measured nothing")
        time.sleep(0.5)
    cost: dict[str, list[float]] = {name: [] for name in peers}
    texts = {}
    for _ in range(ROUNDS):
        for name, peer in peers.items():
            cost_s, texts[name] = peer.scrape()
            cost[name].append(cost_s * 1e3)
    return {
        "cost": {name: statistics.median(all_ms) for name, all_ms in cost.items()},
        "texts": texts,
    }


def main() -> int:
    """Print the figures; status 1 above the limit."""
    with tempfile.TemporaryDirectory() as folder:
        rows = np.random.default_rng(1).normal(size=(10_000, FEATURES))
        save(build(rows), Path(folder) / "all.reference.json")
        launches = [Launch(1, folder), Launch(WORKERS, folder)]
        try:
            found = measure(*launches)
        finally:
            for each in launches:
                each.end()
    shown = {name: series(text) for name, text in found["texts"].items()}
    if not shown["alone"].keys() == shown["leader"].keys() == shown["worker"].keys():
        differ = shown["alone"].keys() ^ shown["worker"].keys()
        raise RuntimeError(f"the answers have different series: {sorted(differ)[:5]}")
    cost = found["cost"]
    ratio = max(cost["leader"], cost["worker"]) / cost["alone"]
    verdict = "ok" if ratio <= LIMIT else "TOO SLOW"
    size = len(found["texts"]["worker"])
    print(f"\nOne scrape, {FEATURES} features, {len(shown['alone'])} series, {size / 1024:.0f} KiB")
    for name, label in (
        ("alone", "one process, alone"),
        ("leader", f"{WORKERS} workers, the leader answers"),
        ("worker", f"{WORKERS} workers, another answers"),
    ):
        requests = sum(
            v for (n, _), v in shown[name].items() if n == prometheus_name(MODEL_REQUESTS)
        )
        print(f"  {label:<34} {cost[name]:8.2f} ms of CPU   {requests:8.0f} requests counted")
    print(f"  {'merged / alone':<34} {ratio:8.2f}  <= {LIMIT}   {verdict}")
    return int(verdict != "ok")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        serve(int(sys.argv[1]))
    sys.exit(main())

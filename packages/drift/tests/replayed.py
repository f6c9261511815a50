"""A launch of real processes that are led through one stream of rows at given times.

``replayed.py FOLDER WORKERS``: the parent alone has all rows where WORKERS is 0. Otherwise it forks
workers and gives each row to one of them; the first leader is killed at second 25, after the rows
of that second were published; its successor is told to end at second 37, before they are.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import tidegauge
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from tidegauge import group, pipeline
from tidegauge.batch import ModelKey
from tidegauge.group import group as group_module
from tidegauge.pipeline import Pipeline
from tidegauge.runtime import shared
from tidegauge_drift import DriftProcessor
from tidegauge_drift.verdict import WindowVerdict

START_S = 1_700_000_000.0
SECONDS, A_SECOND = 70, 12
KILL, END = 25, 37
MODEL = tidegauge.Model("m", version="1")


def note(folder: Path, model: ModelKey, verdict: WindowVerdict) -> None:
    """Append a verdict to the file of all processes."""
    said = [
        model.name, verdict.spec.label, verdict.closed_s, verdict.opened_s, verdict.rows,
        verdict.table.tobytes().hex(),
    ]  # fmt: skip
    out = os.open(folder / "verdicts", os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o600)
    os.write(out, json.dumps(said).encode() + b"\n")
    os.close(out)


class Member:
    """One process: rows at given times, and ticks."""

    def __init__(self) -> None:
        self._now_s = START_S
        shared.clock = lambda: self._now_s

    def predict(self, rows: list[list[float]], times: list[float]) -> None:
        """Make a prediction for each row."""
        for row, self._now_s in zip(rows, times, strict=True):
            with MODEL.prediction(np.array([row])) as prediction:
                prediction.output = 0.5

    def tick(self, now_s: float) -> bool:
        """Do what is due; tell whether this process leads."""
        self._now_s = now_s
        group.current().tick(time.monotonic())
        pipeline.current().flush()
        return group.current().leads


class Worker:
    """A forked child that does as it is told."""

    def __init__(self) -> None:
        told, self._tell = os.pipe()
        self._answers, answer = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            self._obey(os.fdopen(told), answer)
        os.close(told)
        os.close(answer)

    def _obey(self, told: object, answer: int) -> None:
        member = Member()
        for line in told:  # type: ignore[attr-defined]
            name, *given = json.loads(line)
            done = getattr(member, name)(*given)
            os.write(answer, b"1" if done else b"0")
        os._exit(0)

    def do(self, *what: object) -> bool:
        """Let it do something, and wait until it has."""
        os.write(self._tell, json.dumps(what).encode() + b"\n")
        return os.read(self._answers, 1) == b"1"

    def end(self, number: int) -> None:
        """Send a signal and wait for the end."""
        os.kill(self.pid, number)
        os.waitpid(self.pid, 0)


def main() -> None:
    """Replay the stream."""
    folder, number = Path(sys.argv[1]), int(sys.argv[2])
    group_module._LAUNCHER_FIRST_S = 0.0
    metrics.set_meter_provider(MeterProvider([InMemoryMetricReader()]))
    pipeline._current = Pipeline([DriftProcessor(listener=lambda m, v: note(folder, m, v))])
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(SECONDS * A_SECOND, 3))
    rows[len(rows) // 2 :, 1] += 1
    living: list[Member | Worker] = [Worker() for _ in range(number)] or [Member()]
    for second in range(SECONDS + 15):
        part = rows[second * A_SECOND : (second + 1) * A_SECOND].tolist()
        times = [START_S + second + i / A_SECOND for i in range(len(part))]
        whose = rng.integers(len(living), size=len(part)) if number else np.zeros(len(part))
        for i, each in enumerate(living):
            mine = np.flatnonzero(whose == i)
            do(each, "predict", [part[j] for j in mine], [times[j] for j in mine])
        if second == END and number:
            end(living, signal.SIGTERM)
        leads = {id(each): do(each, "tick", START_S + second + 1) for each in living}
        living.sort(key=lambda each: not leads[id(each)])
        if second == KILL and number:
            end(living, signal.SIGKILL)
    for each in living:
        if isinstance(each, Worker):
            each.end(signal.SIGKILL)


def do(who: Member | Worker, name: str, *given: object) -> bool:
    """Let this process or another do something."""
    return who.do(name, *given) if isinstance(who, Worker) else getattr(who, name)(*given)


def end(living: list[Member | Worker], number: int) -> None:
    """End the leader, which is the first."""
    leader = living.pop(0)
    assert isinstance(leader, Worker)
    leader.end(number)
    print(number, flush=True)


if __name__ == "__main__":
    main()

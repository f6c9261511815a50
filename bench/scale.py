"""What many models and many workers take: memory, the size of a scrape, and its time.

A thousand models of 50 features in one process, each with a reference file of its own, drift on and
every window closed, once with the default budget of series and once with a small one; and eight
workers with one model of 100 features. Each is a program of its own, so that memory is its own.
"""

from __future__ import annotations

import gzip
import importlib.metadata
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from caller import FEATURES
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from scrape import START_S, WORKERS, Launch, ready
from tidegauge import pipeline
from tidegauge.info import ModelInfo
from tidegauge.observe import observer
from tidegauge.pipeline import Pipeline
from tidegauge.runtime import shared
from tidegauge_drift import build, save
from tidegauge_exporter_prometheus import PrometheusReader, wsgi_app

MODELS, MODEL_FEATURES = 1000, 50
BUDGETS = (600, 100)
MIB = 2**20
BLOCKS, BLOCK = 5, 250
SETTLING_TICKS = 5000
TOGETHER = 50
ROUNDS = 3
PACKAGES = ("opentelemetry-sdk", "prometheus-client", "numpy")


class Clock:
    """A wall clock that the benchmark moves."""

    now_s = 1_000_000.0

    def __call__(self) -> float:
        """Return Unix seconds."""
        return self.now_s


def resident_mib(pid: int, kind: str = "Rss") -> float:
    """Return a process's memory: all of it, or its share of what it shares."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(f"{kind}:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"the kernel does not say {kind}")


def model(name: str) -> Any:
    """Return a model that is watched."""

    class Stub:
        def predict(self, rows: np.ndarray) -> np.ndarray:
            return rows[:, 0]

    info = ModelInfo("stub", "Stub", name=name)
    Stub.predict = observer("predict", lambda _: info)(Stub.predict)  # type: ignore[method-assign]
    return Stub()


def predict(clock: Clock, current: Pipeline) -> None:
    """Let every model see rows enough for a window, and let all windows be judged."""
    generator = np.random.default_rng(1)
    served = [model(f"model-{number}") for number in range(MODELS)]
    for _ in range(BLOCKS):
        rows = generator.normal(size=(BLOCK, MODEL_FEATURES))
        for number, each in enumerate(served):
            each.predict(rows)
            if number % TOGETHER == 0:  # far below the byte budget: no row is left out
                current.flush()
        clock.now_s += 2
    for tick in range(SETTLING_TICKS):
        clock.now_s += 0.5
        current.flush()
        if tick % TOGETHER:
            continue
        judged = {p.attributes[0] for p in current.points() if p.spec.name == "drift.window.rows"}
        if len(judged) == MODELS:
            return
    raise RuntimeError("not every window was judged, so this measured nothing")


def serve_many() -> None:
    """Print what one process with many models takes, as JSON."""
    shared.clock = clock = Clock()
    Pipeline.start = lambda _: None  # type: ignore[method-assign]
    metrics.set_meter_provider(MeterProvider([PrometheusReader(listen=False)]))
    current = pipeline.current()
    current.processors()
    before_mib = resident_mib(os.getpid())
    predict(clock, current)
    after_mib = resident_mib(os.getpid())
    mounted = wsgi_app()
    wall, cpu, body = [], [], b""
    for _ in range(ROUNDS):
        begun, begun_cpu = time.perf_counter(), time.thread_time()
        (body,) = mounted({"REQUEST_METHOD": "GET"}, lambda *_: None)
        wall.append(time.perf_counter() - begun)
        cpu.append(time.thread_time() - begun_cpu)
    lines = [line for line in body.decode().splitlines() if line[0] != "#"]
    drift = Counter(
        line.partition('model_name="')[2].partition('"')[0]
        for line in lines
        if line.startswith(("drift_", "data_quality_"))
    )
    found = {
        "before_mib": before_mib,
        "state_mib": after_mib - before_mib,
        "series": len(lines),
        "drift": max(drift.values()),
        "bytes": len(body),
        "gzip": len(gzip.compress(body, 6)),
        "wall_s": statistics.median(wall),
        "cpu_s": statistics.median(cpu),
    }
    print(json.dumps(found))


def many(budget: int, folder: str) -> dict[str, float]:
    """Measure many models with a budget of series for each."""
    environ = {
        **os.environ,
        "TIDEGAUGE_REFERENCE": folder,
        "TIDEGAUGE_DRIFT_MAX_SERIES": str(budget),
    }
    done = subprocess.run(
        [sys.executable, __file__, "many"],
        env=environ, stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def group(folder: str) -> dict[str, float]:
    """Measure workers that share their state."""
    launch = Launch(WORKERS, folder)
    try:
        deadline = time.monotonic() + START_S
        while not ready(launch.worker.scrape()[1]):
            if time.monotonic() > deadline:
                raise RuntimeError("no window closed, so this measured nothing")
            time.sleep(0.5)
        wall, cpu, text = [], [], ""
        for _ in range(ROUNDS * 4):
            begun = time.perf_counter()
            cost_s, text = launch.worker.scrape()
            wall.append(time.perf_counter() - begun)
            cpu.append(cost_s)
        pids = subprocess.run(
            ["pgrep", "-g", str(launch.process.pid)],
            stdout=subprocess.PIPE, text=True, check=True,
        ).stdout.split()  # fmt: skip
        shares = [resident_mib(int(pid), "Pss") for pid in pids]
        files = [p.stat().st_blocks * 512 for p in Path(folder).rglob("*") if p.is_file()]
    finally:
        launch.end()
    return {
        "workers": len(shares),
        "pss_mib": statistics.median(shares),
        "files_mib": sum(files) / MIB,
        "series": sum(line[0] != "#" for line in text.splitlines()),
        "bytes": len(text),
        "wall_s": statistics.median(wall),
        "cpu_s": statistics.median(cpu),
    }


def main() -> int:
    """Print the figures; status 1 where a budget does not hold."""
    versions = [f"{name} {importlib.metadata.version(name)}" for name in PACKAGES]
    print(f"\nPython {platform.python_version()}, {', '.join(versions)}, {os.cpu_count()} cores")
    ok = True
    with tempfile.TemporaryDirectory() as folder:
        first = Path(folder) / "model-0.reference.json"
        save(build(np.random.default_rng(1).normal(size=(10_000, MODEL_FEATURES))), first)
        for number in range(1, MODELS):
            shutil.copy(first, Path(folder) / f"model-{number}.reference.json")
        for budget in BUDGETS:
            found = many(budget, folder)
            held = found["drift"] <= budget
            ok = ok and held
            print(
                f"{MODELS} models x {MODEL_FEATURES} features, one process, "
                f"{budget} drift series a model allowed: {found['drift']:.0f} at most   "
                f"{'ok' if held else 'TOO MANY'}"
            )
            print(
                f"  memory  {found['state_mib']:7.0f} MiB beside the {found['before_mib']:.0f} MiB "
                "of the process without models"
            )
            print(
                f"  scrape  {found['series']:7.0f} series, {found['bytes'] / MIB:.1f} MiB, "
                f"{found['gzip'] / MIB:.2f} MiB compressed"
            )
            print(f"  time    {found['wall_s']:7.2f} s, of CPU {found['cpu_s']:.2f} s")
    with tempfile.TemporaryDirectory() as folder:
        rows = np.random.default_rng(1).normal(size=(10_000, FEATURES))
        save(build(rows), Path(folder) / "all.reference.json")
        found = group(folder)
    print(f"{found['workers']:.0f} workers, one model of {FEATURES} features")
    print(f"  memory  {found['pss_mib']:7.0f} MiB a worker, its share of what is shared included")
    print(f"  files   {found['files_mib']:7.1f} MiB in the group's folder")
    print(f"  scrape  {found['series']:7.0f} series, {found['bytes'] / 1024:.0f} KiB")
    print(f"  time    {found['wall_s'] * 1e3:7.1f} ms, of CPU {found['cpu_s'] * 1e3:.1f} ms")
    return int(not ok)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        serve_many()
    else:
        sys.exit(main())

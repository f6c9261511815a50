"""What a collection of all sources of `tidegauge-resources` costs, and what a hanging driver does.

A driver's library with eight GPUs is built for it, and loaded by a process of its own: that of the
package's tests. Beside it OpenTelemetry's system-metrics instrumentation collects the metrics that
both have, in the same rounds.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rounds import interleave

GPUS, MODELS = 8, 10
ROUNDS, TRIALS = 60, 3
LIMIT_MS, LIMIT_RATIO, LIMIT_HANG_MS = 5.0, 1.0, 100.0
LIBRARY = "libnvidia-ml.so.1"
SOURCE = Path(__file__).parents[1] / "packages/resources/tests/programs/nvml.c"
# Forbidden in a serving process, unless it is the app that has loaded them.
LARGE = ("torch", "tensorflow", "sklearn", "xgboost", "onnxruntime", "pandas")
#: What both measure, as the instrumentation calls it.
SHARED = {
    "process.cpu.time": ["user", "system"],
    "process.cpu.utilization": ["user", "system"],
    "process.memory.usage": None,
    "process.memory.virtual": None,
    "process.thread.count": None,
    "process.open_file_descriptor.count": None,
}


def measure() -> dict[str, object]:
    """Return the figures of this process, which finds the driver's library."""
    from opentelemetry.instrumentation.system_metrics import (  # noqa: PLC0415
        SystemMetricsInstrumentor,
    )
    from opentelemetry.sdk.metrics import MeterProvider  # noqa: PLC0415
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader  # noqa: PLC0415
    from tidegauge import group, sources  # noqa: PLC0415
    from tidegauge.batch import ModelKey  # noqa: PLC0415
    from tidegauge.producer import Producer  # noqa: PLC0415
    from tidegauge.sources import ModelUse, Moment, Sources  # noqa: PLC0415
    from tidegauge_resources.process import ProcessSource  # noqa: PLC0415

    driver = ctypes.CDLL(LIBRARY)
    driver.fake_set(b"gpus", ctypes.c_long(GPUS))
    models = {ModelKey(f"model {n}"): ModelUse(1.0 + n, 100) for n in range(MODELS)}

    def moment() -> Moment:
        return Moment(time.time(), time.time() - 30, models)

    everything = Sources()

    def collect(patience_s: float = 10.0) -> int:
        everything.ask(moment, moment)
        return len(everything.points(patience_s))

    points = collect(60.0)  # loads what there is to load
    points = collect()
    walls = [_median_ms(collect) for _ in range(TRIALS)]

    # What the metrics cost: a collection with them less one without, of either.
    reader, empty = InMemoryMetricReader(), InMemoryMetricReader()
    provider, _ = MeterProvider([reader]), MeterProvider([empty])
    SystemMetricsInstrumentor(config=SHARED).instrument(meter_provider=provider)
    group.current().predicts = True
    producer, process, none = Producer(), Sources([ProcessSource()]), Sources([])

    def produce(used: Sources) -> object:
        sources._current = used
        return producer.produce()

    cases = {
        "tidegauge": lambda: produce(process),
        "without": lambda: produce(none),
        "peer": reader.get_metrics_data,
        "peer without": empty.get_metrics_data,
    }
    trials = []
    for _ in range(TRIALS):
        cost = interleave(cases, calls=5, rounds=ROUNDS, clock=time.process_time)
        own_us = cost["tidegauge"] - cost["without"]
        trials.append((own_us / (cost["peer"] - cost["peer without"]), own_us))

    driver.fake_set(b"hang", ctypes.c_long(1))
    waits = []
    for _ in range(2):  # the second finds the first still hanging
        begun = time.perf_counter()
        collect(sources.PATIENCE_S)
        waits.append((time.perf_counter() - begun) * 1e3)
    mapped = Path("/proc/self/maps").read_text("utf-8")
    return {
        "points": points,
        "wall_ms": min(walls),
        "ratio": min(trials),
        "waits_ms": waits,
        "loaded": [name for name in LARGE if name in sys.modules],
        "cuda": "libcuda" in mapped,
    }


def _median_ms(case: Callable[[], object]) -> float:
    found = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        case()
        found.append((time.perf_counter() - begun) * 1e3)
    return statistics.median(found)


def main() -> int:
    """Print the figures; status 1 where one is above its limit."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None or not sys.platform.startswith("linux"):
        print("not run: it needs Linux and a C compiler (gcc or cc)")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        built = [compiler, "-shared", "-fPIC", "-O1", "-o", f"{folder}/{LIBRARY}", str(SOURCE)]
        subprocess.run(built, check=True)
        done = subprocess.run(
            [sys.executable, __file__, "measure"],
            env={**os.environ, "LD_LIBRARY_PATH": folder, "TIDEGAUGE_COST_PER_HOUR": "1"},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    found = json.loads(done.stdout)
    ratio, own_us = found["ratio"]
    first_ms, second_ms = found["waits_ms"]
    rows = [
        (f"all sources, {GPUS} GPUs, {found['points']} points, ms", found["wall_ms"], LIMIT_MS),
        (f"process metrics ({own_us:.0f} us of CPU), in the peer's", ratio, LIMIT_RATIO),
        ("a scrape while the driver hangs, ms", first_ms, LIMIT_HANG_MS),
        ("the next scrape, ms", second_ms, LIMIT_HANG_MS),
    ]
    print(f"\nA collection of resources, {MODELS} models")
    for name, value, limit in rows:
        verdict = "ok" if value <= limit else "TOO SLOW"
        print(f"  {name:58} {value:8.2f}  <= {limit:<5} {verdict}")
    clean = not found["loaded"] and not found["cuda"]
    print(f"  libraries of models loaded: {found['loaded']}; CUDA's: {found['cuda']}")
    return int(not clean or any(value > limit for _, value, limit in rows))


if __name__ == "__main__":
    if sys.argv[1:] == ["measure"]:
        print(json.dumps(measure()))
    else:
        sys.exit(main())

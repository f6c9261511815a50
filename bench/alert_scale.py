"""What the default rules cost a Prometheus that has 500 models: evaluation time per interval.

A small process of its own shows 100,000 series, as that many models of 20 features do that export
the shares of data quality too. A real Prometheus scrapes it and evaluates the rendered rules. The
counters of the hour before are written into its storage first, so that windows of an hour are full.
The figure is the longest evaluation of a group as Prometheus itself tells it, in parts of the
interval.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

from prometheus_client.parser import text_string_to_metric_families
from tidegauge_alerting import load, render_prometheus
from tidegauge_exporter_prometheus import prometheus_name
from tidegauge_semconv import metrics
from tidegauge_testkit.backends import Prometheus, free_port
from tidegauge_testkit.backends.binaries import find

MODELS, FEATURES = 500, 20
LIMIT = 0.2
# Prometheus's default; rules come without an interval of their own.
INTERVAL_S = 60
SCRAPE_S = 15
HOUR_S = 3600
EVALUATIONS = 6
TIMEOUT_S = 900
_DURATION = "prometheus_rule_group_last_duration_seconds"
_SERIES, _CPU = "prometheus_tsdb_head_series", "process_cpu_seconds_total"
_LATENCY = prometheus_name(metrics.MODEL_REQUEST_LATENCY)
_BOUNDS = (*(f"{bound:g}" for bound in metrics.MODEL_REQUEST_LATENCY.buckets), "+Inf")


def counters(second: float) -> Iterator[tuple[str, float]]:
    """Yield the counters of all models after so many seconds, a request a second each."""
    requests = prometheus_name(metrics.MODEL_REQUESTS)
    for model in range(MODELS):
        head = f'model_name="model-{model:03d}",model_version="1"'
        call = f'{head},operation="predict"'
        yield f'{requests}{{{call},status="success"}}', second * 0.99
        yield f'{requests}{{{call},status="error"}}', second * 0.01
        for i, bound in enumerate(_BOUNDS):
            share = min(1.0, (i + 1) / 10)
            yield f'{_LATENCY}_bucket{{{call},le="{bound}"}}', second * share
        yield f"{_LATENCY}_sum{{{call}}}", second * 0.002
        yield f"{_LATENCY}_count{{{call}}}", second


def gauges() -> Iterator[tuple[str, float]]:
    """Yield the verdicts of all models: none alarms, as on a good day."""
    of_feature = {
        metrics.DRIFT_PSI_VALUE: 0.01,
        metrics.DRIFT_KS_STATISTIC: 0.02,
        metrics.DRIFT_EFFECTIVE_ROWS: 1000,
        metrics.DATA_QUALITY_MISSING_RATIO: 0.02,
        metrics.DATA_QUALITY_OUT_OF_RANGE_RATIO: 0.001,
        metrics.DATA_QUALITY_NEW_CATEGORY_RATIO: 0,
        metrics.DATA_QUALITY_TYPE_ERROR_RATIO: 0,
    }
    named = {prometheus_name(spec): value for spec, value in of_feature.items()}
    detected = prometheus_name(metrics.DRIFT_DETECTED)
    for model in range(MODELS):
        head = f'model_name="model-{model:03d}",model_version="1",reference="ab12cd34"'
        for window in ("1000rows", "1d"):
            for family in ("inputs", "outputs", "data_quality"):
                yield f'{detected}{{{head},feature="",window="{window}",family="{family}"}}', 0
        for i in range(FEATURES):
            at = f'{head},feature="feature_{i}",window="1000rows"'
            for name, value in named.items():
                yield f"{name}{{{at}}}", value
            yield f'{detected}{{{at},family="inputs"}}', 0
            yield f'{detected}{{{at},family="data_quality"}}', 0


def serve(port: int, began_s: float) -> None:
    """Answer scrapes for ever."""
    still = "\n".join(f"{name} {value}" for name, value in gauges()).encode()

    class Scrapes(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            moving = counters(time.time() - began_s)
            text = "".join(f"{name} {value:.3f}\n" for name, value in moving).encode() + still
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(text) + 1))
            self.end_headers()
            with suppress(OSError):  # Prometheus may end in the middle of a scrape
                self.wfile.write(text + b"\n")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    ThreadingHTTPServer(("127.0.0.1", port), Scrapes).serve_forever()


def backfill(folder: Path, address: str, began_s: float, now_s: float) -> None:
    """Write the counters since they began, as if they had been scraped."""
    path = folder / "past.om"
    target = f'instance="{address}",job="models"'
    times = [began_s + i * SCRAPE_S for i in range(1, int((now_s - began_s) / SCRAPE_S))]
    with path.open("w") as file:
        # Each series as a whole: promtool wants its times in order.
        for name, slope in counters(1.0):
            family = name.partition("{")[0]
            series = name.replace("{", f"{{{target},")
            file.write(f"# TYPE {family} unknown\n" if name.endswith('"+Inf"}') else "")
            lines = (f"{series} {slope * (at - began_s):.3f} {at:.3f}\n" for at in times)
            file.writelines(lines)
        file.write("# EOF\n")
    command = [find("promtool"), "tsdb", "create-blocks-from", "openmetrics", str(path), "data"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    path.unlink()


def told(url: str) -> dict[str, float]:
    """Return what Prometheus says of itself: seconds of each group's last evaluation, and more."""
    with urllib.request.urlopen(f"{url}/metrics") as answer:  # noqa: S310 - our own process
        text = answer.read().decode()
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name in (_DURATION, _SERIES, _CPU):
                found[sample.labels.get("rule_group", sample.name).rpartition(";")[2]] = (
                    sample.value
                )
            if sample.name == "prometheus_rule_group_iterations_total":
                group = sample.labels["rule_group"].rpartition(";")[2]
                found[f"{group} iterations"] = sample.value
    return found


class Measured(NamedTuple):
    """Series scraped, alerts, seconds of each group's evaluations and of each rule, CPU seconds."""

    series: float
    alerts: int
    seconds: dict[str, list[float]]
    rules: dict[str, float]
    cpu_s: float


def measure(folder: Path, interval_s: int) -> Measured:
    """Return the series scraped, the alerts, and the seconds of groups and of rules."""
    port, now_s = free_port(), time.time()
    began_s = now_s - HOUR_S - 60
    address = f"127.0.0.1:{port}"
    words = [sys.executable, __file__, "--serve", str(port), "--began", str(began_s)]
    exporter = subprocess.Popen(words)
    try:
        backfill(folder, address, began_s, now_s)
        rules = render_prometheus(load().alerts)
        with Prometheus(
            folder,
            {"models": address},
            rules=rules,
            interval_s=min(SCRAPE_S, interval_s),
            evaluate_s=interval_s,
        ) as prometheus:
            return follow(prometheus, rules)
    finally:
        exporter.kill()
        exporter.wait()


def rule_seconds(url: str) -> dict[str, float]:
    """Return how long the last evaluation of each rule took."""
    with urllib.request.urlopen(f"{url}/api/v1/rules") as answer:  # noqa: S310 - as above
        groups = json.load(answer)["data"]["groups"]
    return {rule["name"]: rule["evaluationTime"] for group in groups for rule in group["rules"]}


def follow(prometheus: Prometheus, rules: str) -> Measured:
    """Return what Prometheus says of its evaluations once it has scraped everything."""
    seconds: dict[str, list[float]] = {}
    deadline = time.monotonic() + TIMEOUT_S
    seen: dict[str, float] = {}
    cpu: list[tuple[float, float]] = []
    while time.monotonic() < deadline:
        time.sleep(1)
        found = told(prometheus.url)
        series, cpu_s = found.pop(_SERIES), found.pop(_CPU)
        if series < MODELS * FEATURES:
            continue  # not scraped yet
        for group in [name for name in found if not name.endswith(" iterations")]:
            iterations = found[f"{group} iterations"]
            if iterations != seen.get(group):
                seen[group] = iterations
                seconds.setdefault(group, []).append(found[group])
                cpu.append((cpu_s, iterations))
        if seconds and all(len(each) > EVALUATIONS for each in seconds.values()):
            unhealthy = prometheus.unhealthy_rules()
            if unhealthy:
                raise RuntimeError(f"rules that Prometheus cannot evaluate: {unhealthy}")
            # The first one may have begun before the scrape.
            kept = {name: each[1:] for name, each in seconds.items()}
            each_s = (cpu[-1][0] - cpu[0][0]) / (cpu[-1][1] - cpu[0][1])
            return Measured(
                series, rules.count("alert: "), kept, rule_seconds(prometheus.url), each_s
            )
    raise RuntimeError("Prometheus did not evaluate in time, so this measured nothing")


def main() -> int:
    """Print the table; 1 where a group takes more than its part of the interval."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--began", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--interval", type=int, default=INTERVAL_S)
    given = parser.parse_args()
    if given.serve:
        serve(given.serve, given.began)
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), given.interval)
    print(
        f"{MODELS} models, {found.series:,.0f} series, {found.alerts} alerts, "
        f"every {given.interval} s; {found.cpu_s:.2f} s of CPU an evaluation, scrapes included"
    )
    print("| group | evaluations | median | longest | of the interval |")
    print("| --- | ---: | ---: | ---: | ---: |")
    worst = 0.0
    for group, each in found.seconds.items():
        ordered = sorted(each)
        worst = max(worst, ordered[-1] / given.interval)
        print(
            f"| {group} | {len(each)} | {ordered[len(each) // 2]:.3f} s | {ordered[-1]:.3f} s "
            f"| {ordered[-1] / given.interval:.1%} |"
        )
    dearest = sorted(found.rules.items(), key=lambda pair: -pair[1])[:5]
    print("dearest at the end:", ", ".join(f"{name} {each:.3f} s" for name, each in dearest))
    print(f"{'within' if worst <= LIMIT else 'ABOVE'} the limit of {LIMIT:.0%}")
    return int(worst > LIMIT)


if __name__ == "__main__":
    sys.exit(main())

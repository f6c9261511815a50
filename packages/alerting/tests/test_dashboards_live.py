"""The dashboards on a real Prometheus that scrapes a real app: every panel has data."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from tidegauge_alerting.dashboard_files import load_dashboards
from tidegauge_alerting.panel_promql import series
from tidegauge_alerting.panels import Aggregate, Query
from tidegauge_exporter_prometheus import prometheus_name
from tidegauge_semconv import all_metrics
from tidegauge_semconv import metrics as m
from tidegauge_testkit.backends import (
    Process,
    Prometheus,
    PromqlServer,
    VictoriaMetrics,
    free_port,
    wait_until,
)
from tidegauge_testkit.contracts import commands

pytestmark = pytest.mark.backends

APP = Path(__file__).parent / "served" / "several_models.py"
TIDEGAUGE = Path(sys.executable).parent / "tidegauge"
# Long enough for two windows of a kind, on a busy machine.
READY_S = 240.0
# What a healthy app never exports, by metric, and why; all other panels must have data.
ABSENT = {
    m.TIDEGAUGE_ERRORS: "Tidegauge met no fault",
    m.TIDEGAUGE_EXPORT_FAILURES: "no export failed",
}
# What depends on the host: a GPU, a container's limits, counters of energy, a price that is set.
OF_THE_HOST = {
    *(spec for spec in all_metrics() if spec.name.startswith(("hw.", "container."))),
    m.MODEL_GPU_MEMORY,
    m.MODEL_COST_PER_1K,
    m.MODEL_ENERGY_PER_1K,
    m.MODEL_CARBON_PER_1K,
}


@dataclass(frozen=True)
class Live:
    """An app that serves, and what scrapes it: only Prometheus evaluates our rules."""

    folder: Path
    prometheus: Prometheus
    storage: VictoriaMetrics


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """Serve several models, mute one and mark a deploy, until all of it has been scraped."""
    folder = tmp_path_factory.mktemp("live")
    port = free_port()
    environment = {
        **{key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ},
        "OTEL_METRICS_EXPORTER": "tidegauge_prometheus",
        "OTEL_TRACES_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        "OTEL_EXPORTER_PROMETHEUS_PORT": str(port),
        "TIDEGAUGE_REFERENCE": ".",
        "TIDEGAUGE_STATE_DIR": "state",
        "TIDEGAUGE_DRIFT_PANE_S": "1",
        "TIDEGAUGE_DRIFT_WINDOWS": "500rows,10s",
        "TIDEGAUGE_DRIFT_FLEET": "true",
        "TIDEGAUGE_DRIFT_EXPORT": "psi,ks.statistic,detected,data_quality",
        "TIDEGAUGE_DRIFT_STREAMS": "adwin:*",
        "TIDEGAUGE_CPU_BUDGET_PERCENT": "100",
    }
    (folder / "state").mkdir()
    text = commands.run("rules render", "prometheus", "--fleet", "--fleet-window", "1m").written
    app = Process([sys.executable, str(APP)], folder, environment=environment, name="app")
    targets = {"serve": f"127.0.0.1:{port}"}
    with (
        app,
        Prometheus(folder / "prometheus", targets, rules=text, interval_s=3) as prometheus,
        VictoriaMetrics(folder / "vm", targets, interval_s=3) as storage,
    ):
        mute = ("mute", "churn", "--for", "2h", "--reason", "a test")
        mark = ("marker", "deploy", "fraud_detection", "--version", "3", "--for", "2h")
        for words in (mute, mark):
            wait_until(partial(run, folder, words), " ".join(words), READY_S, 1.0)

        def everything() -> bool:
            names = {prometheus_name(spec) for spec in (m.DRIFT_MUTED, m.MODEL_MARKER_START_TIME)}
            flagged = f'{prometheus_name(m.DRIFT_DETECTED)}{{feature="",family="outputs"}} == 1'
            return (
                all(prometheus.query(name) for name in names)
                and bool(prometheus.query(flagged))
                and bool(prometheus.query("tidegauge:fleet:psi"))
            )

        wait_until(everything, "drift, a mute, a mark and the fleet's index", READY_S, 0.5)
        yield Live(folder, prometheus, storage)
    assert "Traceback" not in app.log.read_text()


def run(folder: Path, words: Sequence[str]) -> bool:
    """Run the command as its user does; it fails while the model has no status yet."""
    command = [str(TIDEGAUGE), *words, "--state-dir", str(folder / "state")]
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    return done.returncode == 0


def places(wanted: Callable[[Query], bool]) -> set[str]:
    """Return where the queries of some kind stand, as the command says it."""
    return {
        f"{dashboard.name}: {panel.title}"
        for dashboard in load_dashboards()
        for panel in dashboard.panels
        for query in panel.queries
        if wanted(query)
    }


@pytest.mark.parametrize("name", ["prometheus", "storage"])
def test_every_panel_has_data(live: Live, name: str) -> None:
    """All expressions, but those of what a healthy app or this host does not export."""
    server: PromqlServer = getattr(live, name)

    def checked() -> commands.Recorder | None:
        found = commands.run("dashboards check", "--prometheus", server.url, "--since", "5m")
        return found if found.status == 0 else None

    # What has been scraped for less than the step of a picture is in none yet.
    terminal = wait_until(checked, "data for every panel", READY_S, 2.0)
    print("\n".join(terminal.lines))
    absent = places(lambda query: query.metric in ABSENT and query.zero_beside is None)
    if name == "storage":
        absent |= places(lambda query: query.aggregate is Aggregate.STABILITY)
    told = terminal.tables["No data: nothing exports the metric"][1:]
    assert {row[0] for row in told} - places(lambda query: query.metric in OF_THE_HOST) == absent
    assert terminal.tables.keys() == {"No data: nothing exports the metric"}


def test_marks_are_there(live: Live) -> None:
    """The deploy that was marked is found by the dashboards' own query."""
    queries = {
        series(mark.query, {})
        for dashboard in load_dashboards()
        for mark in dashboard.marks
        if mark.query.metric == m.MODEL_MARKER_START_TIME
    }
    assert queries
    for query in queries:

        def kinds(query: str = query) -> list[str]:
            return [sample.labels["kind"] for sample in live.prometheus.query(query)]

        # A scrape that failed, on a busy machine, ends every series until the next.
        assert wait_until(kinds, query, READY_S) == ["deploy"]


def test_the_page_shows_what_is_wrong(live: Live, tmp_path: Path) -> None:
    """The model that drifts and the one that fails come first; a hostile name is a text."""
    path = tmp_path / "page.html"
    terminal = commands.run(
        "dashboards preview", "--prometheus", live.prometheus.url, "-o", path, "--since", "5m"
    )
    print(terminal.lines[-1])
    page = path.read_text()
    assert "One model: fraud_detection" in page
    assert "One model: pricing" in page
    assert "<script" not in page
    assert "&lt;/script&gt;&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<b>ModelDrift</b>" in page
    assert "marked: fraud_detection 3 deploy" in page

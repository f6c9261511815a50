"""A batch job that ends at once: its counts and its verdict are there for those who ask later."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tidegauge_exporter_prometheus import prometheus_name
from tidegauge_semconv import metrics
from tidegauge_testkit.backends import (
    Prometheus,
    Pushgateway,
    Sample,
    TestAgent,
    free_port,
    wait_until,
)

pytestmark = pytest.mark.backends

SCRIPT = Path(__file__).parent / "served" / "job.py"
BIN = Path(sys.executable).parent
ROWS, ROWS_A_CALL = 800, 200
# Of one call so many are looked at.
MOST_OF_A_CALL = 256
SOON_S = 30.0
LIMIT_S = 120.0
REQUESTS = prometheus_name(metrics.MODEL_REQUESTS)
PREDICTIONS = prometheus_name(metrics.MODEL_PREDICTIONS)
LATENCY = prometheus_name(metrics.MODEL_REQUEST_LATENCY)
PSI = prometheus_name(metrics.DRIFT_PSI_VALUE)
KS = prometheus_name(metrics.DRIFT_KS_STATISTIC)
WINDOW_ROWS = prometheus_name(metrics.DRIFT_WINDOW_ROWS)
FEATURES = prometheus_name(metrics.DRIFT_FEATURES)

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(workshop: Any, tmp_path: Path) -> Run:
    """Run the job on some rows, with OpenTelemetry's own starter and nothing in its code."""

    def run_job(
        rows: pd.DataFrame,
        environment: dict[str, str],
        *,
        status: int = 0,
        rows_a_call: int = ROWS_A_CALL,
    ) -> subprocess.CompletedProcess[str]:
        rows.to_csv(tmp_path / "rows.csv", index=False)
        words = [tmp_path / "rows.csv", tmp_path / "scores.csv", str(rows_a_call), str(status)]
        inherited = {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}
        return subprocess.run(
            [BIN / "opentelemetry-instrument", sys.executable, SCRIPT, *words],
            cwd=workshop.folder,
            env={
                **inherited,
                "OTEL_PYTHON_DISTRO": "tidegauge_distro",
                "OTEL_PYTHON_CONFIGURATOR": "tidegauge_configurator",
                "OTEL_SERVICE_NAME": "nightly-score",
                "TIDEGAUGE_MODEL_NAME": "score",
                "TIDEGAUGE_MODEL_VERSION": "3",
                "TIDEGAUGE_REFERENCE": "score.reference.json",
                **environment,
            },
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )

    return run_job


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Pushgateway]:
    """Start a Pushgateway."""
    with Pushgateway(tmp_path / "gateway") as started:
        yield started


def said(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Return what a job wrote, without what OpenTelemetry says of the distro that it leaves out."""
    return [
        line for line in done.stderr.splitlines() if not line.startswith("Configuration of config")
    ]


def pushing(url: str) -> dict[str, str]:
    """Return the environment of a job that pushes."""
    return {
        "TIDEGAUGE_PROMETHEUS_PUSHGATEWAY": url,
        "TIDEGAUGE_PROMETHEUS_PUSH_INSTANCE": "nightly",
    }


def test_prometheus_scrapes_what_a_job_pushed(
    run: Run, workshop: Any, gateway: Pushgateway, tmp_path: Path
) -> None:
    """Under the job's own labels: the counts are exact, the drifted feature is seen."""
    rows = workshop.rows(ROWS, seed=11)
    rows["age"] += 30
    done = run(rows, pushing(gateway.url))
    assert (done.returncode, said(done)) == (0, [])
    assert ROWS == len(pd.read_csv(tmp_path / "scores.csv"))
    labels = {"job": "nightly-score", "instance": "nightly"}
    assert gateway.groups() == [labels]

    with Prometheus(
        tmp_path / "prometheus", {"pushgateway": gateway.target}, interval_s=1, honor_labels=True
    ) as prometheus:
        own = '{job="nightly-score",instance="nightly",status="success"}'
        assert ROWS / ROWS_A_CALL == wait_until(
            lambda: prometheus.value(f"{REQUESTS}{own}"), "the job's requests", SOON_S
        )
        assert prometheus.value(PREDICTIONS) == ROWS
        assert prometheus.value(f"{LATENCY}_count") == ROWS / ROWS_A_CALL
        psi = {
            s.labels["feature"]: s.value for s in prometheus.query(f'{PSI}{{window="1000rows"}}')
        }
        suspected = prometheus.value(f'{FEATURES}{{window="1000rows",state="suspected"}}')
        rows_of = prometheus.value(f'{WINDOW_ROWS}{{window="1d"}}')
    assert max(psi, key=lambda feature: psi[feature]) == "age"
    # The score follows the age; nothing else does.
    others = [value for feature, value in psi.items() if feature not in {"age", "prediction"}]
    assert psi["age"] > 0.2 > max(others)
    assert suspected is not None
    assert suspected >= 1
    assert rows_of == ROWS
    print(f"\npushed and scraped: {ROWS} of {ROWS} rows, PSI of age {psi['age']:.3f}")


def test_a_job_that_predicts_in_one_call_has_its_verdict(
    run: Run, workshop: Any, gateway: Pushgateway, tmp_path: Path
) -> None:
    """All of its rows are counted, as many as of any call are judged."""
    rows = workshop.rows(ROWS, seed=11)
    rows["age"] += 30
    done = run(rows, pushing(gateway.url), rows_a_call=ROWS)
    assert (done.returncode, said(done)) == (0, [])
    with Prometheus(
        tmp_path / "prometheus", {"pushgateway": gateway.target}, interval_s=1, honor_labels=True
    ) as prometheus:
        assert ROWS == wait_until(lambda: prometheus.value(PREDICTIONS), "the rows", SOON_S)
        ks = {s.labels["feature"]: s.value for s in prometheus.query(KS)}
        suspected = prometheus.value(f'{FEATURES}{{window="1000rows",state="suspected"}}')
        rows_of = prometheus.value(f'{WINDOW_ROWS}{{window="1000rows"}}')
    assert max(ks, key=lambda feature: ks[feature]) == "age"
    assert suspected is not None
    assert suspected >= 1
    assert rows_of is not None
    assert MOST_OF_A_CALL / 2 < rows_of <= MOST_OF_A_CALL


def test_each_run_replaces_the_one_before(
    run: Run, workshop: Any, gateway: Pushgateway, tmp_path: Path
) -> None:
    """The counts are those of the last run, and nothing of the first is left."""
    for seed, count in ((12, 500), (13, 400)):
        done = run(workshop.rows(count, seed=seed), pushing(gateway.url))
        assert (done.returncode, said(done)) == (0, [])
    assert len(gateway.groups()) == 1
    with Prometheus(
        tmp_path / "prometheus", {"pushgateway": gateway.target}, interval_s=1, honor_labels=True
    ) as prometheus:
        found: list[Sample] = wait_until(
            lambda: prometheus.query(PREDICTIONS) or None, "the job's rows", SOON_S
        )
    assert [sample.value for sample in found] == [400.0]


def test_a_job_keeps_its_status_when_nobody_takes_its_metrics(run: Run, workshop: Any) -> None:
    """One line says so."""
    url = f"http://127.0.0.1:{free_port()}"
    done = run(workshop.rows(50, seed=14), pushing(url), status=5)
    assert done.returncode == 5
    assert said(done) == [
        f"Pushgateway {url}: got [Errno 111] Connection refused; expected it to take this job's "
        "metrics. They are lost, the job is not affected. Check that it runs and that its URL is "
        "right."
    ]


def test_the_same_job_by_otlp(run: Run, workshop: Any, tmp_path: Path) -> None:
    """One export at the end carries counts and verdict."""
    rows = workshop.rows(ROWS, seed=11)
    rows["age"] += 30
    with TestAgent(tmp_path / "agent") as agent:
        done = run(
            rows,
            {
                "OTEL_METRICS_EXPORTER": "otlp",
                "OTEL_EXPORTER_OTLP_ENDPOINT": agent.http_url,
                "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
                "OTEL_TRACES_EXPORTER": "none",
                "OTEL_LOGS_EXPORTER": "none",
            },
        )
        assert (done.returncode, said(done)) == (0, [])
        (predictions,) = agent.points(metrics.MODEL_PREDICTIONS.name)
        psi = {
            point.attributes["feature"]: point.value
            for point in agent.points(metrics.DRIFT_PSI_VALUE.name)
        }
    assert predictions.value == ROWS
    assert max(psi, key=lambda feature: psi[feature] or 0.0) == "age"
    print(f"\nby OTLP: {ROWS} of {ROWS} rows, PSI of age {psi['age']:.3f}")

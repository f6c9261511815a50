"""An app that forks by itself, set up by another distro than ours: everything arrives, once."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from tidegauge_semconv import metrics
from tidegauge_testkit.backends import TestAgent, wait_until

pytestmark = pytest.mark.backends

SCRIPT = Path(__file__).parent / "served" / "forking.py"
BIN = Path(sys.executable).parent
BEFORE, CHILDREN = 7, (3, 20, 1, 11)
# One after each fork.
PARENT = BEFORE + len(CHILDREN)
SOON_S = 30.0
LIMIT_S = 120.0


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Start one receiver for all; each test clears it first."""
    with TestAgent(tmp_path_factory.mktemp("agent")) as started:
        yield started


def by_instance(agent: TestAgent, name: str, **attributes: str) -> dict[str, float]:
    """Return the newest value of a counter by service.instance.id."""
    found: dict[str, float] = defaultdict(float)
    for point in agent.points(name):
        if attributes.items() <= point.attributes.items():
            found[point.resource["service.instance.id"]] = point.value or 0.0
    return dict(found)


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_parent_and_children_arrive_exactly(
    agent: TestAgent, protocol: str, tmp_path: Path
) -> None:
    """The app's own counter by process; ours as one sum, whoever of the processes exports it."""
    agent.clear()
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "TIDEGAUGE_"))}
    done = subprocess.run(
        [
            BIN / "opentelemetry-instrument", sys.executable, SCRIPT,
            str(BEFORE), *map(str, CHILDREN),
        ],
        cwd=tmp_path,
        env={
            **kept,
            "OTEL_PYTHON_DISTRO": "distro",
            "OTEL_PYTHON_CONFIGURATOR": "configurator",
            "OTEL_METRICS_EXPORTER": "otlp",
            "OTEL_TRACES_EXPORTER": "none",
            "OTEL_LOGS_EXPORTER": "none",
            "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
            "OTEL_EXPORTER_OTLP_ENDPOINT": agent.grpc_url
            if protocol == "grpc"
            else agent.http_url,
            "OTEL_METRIC_EXPORT_INTERVAL": "50",
            "OMP_NUM_THREADS": "1",
        },
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    total = PARENT + sum(CHILDREN)
    name = metrics.MODEL_REQUESTS.name
    wait_until(
        lambda: sum(by_instance(agent, name, status="success").values()) >= total or None,
        f"{total} requests at the receiver",
        SOON_S,
    )
    assert sum(by_instance(agent, name, status="success").values()) == total
    assert sorted(by_instance(agent, "app.jobs").values()) == sorted([PARENT, *CHILDREN])
    print(f"\n{protocol}: {total} of {total} requests of {1 + len(CHILDREN)} processes")

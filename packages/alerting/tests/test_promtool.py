"""The rendered file, and that its tests can fail, with Prometheus's own tool."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from tidegauge_alerting import render_prometheus, rule_groups
from tidegauge_alerting.alert_file import load, own_sources
from tidegauge_exporter_prometheus import prometheus_name
from tidegauge_semconv import metrics
from tidegauge_testkit.backends import Promtool
from tidegauge_testkit.backends.binaries import find
from tidegauge_testkit.backends.stories import Firing, Series, Story, play

if TYPE_CHECKING:
    from pathlib import Path

DEFAULT_ALERTS = load(sources=own_sources()).alerts
pytestmark = pytest.mark.backends


def test_promtool_accepts_the_rules(tmp_path: Path) -> None:
    """The rendered file is a valid rule file, with one rule an alert and what they record."""
    path = tmp_path / "rules.yml"
    path.write_text(render_prometheus(DEFAULT_ALERTS, runbook_url="https://example.com/{name}"))
    said = Promtool().check_rules(path)
    assert f"SUCCESS: {len(rule_groups(DEFAULT_ALERTS)[0]['rules'])} rules found" in said


@pytest.mark.parametrize(
    "firing",
    [
        Firing(2),
        Firing(2, ({"family": "inputs"},)),
        Firing(0, ({"family": "inputs", "window": "1d"},)),
    ],
)
def test_promtool_refuses_what_does_not_happen(firing: Firing, tmp_path: Path) -> None:
    """An alert that none expects, without a label, or at the wrong time, fails its story."""
    detected = prometheus_name(metrics.DRIFT_DETECTED)
    series = Series(detected, "0 0 1x5", {"family": "inputs", "window": "1d"})
    story = Story("InputDrift", "drift", (series,), (firing,))
    with pytest.raises(AssertionError, match="InputDrift"):
        play([story], rule_groups(DEFAULT_ALERTS), tmp_path, labels={"severity": "warning"})


def test_vmalert_accepts_the_rules(tmp_path: Path) -> None:
    """VictoriaMetrics' rule engine refuses a file with any field that it does not know."""
    file = load(sources=own_sources())
    path = tmp_path / "rules.yml"
    path.write_text(render_prometheus((*file.alerts, *file.off)))
    done = subprocess.run(
        [find("vmalert"), "-dryRun", f"-rule={path}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, "fatal" in done.stderr) == (0, False)

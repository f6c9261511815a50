"""A healthy model raises no alert: a day of its service, through everything but the network."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tidegauge_alerting import load, rule_groups
from tidegauge_drift.marks import FILE, Mark, dump
from tidegauge_testkit.backends import Promtool

pytestmark = [pytest.mark.backends, pytest.mark.timeout(600)]

PROGRAM = Path(__file__).parent / "served" / "simulated_day.py"
LIMIT_S = 400
START_S = 1_700_006_400.0
FIRING = 'ALERTS{alertstate="firing"}'


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """Return the series of a clean day, and of one that drifts at noon, muted until six or not."""
    running = {}
    for name, shift in (("clean", "1"), ("doubled", "2"), ("muted", "2")):
        folder = tmp_path_factory.mktemp(name)
        if name == "muted":
            (folder / "state").mkdir()
            # The first minute is scraped when it is over.
            mark = Mark("mute", "fraud", START_S, START_S + 18 * 3600 + 60, reason="known")
            (folder / "state" / FILE).write_bytes(dump([mark]))
        settings = {**os.environ, "TIDEGAUGE_STATE_DIR": str(folder / "state")}
        command = [sys.executable, str(PROGRAM), str(folder), shift]
        with (folder / "series.json").open("w") as out:
            running[folder] = subprocess.Popen(command, stdout=out, env=settings)
    try:
        assert [0, 0, 0] == [process.wait(LIMIT_S) for process in running.values()]
    finally:
        for process in running.values():
            process.kill()
            process.wait()
    each = [json.loads((folder / "series.json").read_bytes()) for folder in running]
    return dict(zip(("clean", "doubled", "muted"), each, strict=True))


def play(folder: Path, series: dict[str, str], expected: dict[str, list[dict[str, Any]]]) -> None:
    """Evaluate all default rules each minute of the day; fail where an expression says else."""
    (folder / "rules.yml").write_text(json.dumps({"groups": rule_groups(load().alerts)}))
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": text} for name, text in series.items()],
        "promql_expr_test": [
            {"expr": expression, "eval_time": "1439m", "exp_samples": samples}
            for expression, samples in expected.items()
        ],
    }
    written = {"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": [test]}
    (folder / "test.yml").write_text(json.dumps(written))
    Promtool().test_rules(folder / "test.yml")


def test_a_clean_day_raises_no_alert(days: dict[str, dict[str, str]], tmp_path: Path) -> None:
    """100,000 rows and more, of which a hundredth of the calls fail: none at any minute."""
    series = days["clean"]
    (seen,) = [v for k, v in series.items() if "tidegauge_rows_total" in k and 'state="used"' in k]
    rows = float(seen.split()[-1])
    closed = "sum(changes(drift_window_rows{window='1000rows'}[24h]))"

    assert rows >= 100_000
    play(
        tmp_path,
        series,
        {
            f"count_over_time({FIRING}[24h:1m])": [],
            "max(drift_detected)": [{"labels": "{}", "value": 0}],
            f"{closed} > bool 30": [{"labels": "{}", "value": 1}],
            "count(drift_psi_value)": [{"labels": "{}", "value": 11}],
        },
    )


def test_a_feature_that_doubles_at_noon_is_said(
    days: dict[str, dict[str, str]], tmp_path: Path
) -> None:
    """The same day can alarm: inputs, and the feature; not before noon."""
    fired = f"sum by (alertname) (count_over_time({FIRING}[12h:1m]) > bool 0) > bool 0"
    play(
        tmp_path,
        days["doubled"],
        {
            fired: [
                {"labels": f'{{alertname="{name}"}}', "value": 1}
                for name in ("DataDriftDetected", "InputDrift")
            ],
            f"count_over_time(({FIRING} offset 12h)[12h:1m])": [],
        },
    )


def test_what_is_muted_is_said_when_the_mute_is_over(
    days: dict[str, dict[str, str]], tmp_path: Path
) -> None:
    """Until six the rules see the drift and are quiet; then it is still there, and is said."""
    fired = f"count by (alertname) (count_over_time({FIRING}[6h:1m]))"
    play(
        tmp_path,
        days["muted"],
        {
            "max(max_over_time(drift_detected[6h] offset 6h))": [{"labels": "{}", "value": 1}],
            f"count_over_time(({FIRING} offset 6h)[18h:1m])": [],
            f"{fired} > bool 0": [
                {"labels": f'{{alertname="{name}"}}', "value": 1}
                for name in ("DataDriftDetected", "InputDrift")
            ],
        },
    )

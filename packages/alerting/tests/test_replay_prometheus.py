"""A replay against a real Prometheus that has a week of data, and against promtool's own rules."""

from __future__ import annotations

import dataclasses
import random
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tidegauge_alerting import rule_groups
from tidegauge_alerting.alert_file import load
from tidegauge_alerting.prometheus_api import PrometheusApi
from tidegauge_alerting.replay_past import Past, Span
from tidegauge_testkit.backends import Prometheus, Promtool
from tidegauge_testkit.backends.binaries import find
from tidegauge_testkit.contracts import commands
from tidegauge_testkit.contracts.commands import Recorder

(DATA_DRIFT_DETECTED,) = (
    dataclasses.replace(each, recovery=None)
    for each in load().alerts
    if each.name == "DataDriftDetected"
)
pytestmark = pytest.mark.backends

STEP_S = 60
MINUTES = 7 * 24 * 60
LABELS = 'model_name="{}",model_version="3",reference="ab12cd34",feature="{}",window="1d"'


def backfill(folder: Path, series: dict[str, dict[str, list[float]]], start: int) -> None:
    """Write series, by metric and labels, with a value a minute, as blocks of a Prometheus."""
    lines = []
    for metric, every in series.items():
        lines.append(f"# TYPE {metric} gauge")
        for labels, values in every.items():
            lines += [
                f"{metric}{{{labels}}} {value} {(start + i) * STEP_S}"
                for i, value in enumerate(values)
            ]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "om.txt").write_text("\n".join([*lines, "# EOF", ""]))
    command = ["tsdb", "create-blocks-from", "openmetrics", "om.txt", "data"]
    subprocess.run([find("promtool"), *command], cwd=folder, check=True, capture_output=True)


def during(*spans: tuple[int, int, float], otherwise: float = 0.01) -> list[float]:
    """Return a value a minute of a week: others within some spans."""
    found = [otherwise] * (MINUTES + 1)
    for first, last, value in spans:
        found[first:last] = [value] * (last - first)
    return found


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    """Return the address of a Prometheus that has a week up to now, and its first minute."""
    folder = tmp_path_factory.mktemp("week")
    start = int(time.time() // STEP_S) - MINUTES
    amount, country = LABELS.format("fraud", "amount"), LABELS.format("fraud", "country")
    churn = LABELS.format("churn", "age")
    series = {
        "drift_psi_value": {
            amount: during((1000, 1300, 0.25), (2000, 2001, 0.5), (3000, 3100, 0.15)),
            country: during((1290, 1400, 0.4)),
            churn: during((4900, 5200, 0.3), (6000, 6100, 0.18)),
        },
        "drift_effective_rows": {
            each: during(otherwise=1000.0) for each in (amount, country, churn)
        },
        "drift_muted": {f'{churn},family="inputs"': during((5000, 5100, 1.0), otherwise=0.0)},
    }
    backfill(folder, series, start)
    with Prometheus(folder, {}) as found:
        yield found.url, start


def check(url: str, *more: str) -> Recorder:
    """Run the command."""
    return commands.run("rules check", "--replay", url, *more)


def test_each_onset_of_a_week_is_found_and_no_other(week: tuple[str, int]) -> None:
    """The spans are those that were written: a minute later for the minute that it must hold."""
    url, start = week
    past = Past(PrometheusApi(url), Span(start, start + MINUTES, STEP_S))

    def outcome(threshold: float) -> dict[str, tuple[int, int]]:
        firing = past.outcome(DATA_DRIFT_DETECTED.with_threshold(threshold)).firing
        return {model: (each.times, each.seconds // STEP_S) for model, each in firing.items()}

    # 1001 to 1400 with both features; the single minute at 2000 is too short. Muted: 100 minutes,
    # and one more until it has held again.
    now = {"fraud": (1, 399), "churn": (2, 99 + 99)}
    assert now == outcome(0.2)
    assert {"fraud": (2, 399 + 99), "churn": (3, 99 + 99 + 99)} == outcome(0.1)
    assert {"fraud": (1, 109)} == outcome(0.35)


def test_the_command_says_what_a_change_would_have_done(week: tuple[str, int]) -> None:
    """By alert and model, and the difference; what is not there is said."""
    said = check(week[0], "--threshold", "DataDriftDetected=0.1", "--fleet")
    rows = {(row[0], row[1]): row[2:] for row in said.rows[1:]}

    assert ["alert", "model", "now", "changed", "difference"] == said.rows[0]
    assert rows["DataDriftDetected", "fraud"] == [
        "once, 6.7 h, said 1", "2 times, 8.3 h, said 2", "+1 times, +1.6 h, said +1",
    ]  # fmt: skip
    assert rows["DataDriftDetected", "churn"] == [
        "2 times, 3.3 h, said 1", "3 times, 5.0 h, said 1", "+1 times, +1.6 h, said +0",
    ]  # fmt: skip
    assert rows["FleetDrift", ""][:2] == ["not known", "not known"]
    assert (
        "FleetDrift is not replayed: Prometheus has no tidegauge:fleet:psi of these days, which a "
        "recording rule of ours writes."
    ) in said.lines
    assert ("replaying", len({row[0] for row in said.rows[1:]})) in said.tracked


def test_data_of_a_part_of_the_days_is_said(week: tuple[str, int]) -> None:
    """Quiet days and days without data look alike otherwise."""
    said = check(week[0], "--days", "14")
    (line,) = [line for line in said.lines if line.startswith("drift_psi_value is there")]
    assert line.split(" is there at ")[1].split(" hours")[0] in ("168 of 336", "169 of 336")


@pytest.mark.parametrize("seed", range(3))
def test_it_fires_as_prometheus_itself_fires(tmp_path: Path, seed: int) -> None:
    """Random values around threshold and recovery: promtool evaluates the rendered rule."""
    rng = random.Random(seed)
    changed = dataclasses.replace(DATA_DRIFT_DETECTED, recovery=0.15, for_s=120)
    minutes = 300
    values = [rng.choice([0.1, 0.18, 0.18, 0.25, 0.25]) for _ in range(minutes)]
    labels = LABELS.format("fraud", "amount")
    start = int(time.time() // STEP_S) - minutes
    series = {
        "drift_psi_value": {labels: values},
        "drift_effective_rows": {labels: [1000.0] * minutes},
    }
    backfill(tmp_path, series, start)
    with Prometheus(tmp_path, {}) as server:
        past = Past(PrometheusApi(server.url), Span(start, start + minutes - 1, STEP_S))
        firing = past.outcome(changed).firing["fraud"]

    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": rule_groups([changed])}))
    fires = 'ALERTS{alertname="DataDriftDetected",alertstate="firing"}'
    test = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": "1m",
        "tests": [{
            "interval": "1m",
            "input_series": [
                {"series": f"{name}{{{labels}}}", "values": " ".join(map(str, each[labels]))}
                for name, each in series.items()
            ],
            "promql_expr_test": [{
                # The minutes at which it was firing.
                "expr": f"sum(sum_over_time({fires}[5h:1m]))",
                "eval_time": f"{minutes - 1}m",
                "exp_samples": [{"labels": "{}", "value": firing.seconds // STEP_S}],
            }],
        }],
    }  # fmt: skip
    (tmp_path / "test.yml").write_text(yaml.safe_dump(test))
    Promtool().test_rules(tmp_path / "test.yml")
    assert firing.times > 3

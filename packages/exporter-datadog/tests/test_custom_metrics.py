"""What doctor says of the bill: what is in force, and what a setting would change."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tidegauge.series import ModelSeries
from tidegauge_exporter_datadog.custom_metrics import custom_metrics

LIMIT_S = 120.0
MODEL = ModelSeries(
    "m.reference.json", 9, 2, windows=2, of_window=10, of_feature=5, features=100, budget=600
)


def numbers(*models: ModelSeries) -> dict[str, tuple[int, str]]:
    """Return the table's numbers by what they are with."""
    return {what: (int(number), more) for what, number, more in custom_metrics(models).rows}


def test_what_is_in_force_and_what_would_change_it() -> None:
    """Counters are one each, distributions five, and 20 features have five gauges each."""
    found = numbers(MODEL)
    now = 9 + 2 * 5 + (2 + 2 * 10 + 20 * 5)
    assert {
        "in force": (now, ""),
        "TIDEGAUGE_DATADOG_MAX_FEATURES=100": (now + 80 * 5, "+400"),
        "TIDEGAUGE_DATADOG_MAX_FEATURES=0": (now - 20 * 5, "-100"),
        "one statistic more in TIDEGAUGE_DRIFT_EXPORT": (now + 20, "+20"),
        "one window more in TIDEGAUGE_DRIFT_WINDOWS": (now + 10, "+10"),
        "percentiles turned on in Datadog": (now + 10, "+10"),
        "another operation of each model": (now + 19, "+19"),
        "another host": (2 * now, f"+{now}"),
    } == found


def test_models_are_added_up() -> None:
    """One without drift has its requests and latencies alone."""
    plain = ModelSeries("", 9, 2)
    assert {"in force": (19, ""), "another host": (38, "+19")}.items() <= numbers(plain).items()
    both, one = numbers(MODEL, plain), numbers(MODEL)
    assert 19 == both["in force"][0] - one["in force"][0]
    assert "+400" == both["TIDEGAUGE_DATADOG_MAX_FEATURES=100"][1]


def test_the_budget_of_drift_holds_too() -> None:
    """Features beyond it would cost nothing, for they are not exported."""
    small = ModelSeries("m", 9, 2, windows=2, of_window=10, of_feature=5, features=100, budget=60)
    assert (19 + 60, "+0") == numbers(small)["TIDEGAUGE_DATADOG_MAX_FEATURES=100"]


def test_a_setting_changes_what_is_in_force(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong one counts as its default: doctor says elsewhere that it is wrong."""
    monkeypatch.setenv("TIDEGAUGE_DATADOG_MAX_FEATURES", "100")
    found = numbers(MODEL)
    assert 19 + 22 + 500 == found["in force"][0]
    assert "TIDEGAUGE_DATADOG_MAX_FEATURES=100" not in found
    monkeypatch.setenv("TIDEGAUGE_DATADOG_MAX_FEATURES", "all")
    assert 19 + 22 + 100 == numbers(MODEL)["in force"][0]


@pytest.fixture
def tidegauge(tmp_path: Path) -> Callable[..., str]:
    """Run ``tidegauge`` as a user would, without settings of this machine."""
    pytest.importorskip("tidegauge_distro")
    pytest.importorskip("tidegauge_drift")

    def run(*arguments: str, **environment: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "tidegauge_distro", *arguments],
            cwd=tmp_path,
            env={"PATH": "/usr/bin:/bin", **environment},
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        return done.stdout

    return run


def test_doctor_prints_it(tidegauge: Callable[..., str], tmp_path: Path) -> None:
    """Where this exporter is in force; the other tables are those of other exporters."""
    lines = [",".join(f"f{number}" for number in range(30))]
    lines += [",".join(str(row * (n + 3) % 97) for n in range(30)) for row in range(300)]
    (tmp_path / "train.csv").write_text("\n".join(lines))
    tidegauge("reference", "build", "train.csv", "-o", "m.reference.json")

    def sections(exporter: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(
            tidegauge(
                "doctor", "--json",
                OTEL_METRICS_EXPORTER=exporter,
                TIDEGAUGE_REFERENCE="m.reference.json",
            )
        )["sections"]  # fmt: skip
        return found

    found = sections("datadog")
    table = found["custom metrics in Datadog, at most, of one host and one operation a model"]
    by_name = {row["with"]: row for row in table}
    assert "+50" == by_name["TIDEGAUGE_DATADOG_MAX_FEATURES=30"]["more than now"]
    assert "series of all these models, at most" not in found
    assert not [title for title in sections("console") if "Datadog" in title]

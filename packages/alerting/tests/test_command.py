from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

import pytest
import yaml
from tidegauge.command import CommandError
from tidegauge_alerting import render_prometheus
from tidegauge_alerting.alert_file import load, own_sources
from tidegauge_alerting.command import RENDER
from tidegauge_alerting.folder import write_files
from tidegauge_testkit.contracts import commands

if TYPE_CHECKING:
    from pathlib import Path

    from tidegauge_testkit.contracts.commands import Recorder


DEFAULT_ALERTS = load().alerts
NAMES = ", ".join(each.name for each in DEFAULT_ALERTS)
FLEET_ALERTS = load(sources=own_sources()).off


def run(*words: str) -> Recorder:
    """Run the command on a command line's words."""
    terminal = commands.run("rules render", *words)
    assert terminal.status == 0
    return terminal


def alerts(text: str) -> dict[str, str]:
    """Return the expressions in a rule file by alert."""
    rules = yaml.safe_load(text)["groups"][0]["rules"]
    return {rule["alert"]: rule["expr"] for rule in rules if "alert" in rule}


def test_without_a_file_only_the_rules_are_written() -> None:
    """The output can be piped into a file."""
    terminal = run("prometheus")
    assert render_prometheus(DEFAULT_ALERTS) == terminal.written
    assert terminal.lines == []


def test_the_example_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line that --help shows runs as it stands."""
    monkeypatch.chdir(tmp_path)
    words = shlex.split(RENDER.example)
    assert words[:3] == ["tidegauge", "rules", "render"]
    terminal = run(*words[3:])
    path = tmp_path / "tidegauge.rules.yml"
    assert ") > 0.8" in alerts(path.read_text())["HighLatency"]
    assert terminal.lines == [
        f"tidegauge.rules.yml: {len(load().alerts)} alerts. "
        "Name it under rule_files in prometheus.yml.",
        "Check it with: promtool check rules tidegauge.rules.yml",
    ]
    assert terminal.written == ""


def test_the_header_makes_the_same_file_again(tmp_path: Path) -> None:
    """The command line in the header gives the same bytes, wherever they go."""
    text = run(
        "prometheus", "--severity", "critical", "--severity", "warning",
        "--threshold", "HighLatency=0.8", "--minimum", "DataDriftDetected=1000",
        "--runbook-url", "https://example.com/runbooks?alert={name}",
    ).written  # fmt: skip
    again = shlex.split(text.split("\n")[2].removeprefix("#"))
    assert again[:3] == ["tidegauge", "rules", "render"]
    path = tmp_path / "again.yml"
    run(*again[3:], "-o", str(path))
    assert text == path.read_text()


def test_fleet_rules_come_when_asked_for() -> None:
    """One more group with one more alert; windows, thresholds and guards can be set."""
    text = run("prometheus", "--fleet").written
    groups = yaml.safe_load(text)["groups"]
    made_by = "tidegauge rules render prometheus --fleet"
    assert render_prometheus((*DEFAULT_ALERTS, *FLEET_ALERTS), made_by=made_by) == text
    assert [group["name"] for group in groups] == ["tidegauge", "tidegauge_fleet"]
    tuned = run(
        "prometheus", "--fleet", "--fleet-window", "2h", "--fleet-window", "30m",
        "--threshold", "FleetDrift=0.3", "--minimum", "FleetDrift=1000",
    ).written  # fmt: skip
    fleet = yaml.safe_load(tuned)["groups"][1]
    assert fleet["interval"] == "30s"
    windows = [rule["labels"]["window"] for rule in fleet["rules"] if "record" in rule]
    assert windows == ["30m"] * 4 + ["2h"] * 4
    assert fleet["rules"][3]["expr"].endswith(">= 1000")
    assert fleet["rules"][-1]["expr"].startswith("tidegauge:fleet:psi > 0.3\nunless")
    again = shlex.split(tuned.split("\n")[2].removeprefix("#"))
    assert tuned == run(*again[3:]).written


def test_severities_choose_alerts() -> None:
    """Only the alerts of the given severities are rendered."""
    found = set(alerts(run("prometheus", "--severity", "critical").written))
    assert found == {each.name for each in load().alerts if each.severity == "critical"}
    assert {"HighErrorRate", "ModelDrift"} <= found


def test_a_file_of_ours_is_replaced(tmp_path: Path) -> None:
    """Rendering again with other options needs no --force and leaves no other file."""
    path = tmp_path / "rules.yml"
    run("prometheus", "-o", str(path))
    run("prometheus", "-o", str(path), "--threshold", "HighErrorRate=0.2")
    assert "> 0.2" in alerts(path.read_text())["HighErrorRate"]
    assert [path] == list(tmp_path.iterdir())


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600)])
def test_who_may_read_a_file_is_the_umasks_to_say(tmp_path: Path, umask: int, mode: int) -> None:
    """Prometheus runs as somebody else, and reads it where that is allowed."""
    before = os.umask(umask)
    try:
        run("prometheus", "-o", str(tmp_path / "rules.yml"))
        write_files(tmp_path, {"page.html": ""})
    finally:
        os.umask(before)
    assert [mode, mode] == [path.stat().st_mode & 0o777 for path in tmp_path.iterdir()]


def test_a_file_of_others_is_kept(tmp_path: Path) -> None:
    """Rules that somebody wrote by hand are not lost."""
    path = tmp_path / "rules.yml"
    path.write_text("groups: []\n")
    with pytest.raises(CommandError) as caught:
        run("prometheus", "-o", str(path))
    assert (
        f"{path}: got a file that this command did not write; expected a new file or its own. "
        "Choose another name, or replace it with --force."
    ) == str(caught.value)
    assert path.read_text() == "groups: []\n"
    run("prometheus", "-o", str(path), "--force")
    assert "HighErrorRate" in alerts(path.read_text())


@pytest.mark.parametrize("name", ["missing/rules.yml", "."])
def test_a_path_that_cannot_be_written_is_an_error(tmp_path: Path, name: str) -> None:
    """A missing folder, or a folder in place of a file, is one clear line."""
    path = tmp_path / name
    with pytest.raises(CommandError, match="cannot be written") as caught:
        run("prometheus", "-o", str(path))
    assert str(caught.value).endswith(
        "Choose a file in a folder that exists and that you may write to."
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--threshold", "HighLatency"],
            (
                "--threshold: got 'HighLatency'; expected NAME=VALUE with a number. "
                "For example: HighLatency=0.8."
            ),
        ),
        (
            ["--threshold", "HighLatency=slow"],
            (
                "--threshold: got 'HighLatency=slow'; expected NAME=VALUE with a number. "
                "For example: HighLatency=0.8."
            ),
        ),
        (
            ["--minimum", "Latency=5"],
            (
                f"--minimum: got 'Latency=5'; expected the name of an alert: {NAMES}. "
                "Did you mean HighLatency?"
            ),
        ),
        (
            ["--threshold", "HighErrorRate=5"],
            (
                "threshold of HighErrorRate: got 5; expected a share above 0 and below 1. "
                "5 % is 0.05; leave it out for 0.05."
            ),
        ),
        (
            ["--fleet-window", "1h"],
            ("--fleet-window: got '1h'; expected it beside --fleet. Add --fleet, or leave it out."),
        ),
        (
            ["--fleet", "--fleet-window", "hour"],
            ("--fleet-window: got 'hour'; expected a number and s, m, h or d. For example: 1h."),
        ),
        (
            ["--fleet", "--fleet-window", "1h", "--fleet-window", "90m"],
            (
                "windows: got 3600 s, 5400 s; expected at least 60 s each, all multiples of "
                "the shortest. Leave them out for 1h and 1d."
            ),
        ),
        (
            ["--threshold", "FleetDrift=0.3"],
            (
                f"--threshold: got 'FleetDrift=0.3'; expected the name of an alert: {NAMES}. "
                "FleetDrift is off: turn it on in the file of alerts, or by --fleet."
            ),
        ),
        (
            ["--runbook-url", "runbooks.example.com"],
            (
                "--runbook-url: got 'runbooks.example.com'; expected an http or https address. "
                "For example: https://runbooks.example.com/{name}."
            ),
        ),
    ],
)
def test_a_wrong_option_is_one_clear_line(words: list[str], message: str) -> None:
    """An error names the option, what it got and what it takes."""
    with pytest.raises(CommandError) as caught:
        run("prometheus", *words)
    assert message == str(caught.value)

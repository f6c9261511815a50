from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tidegauge.command import CommandError
from tidegauge_alerting import check, load
from tidegauge_alerting.check import findings
from tidegauge_alerting.vendors import Request
from tidegauge_testkit.contracts import commands

if TYPE_CHECKING:
    from pathlib import Path

    from tidegauge_testkit.contracts.commands import Recorder

FILE = """\
version: 1
channels:
  oncall: {type: pagerduty, routing_key_file: FOLDER/key}
  ml: {type: slack, url_env: SLACK_URL_OF_A_TEST}
routes: {critical: [oncall, ml]}
"""


def run(tmp_path: Path, *words: str, text: str = FILE) -> Recorder:
    """Check a file of alerts."""
    path = tmp_path / "alerts.yaml"
    path.write_text(text.replace("FOLDER", str(tmp_path)))
    return commands.run("rules check", "--alerts", path, *words)


def rows(terminal: Recorder) -> dict[str, str]:
    """Return what each check says."""
    return dict(terminal.tables["Alerts"][1:])


def test_alerts_that_can_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each check has a line, what a vendor leaves out is named, and the status is 0."""
    (tmp_path / "key").write_text("0123")
    monkeypatch.setenv("SLACK_URL_OF_A_TEST", "https://hooks.example.com/x")
    terminal = run(tmp_path)
    assert (terminal.status, terminal.lines) == (0, [])
    found = rows(terminal)
    assert found["names, types, texts"] == f"{len(load().alerts)} alerts, 2 channels"
    assert found["for prometheus"] == "all"
    assert found["for datadog"] == "without TelemetryTargetDown"
    assert found["for alertmanager"].startswith("not these: secret of channel ml: got the variable")
    assert found["expressions"].endswith(" parse")
    assert found["secrets"] == "2 of 2 are there"


def test_a_secret_that_is_missing_is_told(tmp_path: Path) -> None:
    """Both of them at once, by channel; elsewhere than on the host they are not looked for."""
    terminal = run(tmp_path)
    assert (terminal.status, rows(terminal)["secrets"]) == (1, "wrong")
    assert terminal.lines == [
        (
            f"channel oncall: secret: got no value from file {tmp_path / 'key'} (No such file or "
            "directory); expected it to hold one. Write the secret there, or correct the path."
        ),
        (
            "channel ml: secret: got no value from variable SLACK_URL_OF_A_TEST; expected it to "
            "hold one. Write the secret there, or correct the name."
        ),
    ]
    assert run(tmp_path, "--skip-secrets").status == 0


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """Every mistake has its line."""
    text = "version: 1\nalerts: [{name: HighLatency, threshold: x}, {name: InputDrift, for: x}]\n"
    with pytest.raises(CommandError) as caught:
        run(tmp_path, text=text)
    assert len(str(caught.value).split("\n")) == 2


def test_without_a_tool_the_others_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has to install Prometheus to check a threshold."""
    monkeypatch.setenv("PATH", str(tmp_path))
    found = rows(run(tmp_path, "--skip-secrets", text="version: 1\n"))
    assert (found["promtool"], found["amtool"]) == ("not installed here", "not installed here")


def test_an_expression_that_is_none_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the alert's name, by the parser and by promtool where it is installed."""
    rule = {"alert": "Broken", "expr": "sum(", "labels": {}}
    monkeypatch.setattr(check, "rule_groups", lambda _: [{"name": "a", "rules": [rule]}])
    found = {each.what: each for each in findings(Request(load().alerts, "x"))}
    (problem,) = found["expressions"].problems
    assert problem.startswith("Broken: its expression is no PromQL (")
    tool = found["promtool"]
    assert tool.result == "not installed here" or (tool.result, len(tool.problems)) == (
        "refuses them",
        1,
    )

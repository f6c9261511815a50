"""``tidegauge dashboards apply datadog`` against a strict server with a memory."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from tidegauge.command import CommandError
from tidegauge_alerting.dashboard_files import load_dashboards
from tidegauge_alerting.datadog import dashboard_applying
from tidegauge_alerting.datadog.api import Api
from tidegauge_alerting.datadog.dashboards import marker_in, render_dashboard
from tidegauge_alerting.datadog.settings import read
from tidegauge_testkit.contracts import commands
from tidegauge_testkit.contracts.commands import Recorder
from tidegauge_testkit.datadog_intake import Reply
from tidegauge_testkit.datadog_organisation import DatadogOrganisation

KEY, APP_KEY = "0123456789abcdef" * 2, "fedcba9876543210" * 2
NAMES = [each.name for each in load_dashboards()]


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> Iterator[DatadogOrganisation]:
    """Serve an organisation without dashboards, whose address and keys are in the environment."""
    for name in list(os.environ):
        if name.startswith("DD_") or name.lower() in ("http_proxy", "all_proxy"):
            monkeypatch.delenv(name)
    with DatadogOrganisation(KEY, APP_KEY) as served:
        monkeypatch.setenv("TIDEGAUGE_DATADOG_URL", served.url)
        monkeypatch.setenv("TIDEGAUGE_DATADOG_TIMEOUT_S", "50")
        monkeypatch.setenv("DD_API_KEY", KEY)
        monkeypatch.setenv("DD_APP_KEY", APP_KEY)
        yield served


def apply(*words: str, status: int = 0) -> Recorder:
    """Run the command on a command line's words."""
    terminal = commands.run("dashboards apply", "datadog", *words)
    assert status == terminal.status, terminal.text
    return terminal


def test_dry_run_then_all_then_nothing(there: DatadogOrganisation) -> None:
    """Nothing is written without --yes, and nothing twice; what Datadog adds is no difference."""
    lines = apply().lines
    assert "+ Tidegauge: One model" in lines
    assert "Nothing was changed: --yes does it." == lines[-1]
    assert [] == there.writes()
    assert f"{len(NAMES)} written, 0 failed." == apply("--yes").lines[-1]
    found = {marker_in(each["description"]) for each in there.dashboards.values()}
    assert set(NAMES) == found
    assert "0 written, 0 failed." == apply("--yes").lines[-1]
    assert len(NAMES) == len(there.writes())


def test_what_differs_is_shown_and_written_back(there: DatadogOrganisation) -> None:
    """By its place; dashboards of others stay, and what is gone goes with --prune alone."""
    apply("--yes")
    by_hand = next(each for each in there.dashboards.values() if "Models" in each["title"])
    by_hand["widgets"][0]["definition"]["title"] = "Later"
    by_hand["widgets"][1]["definition"]["widgets"] = []
    there.dashboards["theirs"] = {"id": "theirs", "title": "Theirs", "description": None}
    old = {"id": "old", "title": "Old", "description": "It was. (managed-by:tidegauge/old)"}
    there.dashboards["old"] = old
    there.asked.clear()
    lines = apply().lines
    assert [
        "~ Tidegauge: Models",
        '    widgets[0].definition.title: "Later" -> "Now"',
        "    widgets[1].definition.widgets: 0 become 1",
        "? Old: not defined, --prune deletes it",
    ] == lines[:4]
    apply("--yes")
    assert ["PUT"] == [each.method for each in there.writes()]
    apply("--yes", "--prune")
    assert "old" not in there.dashboards
    assert "theirs" in there.dashboards
    assert "0 written, 0 failed." == apply("--yes", "--prune").lines[-1]


def test_a_failure_is_said_by_name_and_refused_keys_end_it(there: DatadogOrganisation) -> None:
    """The rest goes on, and the next run does what is missing."""
    there.replies.extend([None, Reply(400, body=b'{"errors":["too wide"]}')])
    lines = apply("--yes", status=1).lines
    assert "Tidegauge: Models failed: 400: too wide" in lines
    assert "1 written, 0 failed." == apply("--yes").lines[-1]
    there.replies.append(Reply(403, body=b'{"errors":["Forbidden"]}'))
    with pytest.raises(CommandError, match="got 403: Forbidden; expected keys that may do this"):
        apply("--yes")
    there.replies.append(Reply(200, body=b"[]"))
    with pytest.raises(CommandError, match="got no list of dashboards"):
        apply("--yes")


def test_two_runs_leave_one_of_each(there: DatadogOrganisation) -> None:
    """Both saw nothing: the second takes back its own, for the first's are older."""
    wanted = {each.name: render_dashboard(each, {})[0] for each in load_dashboards()}
    api = Api(read(), sleep=lambda _: None)
    first, second = (dashboard_applying.look(api, wanted) for _ in range(2))
    said: list[str] = []
    for sheets in (first, second):
        assert (len(NAMES), []) == dashboard_applying.write(
            api, sheets, prune=False, say=said.append
        )
    assert sorted(NAMES) == sorted(
        marker_in(each["description"]) for each in there.dashboards.values()
    )
    assert "1001" in min(there.dashboards)

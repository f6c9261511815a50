"""``tidegauge dashboards apply datadog`` against a strict server with a memory."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from tidegauge.command import CommandError
from tidegauge_alerting.dashboard_files import load_dashboards
from tidegauge_alerting.datadog import dashboard_applying
from tidegauge_alerting.datadog.api import Api
from tidegauge_alerting.datadog.dashboard_applying import look
from tidegauge_alerting.datadog.dashboards import marker_in, render_dashboard
from tidegauge_alerting.datadog.plan import Kind
from tidegauge_alerting.datadog.settings import read
from tidegauge_testkit.contracts import commands
from tidegauge_testkit.contracts.commands import Recorder
from tidegauge_testkit.datadog_intake import Reply
from tidegauge_testkit.datadog_organisation import DatadogOrganisation

KEY, APP_KEY = "0123456789abcdef" * 2, "fedcba9876543210" * 2
DASHBOARDS = {each.name: each for each in load_dashboards()}
FEW = {name: render_dashboard(DASHBOARDS[name], {})[0] for name in ("resources", "health")}


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


def write(api: Api, *, prune: bool = False) -> tuple[int, list[tuple[str, str]]]:
    """Do what two dashboards need."""
    return dashboard_applying.write(api, look(api, FEW), prune=prune, say=lambda _: None)


def widgets_of(name: str) -> list[object]:
    """Return the widgets of a dashboard's second group."""
    found: list[object] = FEW[name]["widgets"][1]["definition"]["widgets"]
    return found


def test_dry_run_then_all_then_nothing(there: DatadogOrganisation) -> None:
    """Nothing is written without --yes, and nothing twice; what Datadog adds is no difference."""
    lines = apply().lines
    assert "+ Tidegauge: One model" in lines
    assert "Nothing was changed: --yes does it." == lines[-1]
    assert [] == there.writes()
    assert f"{len(DASHBOARDS)} written, 0 failed." == apply("--yes").lines[-1]
    found = {marker_in(each["description"]) for each in there.dashboards.values()}
    assert set(DASHBOARDS) == found
    assert "0 written, 0 failed." == apply("--yes").lines[-1]
    assert len(DASHBOARDS) == len(there.writes())


def test_what_differs_is_shown_and_written_back(there: DatadogOrganisation) -> None:
    """By its place; dashboards of others stay, and what is gone goes with --prune alone."""
    api = Api(read())
    write(api)
    by_hand = next(each for each in there.dashboards.values() if "health" in each["title"])
    by_hand["widgets"][0]["definition"]["title"] = "Later"
    by_hand["widgets"][1]["definition"]["widgets"] = []
    there.dashboards["theirs"] = {"id": "theirs", "title": "Theirs", "description": None}
    old = {"id": "old", "title": "Old", "description": "It was. (managed-by:tidegauge/old)"}
    there.dashboards["old"] = old
    there.asked.clear()
    found = {each.name: each for each in look(api, FEW)}
    assert (
        'widgets[0].definition.title: "Later" -> "Does it arrive"',
        f"widgets[1].definition.widgets: 0 become {len(widgets_of('health'))}",
    ) == found["health"].lines
    assert (Kind.DELETE, Kind.SAME) == (found["old"].kind, found["resources"].kind)
    assert (1, []) == write(api)
    assert ["PUT"] == [each.method for each in there.writes()]
    assert (1, []) == write(api, prune=True)
    assert {"theirs"} == set(there.dashboards) - {each.identity for each in look(api, FEW)}
    assert (0, []) == write(api, prune=True)


def test_a_failure_is_said_by_name(there: DatadogOrganisation) -> None:
    """The rest goes on, and the next run does what is missing."""
    api = Api(read())
    there.replies.extend([None, Reply(400, body=b'{"errors":["too wide"]}')])
    assert (1, [("Tidegauge: Resources", "400: too wide")]) == write(api)
    assert (1, []) == write(api)


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (Reply(403, body=b'{"errors":["Forbidden"]}'), "got 403: Forbidden; expected keys that"),
        (Reply(200, body=b"[]"), "got no list of dashboards"),
    ],
)
def test_what_ends_it_at_once(reply: Reply, said: str, there: DatadogOrganisation) -> None:
    """Nothing is written."""
    there.replies.append(reply)
    with pytest.raises(CommandError, match=said):
        apply("--yes")
    assert [] == there.writes()


def test_two_runs_leave_one_of_each(there: DatadogOrganisation) -> None:
    """Both saw nothing: the second takes back its own, for the first's are older."""
    api = Api(read())
    first, second = (look(api, FEW) for _ in range(2))
    for sheets in (first, second):
        done = dashboard_applying.write(api, sheets, prune=False, say=lambda _: None)
        assert (len(FEW), []) == done
    assert sorted(FEW) == sorted(
        marker_in(each["description"]) for each in there.dashboards.values()
    )
    assert {"abc-1001", "abc-1003"} == set(there.dashboards)

"""``tidegauge rules apply datadog`` against a strict server with a memory."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tidegauge.command import CommandError
from tidegauge_alerting import load
from tidegauge_alerting.datadog.api import Api, ApiError
from tidegauge_alerting.datadog.applying import Done, Writer, look
from tidegauge_alerting.datadog.monitors import MANAGED, key_of, monitors
from tidegauge_alerting.datadog.plan import Kind, differences, ours, plan
from tidegauge_alerting.datadog.scope import Scope
from tidegauge_alerting.datadog.settings import Access, read
from tidegauge_testkit.backends.process import wait_until
from tidegauge_testkit.contracts import commands
from tidegauge_testkit.contracts.commands import Recorder
from tidegauge_testkit.datadog_intake import Reply
from tidegauge_testkit.datadog_organisation import DatadogOrganisation

KEY, APP_KEY = "0123456789abcdef" * 2, "fedcba9876543210" * 2
# The default alerts make so many monitors: two of them have three parts each.
MONITORS = len(monitors(load().alerts).monitors)
BUSY = Reply(429, {"X-RateLimit-Reset": "0"}, b'{"errors":["Too many requests"]}')


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> Iterator[DatadogOrganisation]:
    """Serve an organisation without monitors, whose address and keys are in the environment."""
    for name in list(os.environ):
        if name.startswith("DD_") or name.lower() in ("http_proxy", "all_proxy"):
            monkeypatch.delenv(name)
    with DatadogOrganisation(KEY, APP_KEY) as served:
        monkeypatch.setenv("TIDEGAUGE_DATADOG_URL", served.url)
        monkeypatch.setenv("TIDEGAUGE_DATADOG_TIMEOUT_S", "50")
        monkeypatch.setenv("DD_API_KEY", KEY)
        monkeypatch.setenv("DD_APP_KEY", APP_KEY)
        served.percentiles["model.request.latency"] = True
        yield served


def apply(*words: str, status: int = 0) -> Recorder:
    """Run the command on a command line's words."""
    terminal = commands.run("rules apply", "datadog", *words)
    assert status == terminal.status, terminal.text
    assert KEY not in terminal.text
    assert APP_KEY not in terminal.text
    return terminal


def test_without_yes_nothing_is_written(there: DatadogOrganisation) -> None:
    """What would be is shown, with its queries."""
    lines = apply().lines
    assert "+ Tidegauge: InputDrift" in lines
    assert f"0 of {MONITORS} monitors are as they should be." == lines[-2]
    assert "Nothing was changed: --yes does it." == lines[-1]
    assert any(line.startswith("    query: max(last_5m):max:drift.detected") for line in lines)
    assert [] == there.writes()


def test_datadog_is_asked_what_it_would_refuse(there: DatadogOrganisation) -> None:
    """Without making anything; of those that are there too."""
    refused = Reply(400, body=b'{"errors":["query is too long"]}')
    there.replies.extend([None, None, None, refused])
    lines = apply(status=1).lines
    said = "Tidegauge: HighErrorRate, its part 'before' would be refused: 400: query is too long"
    assert said in lines
    assert {} == there.monitors
    apply("--yes")
    there.asked.clear()
    apply("--threshold", "DataDriftDetected=0.25")
    number = there.named("Tidegauge: DataDriftDetected")["id"]
    (asked,) = [each for each in there.asked if each.method == "POST"]
    assert (f"/api/v1/monitor/{number}/validate", 200) == (asked.path, asked.status)


@pytest.mark.parametrize("known", [{"model.request.latency": False}, {}])
def test_percentiles_that_are_off_are_told(
    known: dict[str, bool], there: DatadogOrganisation
) -> None:
    """A monitor without data looks as one that is quiet."""
    there.percentiles = known
    told = (
        "model.request.latency has no percentiles in Datadog: its monitors have no data until you "
        "turn them on, under Metrics, Summary."
    )
    assert told in apply().lines
    there.percentiles = {"model.request.latency": True}
    assert told not in apply().lines
    # A key that may not look at metrics may still write monitors.
    there.percentiles = {}
    there.replies.extend([None, Reply(403)])
    assert told not in apply("--yes").lines
    assert MONITORS == len(there.monitors)


def test_the_second_run_writes_nothing(there: DatadogOrganisation) -> None:
    """What Datadog adds, orders or writes otherwise is no difference."""
    assert f"{MONITORS} written, 0 failed." == apply("--yes").lines[-1]
    assert MONITORS == len(there.monitors) == len(there.writes())
    composite = there.named("Tidegauge: HighErrorRate")
    parts = [there.monitors[int(number)] for number in composite["query"].split(" && ")]
    assert ["higherrorrate/value", "higherrorrate/before", "higherrorrate/events"] == [
        key_of(each["tags"]) for each in parts
    ]
    lines = apply("--yes").lines
    assert [f"{MONITORS} of {MONITORS} monitors are as they should be."] == lines[:-1]
    assert "0 written, 0 failed." == lines[-1]
    assert MONITORS == len(there.writes())


def test_the_diff_says_exactly_what_changes(there: DatadogOrganisation) -> None:
    """A new threshold, and what somebody changed by hand; nothing else is written."""
    apply("--yes")
    by_hand = there.named("Tidegauge: InputDrift")
    by_hand["priority"] = 1
    by_hand["options"]["thresholds"]["warning"] = 0.5
    by_hand["message"] = by_hand["message"].replace("has ended", "is over")
    there.asked.clear()
    words = ("--threshold", "DataDriftDetected=0.25")
    shown = apply(*words).lines
    number = there.named("Tidegauge: DataDriftDetected")["id"]
    query = there.named("Tidegauge: DataDriftDetected")["query"]
    start = shown.index(f"~ Tidegauge: DataDriftDetected (monitor {number})")
    assert [
        "    message: 1 lines become 1",
        *[line for line in shown if line.startswith("      - The last ")],
        *[line for line in shown if line.startswith("      + The last ")],
        f'    query: "{query}" -> "{query.replace("> 0.2", "> 0.25")}"',
        "    options.thresholds.critical: 0.2 -> 0.25",
        "    options.thresholds.critical_recovery: 0.15 -> 0.1875",
        f"~ Tidegauge: InputDrift (monitor {by_hand['id']})",
        "    message: 1 lines become 1",
        "      - InputDrift is over.",
        "      + InputDrift has ended.",
        "    priority: 1 -> 3",
        "    options.thresholds.warning: 0.5 -> nothing",
        f"{MONITORS - 2} of {MONITORS} monitors are as they should be.",
        "Nothing was changed: --yes does it.",
    ] == shown[start + 1 :]
    assert [] == there.writes()
    apply("--yes", *words)
    assert [("PUT", f"/api/v1/monitor/{number}"), ("PUT", f"/api/v1/monitor/{by_hand['id']}")] == [
        (each.method, each.path) for each in there.writes()
    ]
    assert 0.25 == there.named("Tidegauge: DataDriftDetected")["options"]["thresholds"]["critical"]
    assert "0 written, 0 failed." == apply("--yes", *words).lines[-1]


def test_monitors_of_others_are_not_touched(there: DatadogOrganisation) -> None:
    """Not even those that look like ours, or are ours for another filter; pages are many."""
    theirs = [there.add(name=f"theirs {number}") for number in range(230)]
    alike = there.add(name="Tidegauge: InputDrift", tags=["tidegauge-alert:inputdrift"])
    managed = there.add(name="by another tool", tags=["managed-by:tidegauge"])
    apply("--yes", "--filter", "env:staging")
    before = {number: dict(there.monitors[number]) for number in (*theirs, alike, managed)}
    staging = set(there.monitors) - set(before)
    apply("--yes", "--prune", "--filter", "env:prod")
    assert before == {number: there.monitors[number] for number in before}
    assert staging < set(there.monitors)
    assert 2 * MONITORS == len(there.monitors) - len(before)
    prod = [each for each in there.monitors.values() if "tidegauge-filter:env:prod" in each["tags"]]
    assert all("env:prod" in each["query"] for each in prod if each["type"] != "composite")
    assert any("pages" not in each.path and "id_offset=1" in each.path for each in there.asked)


def test_only_what_has_our_tags_is_ours() -> None:
    """Whatever Datadog lists: one of our tags alone is not enough; of two alike one goes."""
    tags = ["managed-by:tidegauge", "tidegauge-alert:inputdrift"]
    found = [
        {"id": 5, "name": "twice", "type": "query alert", "tags": tags},
        {"id": 4, "name": "alike", "type": "query alert", "tags": tags[1:]},
        {"id": 3, "name": "another tool's", "type": "query alert", "tags": tags[:1]},
        {"id": 2, "name": "ours", "type": "query alert", "tags": tags},
        {
            "id": 1,
            "name": "of prod",
            "type": "query alert",
            "tags": [*tags, "tidegauge-filter:env:prod"],
        },
    ]
    mine = ours(found, Scope())
    assert ["ours", "twice"] == [each["name"] for each in mine]
    wanted = [each for each in monitors(load().alerts).monitors if each.key == "inputdrift"]
    first, second = plan(wanted, mine)
    assert (Kind.UPDATE, 2) == (first.kind, first.number)
    assert (Kind.DELETE, 5) == (second.kind, second.number)


def test_what_is_no_longer_defined_goes_with_prune_alone(
    there: DatadogOrganisation, tmp_path: Path
) -> None:
    """A composite before its parts, for Datadog keeps what is referred to."""
    apply("--yes")
    file = tmp_path / "alerts.yaml"
    file.write_text("version: 1\nalerts:\n  - {name: HighErrorRate, enabled: false}\n")
    lines = apply("--yes", "--alerts", str(file)).lines
    gone = there.named("Tidegauge: HighErrorRate")["id"]
    left = f"? Tidegauge: HighErrorRate (monitor {gone}): not defined, --prune deletes it"
    assert left in lines
    assert MONITORS == len(there.monitors)
    there.asked.clear()
    apply("--yes", "--alerts", str(file), "--prune")
    assert f"/api/v1/monitor/{gone}" == there.writes()[0].path
    assert ["DELETE"] * 4 == [each.method for each in there.writes()]
    assert not any("HighErrorRate" in each["name"] for each in there.monitors.values())


def test_severities_that_were_not_asked_about_stay(
    there: DatadogOrganisation, tmp_path: Path
) -> None:
    """They are not gone: --prune leaves them."""
    apply("--yes")
    file = tmp_path / "alerts.yaml"
    off = "\n".join(
        f"  - {{name: {name}, enabled: false}}" for name in ("StreamDrift", "InputDrift")
    )
    file.write_text(f"version: 1\nalerts:\n{off}\n")
    lines = apply("--yes", "--prune", "--severity", "info", "--alerts", str(file)).lines
    assert "1 written, 0 failed." == lines[-1]
    assert MONITORS - 1 == len(there.monitors)
    assert not any("StreamDrift" in each["name"] for each in there.monitors.values())


def test_a_type_is_changed_with_prune_alone(there: DatadogOrganisation) -> None:
    """Datadog cannot change it: the monitor is made anew, or stays and that is said."""
    tags = ["managed-by:tidegauge", "tidegauge-alert:higherrorrate"]
    there.add(name="Tidegauge: HighErrorRate", tags=tags)
    lines = apply("--yes", status=1).lines
    said = "Tidegauge: HighErrorRate failed: its type would change; only --prune makes it anew"
    assert said in lines
    assert "query alert" == there.named("Tidegauge: HighErrorRate")["type"]
    apply("--yes", "--prune")
    assert "composite" == there.named("Tidegauge: HighErrorRate")["type"]


def test_an_alert_of_several_becomes_one_of_one(there: DatadogOrganisation) -> None:
    """Its parts go after what was made of them."""
    scope = Scope()
    said: list[str] = []
    (whole,) = [alert for alert in load().alerts if alert.name == "HighErrorRate"]
    plain = dataclasses.replace(whole, guard=None, for_s=0)
    api = Api(read(), sleep=lambda _: None)
    for definition in (whole, plain):
        wanted = monitors([definition]).monitors
        changes = look(api, wanted, scope)
        done = Writer(api, scope, prune=True, say=said.append).write(changes)
        assert [] == done.failed
        assert {each.key for each in wanted} == {
            key_of(each["tags"]) for each in there.monitors.values()
        }
    assert "! Tidegauge: HighErrorRate" in said
    assert "query alert" == there.named("Tidegauge: HighErrorRate")["type"]


def test_what_datadog_writes_otherwise_is_no_difference() -> None:
    """Its other word for a type, capital letters and the order of tags, and spaces."""
    (monitor,) = [each for each in monitors(load().alerts).monitors if each.key == "inputdrift"]
    there = {
        **monitor.body,
        "type": "metric alert",
        "tags": [each.title() for each in reversed(monitor.body["tags"])],
        "query": monitor.body["query"].replace(" by", "  by"),
        "message": monitor.body["message"] + "\n",
        "options": {**monitor.body["options"], "notify_audit": False, "timeout_h": None},
    }
    assert [] == list(differences(monitor.body, there))
    assert ["priority: nothing -> 3"] == list(
        differences(monitor.body, {**there, "priority": None})
    )


def test_a_failure_is_said_by_name_and_the_rest_goes_on(there: DatadogOrganisation) -> None:
    """What is made of the failed part fails too; the next run does what is missing."""
    refused = Reply(400, body=b'{"errors":["The value provided for parameter \'query\' is bad"]}')
    there.replies.extend([None, None, None, refused])
    lines = apply("--yes", status=1).lines
    assert (
        "Tidegauge: HighErrorRate, its part 'before' failed: 400: The value provided for parameter "
        "'query' is bad"
    ) in lines
    assert "Tidegauge: HighErrorRate failed: its part higherrorrate/before is not there" in lines
    assert f"{MONITORS - 2} written, 2 failed." == lines[-1]
    assert "2 written, 0 failed." == apply("--yes").lines[-1]


@pytest.mark.parametrize("status", [401, 403])
def test_keys_that_are_refused_are_one_clear_error(status: int, there: DatadogOrganisation) -> None:
    """Nothing else is tried, at the beginning or in the middle, and no key is shown."""
    forbidden = Reply(status, body=f'{{"errors":["no {KEY}"]}}'.encode())
    there.replies.append(forbidden)
    expected = f"got {status}: no (hidden); expected keys that may do this"
    with pytest.raises(CommandError, match=expected.replace("(", r"\(").replace(")", r"\)")):
        apply("--yes")
    assert 1 == len(there.asked)
    there.replies.extend([None, None, None, forbidden])
    with pytest.raises(CommandError, match="Look at DD_API_KEY, DD_APP_KEY and DD_SITE"):
        apply("--yes")
    assert [200, status] == [each.status for each in there.writes()][-2:]


def test_a_limit_is_waited_for_as_long_as_it_says(there: DatadogOrganisation) -> None:
    """Of 429 even what makes something is tried again: it was surely not made."""
    waits: list[float] = []
    api = Api(read(), sleep=waits.append)
    there.replies.extend([Reply(429, {"X-RateLimit-Reset": "7"}), Reply(503), None])
    assert [] == list(api.monitors(MANAGED))
    assert 7.0 == waits[0]
    assert 1.0 <= waits[1] <= 2.0
    there.replies.extend([BUSY, BUSY, BUSY, BUSY])
    with pytest.raises(ApiError, match=r"429: Too many requests, 4 times"):
        api.call("POST", "/api/v1/monitor", {}, makes=True)
    there.replies.append(BUSY)
    lines = apply("--yes").lines
    assert f"{MONITORS} written, 0 failed." == lines[-1]


def test_what_may_have_been_made_is_not_made_twice(
    there: DatadogOrganisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer was lost: that is said, and the next run finds it."""
    monkeypatch.setenv("TIDEGAUGE_DATADOG_TIMEOUT_S", "1")
    there.loses_answers = 1
    lines = apply("--yes", "--severity", "info", status=1).lines
    notes = [alert for alert in load().alerts if alert.severity == "info"]
    failure = f"Tidegauge: {notes[0].name} failed: no answer (timed out). It may have been made"
    assert any(line.startswith(failure) for line in lines)
    assert "0 written, 0 failed." == apply("--yes", "--severity", "info").lines[-1]
    assert len(monitors(notes).monitors) == len(there.monitors)


def test_answers_that_are_none_and_redirects() -> None:
    """Who answers something else is named; the key follows no redirect."""
    with DatadogOrganisation(KEY, APP_KEY) as there:
        access = Access(there.url, {"DD-API-KEY": KEY, "DD-APPLICATION-KEY": APP_KEY}, 50.0)
        api = Api(access, sleep=lambda _: None)
        there.replies.append(Reply(200, body=b"<html>hello"))
        with pytest.raises(ApiError, match="got '<html>hello'; expected JSON"):
            list(api.monitors(MANAGED))
        there.replies.append(Reply(200, body=b"{}"))
        with pytest.raises(ApiError, match="got no list of monitors"):
            list(api.monitors(MANAGED))
        there.replies.append(Reply(302, {"Location": there.url}, b""))
        with pytest.raises(ApiError, match="302: nothing"):
            list(api.monitors(MANAGED))
        assert 3 == len(there.asked)
        assert KEY not in repr(access)


def test_keys_come_from_files_too(
    there: DatadogOrganisation, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A file that is not there or holds something else is named, and what it holds is not."""
    monkeypatch.delenv("DD_API_KEY")
    monkeypatch.delenv("DD_APP_KEY")
    with pytest.raises(CommandError, match="DD_API_KEY: got nothing; expected a key of Datadog"):
        apply()
    api_key, app_key = tmp_path / "api", tmp_path / "app"
    monkeypatch.setenv("DD_API_KEY_FILE", str(api_key))
    monkeypatch.setenv("DD_APP_KEY_FILE", str(app_key))
    with pytest.raises(CommandError, match=r"DD_API_KEY_FILE: .*No such file"):
        apply()
    api_key.write_text(KEY + "\n")
    app_key.write_text("two words")
    with pytest.raises(CommandError, match="what it holds is no key") as caught:
        apply()
    assert "two words" not in str(caught.value)
    app_key.write_text(APP_KEY)
    apply()
    assert {200} == {each.status for each in there.asked}


def test_a_filter_that_is_no_tag_is_refused(there: DatadogOrganisation) -> None:
    """Before anything is asked."""
    with pytest.raises(CommandError, match="tag: got 'prod'; expected key:value"):
        apply("--filter", "prod")
    assert [] == there.asked


@pytest.mark.parametrize("takes_duplicates", [False, True])
def test_two_runs_at_once_leave_one_of_each(
    takes_duplicates: bool, there: DatadogOrganisation
) -> None:
    """Both saw nothing and make all; each takes back what the other made before."""
    there.takes_duplicates = takes_duplicates
    meet = threading.Barrier(2, timeout=50.0)

    class Slow(Api):
        """Lets both look before one writes."""

        first = True

        def call(
            self, method: str, path: str, body: object = None, *, makes: bool = False
        ) -> object:
            found = super().call(method, path, body, makes=makes)
            if self.first:
                self.first = False
                meet.wait()
            return found

    wanted, scope, access = monitors(load().alerts).monitors, Scope(), read()
    done: list[Done] = []
    said: list[str] = []

    def run() -> None:
        api = Slow(access, sleep=lambda _: None)
        changes = look(api, wanted, scope)
        done.append(Writer(api, scope, prune=False, say=said.append).write(changes))

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(50.0)
    assert 2 == len(done)
    assert [[], []] == [each.failed for each in done]
    assert sorted(each.key for each in wanted) == sorted(
        key_of(each["tags"]) for each in there.monitors.values()
    )
    assert "0 written, 0 failed." == apply("--yes").lines[-1]


def test_a_run_that_is_killed_is_gone_on_with(there: DatadogOrganisation) -> None:
    """What was made stays; the next run makes the rest, and nothing twice."""
    there.replies.extend([None] * 7 + [Reply(hangs=True)])
    words = [sys.executable, "-m", "tidegauge_distro", "rules", "apply", "datadog", "--yes"]
    process = subprocess.Popen(
        words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        wait_until(lambda: len(there.asked) == 8 or None, "a request that hangs", 60.0)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(60.0)
    assert 5 == len(there.monitors)
    assert f"{MONITORS - 5} written, 0 failed." == apply("--yes").lines[-1]
    assert MONITORS == len(there.monitors)

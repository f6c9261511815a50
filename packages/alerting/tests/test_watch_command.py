"""The commands as a user runs them, and as processes that are ended and killed."""

from __future__ import annotations

import os
import re
import shlex
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tidegauge.command import CommandError
from tidegauge_alerting import Severity, load
from tidegauge_alerting.watch.command import TEST, WATCH
from tidegauge_testkit.alert_receivers import AlertReceiver
from tidegauge_testkit.backends import Process, free_port
from tidegauge_testkit.backends.loopback_server import LoopbackServer, Reply
from tidegauge_testkit.contracts import commands
from tidegauge_testkit.contracts.commands import Recorder

LIMIT_S = 60.0
DRIFT = 'drift_detected{model_name="fraud",family="outputs",window="1d"} '
KEY = "0123456789abcdef0123456789abcdef"


class Service(LoopbackServer):
    """A target whose model drifts or not."""

    def __init__(self) -> None:
        self.drifts = 0
        super().__init__(lambda _: Reply(200, body=f"{DRIFT}{self.drifts}\n".encode()))


@pytest.fixture
def service() -> Iterator[Service]:
    """Serve a target."""
    with Service() as served:
        yield served


@pytest.fixture
def receiver() -> Iterator[AlertReceiver]:
    """Serve a webhook."""
    with AlertReceiver("webhook") as served:
        yield served


@pytest.fixture
def file(tmp_path: Path, receiver: AlertReceiver) -> Path:
    """Write a file with one channel for all."""
    path = tmp_path / "alerts.yaml"
    path.write_text(
        "version: 1\n"
        f"channels: {{hook: {{type: webhook, address: '{receiver.url}'}}}}\n"
        "routes: {critical: [hook], warning: [hook], info: [hook]}\n"
    )
    return path


def once(service: Service, file: Path, *words: str) -> Recorder:
    """Look once."""
    state = file.parent / "state"
    return commands.run(
        "alerts watch", "--once", "--url", service.url, "--alerts", file, "--state", state, *words
    )


def test_once_tells_by_its_status(service: Service, receiver: AlertReceiver, file: Path) -> None:
    """0 where nothing fires, 1 where something does; what was said is not said again."""
    assert 0 == once(service, file).status
    service.drifts = 1
    for _ in range(3):
        assert 1 == once(service, file).status
    service.drifts = 0
    quiet = once(service, file)
    assert 0 == quiet.status
    assert "Nothing fires." == quiet.lines[-1]
    assert ["firing"] == [body["status"] for body in receiver.taken()]  # the end: in five minutes
    assert [] == receiver.faults


def test_once_shows_what_fires_and_what_it_cannot_judge(service: Service, file: Path) -> None:
    """Windows need older samples, and that is said."""
    service.drifts = 1
    lines = once(service, file).lines
    assert lines[0].startswith("Looking at 1 target for ")
    assert " to hook." in lines[0]
    shown = "ModelDrift family='outputs', instance="
    assert [True] == [f"fires {shown}" in line for line in lines if "ModelDrift f" in line]
    assert lines[-1].startswith("Not judged yet, for want of older samples: HighErrorRate, ")


def test_a_dry_run_sends_and_keeps_nothing(
    service: Service, receiver: AlertReceiver, file: Path
) -> None:
    """What would be sent is shown."""
    service.drifts = 1
    found = once(service, file, "--dry-run")
    assert 1 == found.status
    assert ("would send: [CRITICAL] ModelDrift: Drift in the outputs of fraud") in found.lines
    assert [] == receiver.posted
    assert not (file.parent / "state").exists()


def test_no_target_that_answers_is_no_success(file: Path, tmp_path: Path) -> None:
    """Nothing was judged: that is not the same as nothing fires."""
    url = f"http://127.0.0.1:{free_port()}/metrics"
    with pytest.raises(CommandError, match="no target answers: nothing could be judged"):
        commands.run(
            "alerts watch", "--once", "--url", url, "--alerts", file, "--state", tmp_path / "s"
        )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--interval", "1h"], "--interval: got '1h'; expected 1s to 150s. For example: 15s."),
        (["--interval", "0s"], "--interval: got '0s'; expected 1s to 150s. For example: 15s."),
        (
            ["--url", "ftp://bob:hunter2@a/metrics"],
            "--url: got 'ftp://(hidden)@a/metrics'; expected an http or https address. "
            "For example: http://127.0.0.1:9464/metrics.",
        ),
        (
            ["--url", "http://a/metrics", "--url", "http://a"],
            "--url: got 'http://a/metrics' twice; expected each target once. Leave one out.",
        ),
    ],
)
def test_a_wrong_option_is_one_clear_line(words: list[str], message: str, tmp_path: Path) -> None:
    """An error names the option, what it got and what it takes; nothing is written."""
    with pytest.raises(CommandError) as caught:
        commands.run("alerts watch", "--state", tmp_path / "state", *words)
    assert message == str(caught.value)
    assert [] == list(tmp_path.iterdir())


def test_a_file_that_is_not_there_is_one_clear_line(tmp_path: Path) -> None:
    """A name that was given is never taken for none."""
    with pytest.raises(CommandError, match=r"missing\.yaml"):
        commands.run("alerts watch", "--alerts", tmp_path / "missing.yaml")


def test_a_channel_can_be_tried(
    receiver: AlertReceiver, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One notice of its own name; an incident is closed at once; a refusal is one line."""
    with AlertReceiver("pagerduty") as pager:
        monkeypatch.setenv("ROUTING", KEY)
        text = file.read_text()
        entry = f"pd: {{type: pagerduty, routing_key_env: ROUTING, address: '{pager.url}'}}"
        file.write_text(text.replace("{hook:", f"{{{entry}, hook:"))
        assert ["hook: took a test notice."] == (
            commands.run("alerts test", "hook", "--alerts", file).lines
        )
        commands.run("alerts test", "pd", "--alerts", file)
        actions = [body["event_action"] for body in pager.taken()]
        assert ["trigger", "resolve"] == actions
    (body,) = receiver.taken()
    assert "TidegaugeTest" == body["groupLabels"]["alertname"]
    receiver.replies.append(Reply(403))
    with pytest.raises(CommandError) as caught:
        commands.run("alerts test", "hook", "--alerts", file)
    assert str(caught.value) == (
        "hook: got status 403; expected it to take a test notice. Correct the channel's address "
        "or secret."
    )
    with pytest.raises(CommandError, match="got 'ml'; expected one of pd, hook"):
        commands.run("alerts test", "ml", "--alerts", file)


@pytest.mark.parametrize("command", [WATCH, TEST])
def test_the_example_can_be_parsed(command: object) -> None:
    """The command line that --help shows is one."""
    from argparse import ArgumentParser

    from tidegauge.command import Command

    assert isinstance(command, Command)
    parser = ArgumentParser()
    command.arguments(parser)
    parser.parse_args(shlex.split(command.example)[3:])


def test_the_file_of_the_page_is_one(tmp_path: Path) -> None:
    """The example of the docs has each kind of channel, and a route for each severity."""
    page = Path(__file__).parents[3] / "docs" / "how-to" / "alerts-without-a-backend.md"
    (text,) = re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL)
    (tmp_path / "alerts.yaml").write_text(text)
    found = load(tmp_path / "alerts.yaml")
    assert {"email", "pagerduty", "slack", "webhook"} == {each.kind for each in found.channels}
    assert set(Severity) == set(found.routes)


class Watching(Process):
    """``tidegauge alerts watch`` as a process."""

    name = "watch"

    def __init__(self, service: Service, file: Path) -> None:
        command = [sys.executable, "-m", "tidegauge_distro", "alerts", "watch", "--interval", "1s"]
        state = str(file.parent / "state")
        super().__init__(
            [*command, "--url", service.url, "--alerts", str(file), "--state", state],
            file.parent,
            environment={**os.environ, "PYTHONUNBUFFERED": "1"},
        )


@pytest.mark.backends  # needs no service, but long
def test_killed_and_started_again(service: Service, receiver: AlertReceiver, file: Path) -> None:
    """SIGKILL while an alert fires: the next process repeats nothing; SIGTERM ends it with 0."""
    service.drifts = 1
    with Watching(service, file) as first:
        receiver.wait_for(1)
        first.wait_for(lambda: '"hook": []' in state(file), "the state", LIMIT_S)
        first.signal(signal.SIGKILL)
        first.wait_exit(LIMIT_S)
    with Watching(service, file) as second:
        second.wait_for(lambda: second.output().count("Watching") == 2, "its start", LIMIT_S)
        service.drifts = 0
        second.wait_for(lambda: "ended ModelDrift" in second.output(), "the end", LIMIT_S)
        assert 0 == second.terminate()
    assert 1 == second.output().count("fires ModelDrift")
    assert second.output().endswith("Stopped.\n")
    assert ["firing"] == [body["status"] for body in receiver.taken()]
    assert '"ends_s": 1' in state(file)  # to be said when five minutes are over


def state(file: Path) -> str:
    """Return what a watcher has written down."""
    path = file.parent / "state" / "alerts-watch.json"
    return path.read_text() if path.exists() else ""


@pytest.mark.backends
def test_interrupted_while_a_channel_hangs(
    service: Service, receiver: AlertReceiver, file: Path
) -> None:
    """Ctrl-C ends it within its limit; what was not sent is kept and said so."""
    service.drifts = 1
    receiver.replies.append(Reply(hangs=True))
    with Watching(service, file) as watching:
        watching.wait_for(lambda: bool(receiver.posted), "the attempt that hangs", LIMIT_S)
        watching.signal(signal.SIGINT)
        assert 0 == watching.wait_exit(LIMIT_S)
    assert "Stopped. 1 notice is kept for the next run.\n" in watching.output()
    once(service, file)
    assert ["firing"] == [body["status"] for body in receiver.taken()]

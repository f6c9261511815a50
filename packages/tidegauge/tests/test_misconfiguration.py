"""What is set up wrongly reaches sinks and logs once a launch, from the background."""

from __future__ import annotations

import logging
import resource
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tidegauge import announce, guard, misconfiguration
from tidegauge.configuration import CoreSettings
from tidegauge.events import ConfigurationError, Event
from tidegauge.log_events import LogEvents
from tidegauge.misconfiguration import MAX_CAUSES, misconfigured, note
from tidegauge.plugins import load_processors
from tidegauge.runtime import read_settings, shared
from tidegauge.settings import SettingError, load
from tidegauge_semconv.events import CONFIGURATION_ERROR

LOGGER = logging.getLogger("tidegauge")


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Event]]:
    """Be the only sink; return what it is told."""

    class Sink:
        def on_event(self, event: Event) -> None:
            found.append(event)

    found: list[Event] = []
    monkeypatch.setattr(announce, "_sinks", [Sink()])
    for module in (guard, misconfiguration):
        module.reset()
    yield found
    for module in (guard, misconfiguration):
        module.reset()


def _texts(told: list[Event]) -> list[str]:
    return [event.message for event in told if isinstance(event, ConfigurationError)]


def test_it_is_logged_at_once_and_sent_once(
    told: list[Event], caplog: pytest.LogCaptureFixture
) -> None:
    """Each line in the log; of a message that comes again one event."""
    before_s = time.time()
    for _ in range(2):
        misconfigured(LOGGER, "X", "X: got 1. Correct it.")
    note("Y", "Y: got 2.")
    assert told == []
    announce.announce_misconfigurations()
    announce.announce_misconfigurations()

    assert ["X: got 1. Correct it."] * 2 == [record.getMessage() for record in caplog.records]
    assert ["X: got 1. Correct it.", "Y: got 2."] == _texts(told)
    (first, _) = told
    assert isinstance(first, ConfigurationError)
    assert (first.subject, before_s <= first.at_s <= time.time()) == ("X", True)


def test_what_is_wrong_is_counted_once_a_message(told: list[Event]) -> None:
    """Whoever has no sink for events has an alert on `tidegauge.errors`."""
    for _ in range(3):
        misconfigured(LOGGER, "X", "X: got 1. Correct it.")
    note("Y", "Y: got 2.")
    assert told == []
    assert {"configuration": 2} == guard.counts()


def test_a_wrong_setting_of_the_core_is_sent_by_the_background(
    told: list[Event], core: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found at the start, where nothing may wait; a secret's value is in no event."""
    monkeypatch.setenv("TIDEGAUGE_BUFFER_BYTES", "much")
    monkeypatch.setattr("tidegauge.runtime._UNREAD", shared.settings)
    read_settings()
    assert told == []
    core.use([]).hand_over(1.0)
    (event,) = told

    assert isinstance(event, ConfigurationError)
    assert event.subject == "TIDEGAUGE_BUFFER_BYTES"
    assert event.message.startswith("TIDEGAUGE_BUFFER_BYTES: got 'much' from the environment;")
    assert event.message.endswith("Its default is in force.")
    assert shared.settings.buffer_bytes == CoreSettings().buffer_bytes


def test_the_thread_sends_it(threaded: Any, told: list[Event]) -> None:
    """Within a second or so of the first prediction."""
    misconfigured(LOGGER, "X", "X: got 1.")
    threaded.pipeline.start()
    deadline = time.monotonic() + 30
    while not told and time.monotonic() < deadline:
        time.sleep(0.01)

    assert _texts(told) == ["X: got 1."]


def test_a_launch_sends_it_once_whoever_leads(told: list[Event], several: Any) -> None:
    """All processes find the same; a successor sends only what its predecessor has not."""
    first, second = several.process(), several.process()
    for turn in range(3):
        first.tick(float(turn))
        second.tick(float(turn))
    assert (first.leads, second.leads) == (True, False)
    for group, messages in ((second, ("X: got 1.", "Z: got 3.")), (first, ("X: got 1.",))):
        several.be(group)
        misconfiguration.reset()
        for message in messages:
            note("X", message)
        announce.announce_misconfigurations()
    assert ["X: got 1."] == _texts(told)
    several.die(first)
    several.be(second)
    misconfiguration.reset()
    for message in ("X: got 1.", "Z: got 3."):
        note("X", message)
    for turn in range(3, 60):
        second.tick(float(turn))
        announce.announce_misconfigurations()

    assert second.leads
    assert ["X: got 1.", "Z: got 3."] == _texts(told)


def test_the_launcher_does_not_repeat_what_its_workers_have_sent(
    told: list[Event], several: Any
) -> None:
    """It has read the same settings, predicts nothing, and ends after all of them."""
    worker = several.process()
    for turn in range(3):
        worker.tick(float(turn))
    for group in (worker, several.process(predicts=False)):
        several.be(group)
        misconfiguration.reset()
        note("X", "X: got 1.")
        announce.announce_misconfigurations()

    assert (True, False) == (worker.leads, group.member)
    assert ["X: got 1."] == _texts(told)


def test_what_cannot_be_kept_is_sent_later(told: list[Event], several: Any) -> None:
    """Else the next leader would send it again; it waits until there is room."""
    leader = several.be(several.process())
    for turn in range(3):
        leader.tick(float(turn))
    note("X", "X: got 1.")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        announce.announce_misconfigurations()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [] == _texts(told)
    announce.announce_misconfigurations()
    assert ["X: got 1."] == _texts(told)


def test_what_comes_before_the_sinks_can_be_found_waits(
    told: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too many files are open, for one."""

    def unfound() -> list[Any]:
        raise OSError(24, "Too many open files")

    note("X", "X: got 1.")
    with monkeypatch.context() as starved:
        starved.setattr(announce, "_sinks", None)
        starved.setattr(announce, "load_event_sinks", unfound)
        with pytest.raises(OSError, match="Too many"):
            announce.announce_misconfigurations()
    announce.announce_misconfigurations()
    assert ["X: got 1."] == _texts(told)


@pytest.mark.parametrize("written", [b"7", b"[", b"\xff"])
def test_what_another_release_kept_is_no_obstacle(
    told: list[Event], several: Any, written: bytes
) -> None:
    """It is as if nothing had been sent."""
    leader = several.be(several.process())
    for turn in range(3):
        leader.tick(float(turn))
    assert leader.keep(announce._SENT, written)
    note("X", "X: got 1.")
    announce.announce_misconfigurations()
    assert ["X: got 1."] == _texts(told)


def test_a_plugin_that_cannot_be_built_is_one(
    told: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its name, with what depends on it."""

    class Broken:
        name, value = "broken", "somewhere:Broken"

        def load(self) -> Callable[[], None]:
            raise ImportError("no such module")

    monkeypatch.setattr("tidegauge.plugins.entry_points", lambda **_: [Broken()])
    assert [] == load_processors()
    announce.announce_misconfigurations()

    assert [
        "tidegauge_processor plugin 'broken' (somewhere:Broken) could not be loaded: ImportError: "
        "no such module. Repair or uninstall its package."
    ] == _texts(told)


def test_causes_are_limited(told: list[Event]) -> None:
    """A message that changes each time does not fill the memory."""
    for i in range(MAX_CAUSES + 50):
        note("X", f"X: got {i}.")
    announce.announce_misconfigurations()

    assert MAX_CAUSES == len(told)


def test_a_setting_names_itself() -> None:
    """The message begins with the variable."""
    with pytest.raises(SettingError) as raised:
        load(CoreSettings, {"TIDEGAUGE_CPU_BUDGET_PERCENT": "x"})

    assert raised.value.subject == "TIDEGAUGE_CPU_BUDGET_PERCENT"


def test_it_is_a_log_record_with_the_events_name(logs: Any) -> None:
    """An ERROR with the line as its body and the subject as its attribute."""
    LogEvents().on_event(ConfigurationError("X", "X: got 1.", 1_700_000_000.5))
    (found,) = logs.finished()
    record = found.log_record
    attributes = dict(record.attributes)
    name = getattr(record, "event_name", "") or attributes.pop("event.name")

    assert "tidegauge.configuration.error" == name == CONFIGURATION_ERROR.name
    assert ("ERROR", "X: got 1.") == (record.severity_text, record.body)
    assert record.timestamp == 1_700_000_000_500_000_000
    assert {"subject": "X"} == {key: attributes[key] for key in CONFIGURATION_ERROR.attributes}

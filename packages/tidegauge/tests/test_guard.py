"""The guard: it logs once a cause, counts every time, and lets through what is not ours to stop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest
from tidegauge import guard

pytestmark = pytest.mark.usefixtures("core")


def test_a_fault_is_logged_once_a_cause_and_counted_always(
    warnings_of: Callable[[], list[str]],
) -> None:
    """A thousand faults are one line."""
    for _ in range(1000):
        guard.fault("drift.pane", ValueError("row 17: 42.0"))
    guard.fault("drift.pane", TypeError())
    guard.fault("group.lock", advice="Make the folder writable.")
    assert [
        "drift.pane:ValueError: Tidegauge met a fault and went on; the app is not affected. "
        "Further ones are counted in tidegauge.errors, not logged.",
        "drift.pane:TypeError: Tidegauge met a fault and went on; the app is not affected. "
        "Further ones are counted in tidegauge.errors, not logged.",
        "group.lock: Tidegauge met a fault and went on; the app is not affected. "
        "Make the folder writable. Further ones are counted in tidegauge.errors, not logged.",
    ] == warnings_of()
    expected = {"drift.pane:ValueError": 1000, "drift.pane:TypeError": 1, "group.lock": 1}
    assert expected == guard.counts()


def test_the_text_of_an_error_is_for_debug_only(caplog: pytest.LogCaptureFixture) -> None:
    """It may hold data."""
    caplog.set_level(logging.DEBUG, "tidegauge")
    guard.fault("drift.pane", ValueError("secret row"))
    guard.once("other", "Said %s.", "so", error=ValueError("secret row"))
    levels = {record.levelname for record in caplog.records if record.exc_info}
    shown = [r.getMessage() for r in caplog.records if r.levelno > logging.DEBUG]
    assert {"DEBUG"} == levels
    assert not [line for line in shown if "secret" in line]


@pytest.fixture
def raising(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the app's handler of the log raise."""

    class Broken(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise OSError(record.levelname)

    monkeypatch.setattr(logging.getLogger("tidegauge"), "handlers", [Broken()])


@pytest.mark.usefixtures("raising")
def test_a_log_that_raises_stops_nothing() -> None:
    """Handlers and filters are the app's: a broken one must not end its predictions."""
    guard.fault("hook", LookupError())
    guard.once("said", "Said %s.", "so", error=ValueError())
    guard.once("said", "Said %s.", "so")
    counts = guard.counts()
    assert counts.pop("log") >= 2
    assert {"hook:LookupError": 1, "said": 2} == counts


@pytest.mark.usefixtures("raising")
def test_a_call_counts_where_the_log_raises(core: Any) -> None:
    """It was answered: who asked gets the answer, whatever became of our line in the log."""

    class Hostile:
        def __len__(self) -> int:
            raise ValueError

    given = Hostile()
    assert given is core.model().predict(given)
    core.pipeline.flush()
    ((_, counts),) = core.pipeline.tally.calls.items()
    assert 1 == counts.success


def test_causes_are_bounded() -> None:
    """Whatever a plugin makes up as causes, memory and series stay bounded."""
    for i in range(1000):
        guard.fault(f"made.up.{i}")
    for i in range(10):
        guard.once(f"said.{i}", "x")
    assert (201, 810) == (len(guard.counts()), guard.counts()["other"])


def test_guarded_swallows_exceptions_and_goes_on() -> None:
    """The block ends, the code after it runs."""

    def hook() -> None:
        with guard.guarded("hook"):
            raise LookupError

    hook()
    assert {"hook:LookupError": 1} == guard.counts()


def test_guarded_is_silent_when_all_is_well() -> None:
    """Nothing is counted."""
    with guard.guarded("hook"):
        pass
    assert {} == guard.counts()


@pytest.mark.parametrize(
    "kind", [KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError, BaseException]
)
def test_guarded_lets_through_what_ends_a_program(kind: type[BaseException]) -> None:
    """A stop or a cancellation is not a fault of ours: it goes on to whom it is for."""
    with pytest.raises(kind), guard.guarded("hook"):
        raise kind
    assert {} == guard.counts()


def test_counts_are_a_copy() -> None:
    """A reader cannot change them."""
    guard.counts()["x"] = 1
    assert {} == guard.counts()

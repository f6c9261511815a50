"""What the tests share: an intake and its API, and no setting of whoever runs the tests."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tidegauge import guard, misconfiguration, unsent
from tidegauge_exporter_datadog.intake import Intake
from tidegauge_exporter_datadog.post import Destination
from tidegauge_testkit.datadog_intake import DatadogIntake

KEY = "0123456789abcdef0123456789abcdef"
# So long a hang that a test which waits for it fails.
HANG_S = 50.0
MakeIntake = Callable[..., Intake]


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    proxies = ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")
    for name in list(os.environ):
        if name.startswith("DD_") or name in proxies:
            monkeypatch.delenv(name)


@pytest.fixture
def api() -> Iterator[DatadogIntake]:
    """Serve what answers as Datadog's API; at the end nothing was wrong with what it got."""
    with DatadogIntake() as served:
        yield served
    assert [] == served.faults


@pytest.fixture
def make(from_zero: list[Intake]) -> Iterator[MakeIntake]:
    """Make intakes that wait for hundredths of a second, and close them after the test."""
    made = from_zero

    def intake(url: str, **options: Any) -> Intake:
        options = {"host": "box", "first_wait_s": 0.02, "timeout_s": HANG_S, **options}
        made.append(Intake(Destination(url, KEY), **options))
        return made[-1]

    yield intake
    for each in made:
        each.close(0.0)


@pytest.fixture(autouse=True)
def from_zero() -> Iterator[list[Intake]]:
    """Let every test count from zero; what an intake of the test loses at its end is its own."""
    made: list[Intake] = []
    for module in (guard, unsent, misconfiguration):
        module.reset()
    yield made
    for each in made:
        # The API is gone by now, and with it what hung.
        if each._thread is not None:
            each._thread.join(HANG_S / 2)
    for module in (guard, unsent, misconfiguration):
        module.reset()


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Callable[..., list[str]]:
    """Return what was logged at a level."""
    caplog.set_level(logging.DEBUG)

    def lines(level: int) -> list[str]:
        return [each.getMessage() for each in caplog.records if each.levelno == level]

    return lines

"""The end of a process in its group, with the group's files and without its readers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tidegauge import leave
from tidegauge.group import Group, locks
from tidegauge.group.launch import detect

pytestmark = pytest.mark.skipif(not locks.AVAILABLE, reason="the system has no flock")


@pytest.fixture
def group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Group]:
    """Return the group of this process, a child that has just predicted for the first time."""
    monkeypatch.setattr("tidegauge.group.group._LAUNCHER_FIRST_S", 0.0)
    monkeypatch.setattr(leave, "_left", 0)
    made = Group(replace(detect({}), child=True), tmp_path)
    made.predicts = made.attached = True
    yield made
    made._descriptors.abandon()


def test_a_process_that_ends_at_once_does_the_leaders_work_if_nobody_does(
    core: Any, group: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers may all live for less than a second: between two ticks of the background."""
    monkeypatch.setattr("tidegauge.group.group._current", group)
    led: list[bool] = []
    monkeypatch.setattr(core.recorder, "on_leave", lambda _: led.append(group.leads))
    assert leave._leave(time.monotonic() + 5)

    assert [True] == led
    assert not group.leads

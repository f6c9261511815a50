"""What the tests share: batches, and no setting of whoever runs the tests."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tidegauge import guard, leave, misconfiguration, pipeline, unsent

# Before any test imports whylogs: it reports each import to its makers.
os.environ.setdefault("WHYLOGS_NO_ANALYTICS", "1")


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("WHYLABS_", "AWS_", "TIDEGAUGE_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _from_zero() -> Iterator[None]:
    """Let every test count from zero, and leave nothing that a process does at its start or end."""
    for module in (guard, unsent, misconfiguration):
        module.reset()
    before = [(work, list(work)) for work in (pipeline.at_start, leave.before_exit)]
    yield
    for work, then in before:
        work[:] = then
    for module in (guard, unsent, misconfiguration):
        module.reset()


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Callable[..., list[str]]:
    """Return what was logged at a level."""
    caplog.set_level(logging.DEBUG)

    def lines(level: int) -> list[str]:
        return [each.getMessage() for each in caplog.records if each.levelno == level]

    return lines


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder for profiles that nobody has made yet."""
    return tmp_path / "profiles"

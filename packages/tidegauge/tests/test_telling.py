"""What the background thread does outside of its lock."""

from __future__ import annotations

from typing import Any

import pytest
from tidegauge import guard
from tidegauge.runtime import shared


def test_a_clock_that_raises_does_not_end_the_thread(
    core: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What processors would have told comes later; the fault is counted."""

    def broken() -> float:
        raise OSError

    monkeypatch.setattr(shared, "clock", broken)
    before = guard.counts().get("tell.processors:OSError", 0)
    core.pipeline._tell()
    assert guard.counts()["tell.processors:OSError"] == before + 1

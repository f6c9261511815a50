"""Each loss is told of once, whatever else there was to say."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
from tidegauge import unsent
from tidegauge.quiet import QUIET_S
from tidegauge_exporter_whylabs.losses import Losses

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _from_zero() -> Iterator[None]:
    unsent.reset()
    yield
    unsent.reset()


def test_a_loss_behind_another_line_is_in_the_next(caplog: pytest.LogCaptureFixture) -> None:
    """An outage was said first; the end of the process waits for no minute."""
    caplog.set_level(logging.WARNING)
    now = [0.0]
    losses = Losses(lambda: now[0])
    losses.waits("s3://bucket", "HTTP 503", 1.0)
    losses.lost(3, "full")
    losses.lost(2, "full")
    losses.catch_up()
    assert 1 == len(caplog.messages)
    now[0] = QUIET_S
    losses.waits("s3://bucket", "HTTP 503", 1.0)
    losses.lost(7, "ended")
    losses.catch_up(now=True)
    losses.catch_up(now=True)

    first, second, third = caplog.messages
    assert "lost" not in first
    assert second.startswith("WhyLabs profiles: got HTTP 503 from s3://bucket;")
    assert "the app is not affected. 5 profiles are lost: more wait than" in second
    assert third.startswith("WhyLabs profiles: 7 rows are not profiled: the process has ended")
    assert {"whylabs.full": 5, "whylabs.ended": 7} == unsent.counts()

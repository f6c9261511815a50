from __future__ import annotations

import math

import pytest
from tidegauge_alerting.watch.words import duration, moment, one_line, percent


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0s"), (1, "1s"), (1.5, "1.5s"), (1234567, "14d 6h 56m 7s"), (60, "1m 0s"),
        (3600, "1h 0m 0s"), (86400, "1d 0h 0m 0s"), (90000, "1d 1h 0m 0s"),
        (-183845, "-2d 3h 4m 5s"), (899.99, "14m 59s"), (0.1, "100ms"), (0.0001, "100us"),
        (0.123456, "123.5ms"), (-0.0005, "-500us"), (1e-9, "1ns"), (math.inf, "inf"),
    ],
)  # fmt: skip
def test_a_time_reads_as_in_prometheus(seconds: float, shown: str) -> None:
    """The values are those of Prometheus's own humanizeDuration."""
    assert shown == duration(seconds)


@pytest.mark.parametrize(("share", "shown"), [(0.1, "10%"), (0.05437, "5.437%"), (1, "100%")])
def test_a_share_reads_as_in_prometheus(share: float, shown: str) -> None:
    """The values are those of Prometheus's own humanizePercentage."""
    assert shown == percent(share)


def test_a_text_is_one_line() -> None:
    """Whatever the value of a label holds, it does not begin a line of its own."""
    assert "a b c d" == one_line("a\nb\r\nc\x1b\u2028d", 20)
    assert "abc…" == one_line("abcdef", 4)


def test_a_moment_is_in_utc() -> None:
    """Receivers read RFC 3339."""
    assert "2023-11-14T22:13:20.500Z" == moment(1_700_000_000.5)

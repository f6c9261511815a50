"""A line a minute at most."""

from __future__ import annotations

from tidegauge.quiet import QUIET_S, Quiet


def test_a_line_may_follow_after_a_minute() -> None:
    """And not before."""
    times = iter([0.0, QUIET_S - 0.1, QUIET_S, QUIET_S + 1])
    quiet = Quiet(lambda: next(times))
    assert [True, False, True, False] == [quiet.ends() for _ in range(4)]

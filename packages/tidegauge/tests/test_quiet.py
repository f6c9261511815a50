"""A line a minute at most."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from tidegauge.quiet import QUIET_S, Quiet, Unsaid


def test_a_line_may_follow_after_a_minute() -> None:
    """And not before."""
    times = iter([0.0, QUIET_S - 0.1, QUIET_S, QUIET_S + 1])
    quiet = Quiet(lambda: next(times))
    assert [True, False, True, False] == [quiet.ends() for _ in range(4)]


def test_what_comes_too_early_for_a_line_is_in_the_next_one() -> None:
    """Whatever the line between was about: nothing is forgotten, and nothing told twice."""
    now = [0.0]
    unsaid = Unsaid(lambda: now[0])
    assert {} == unsaid.take_left()  # nothing to tell of: no minute begins
    assert {} == unsaid.take()
    unsaid.add(3, "full")
    unsaid.add(1, "expired")
    unsaid.add(2, "full")
    assert ({}, None) == (unsaid.take_left(), unsaid.take())
    now[0] = QUIET_S
    assert {"full": 5, "expired": 1} == unsaid.take()
    unsaid.add(1, "closed")
    assert {} == unsaid.take_left()
    assert {"closed": 1} == unsaid.take_left(now=True)
    assert {} == unsaid.take_left(now=True)


@given(
    st.lists(
        st.tuples(st.floats(0, 100), st.integers(1, 9), st.sampled_from("ab"), st.booleans()),
        max_size=30,
    )
)
def test_every_loss_is_told_of_once(steps: list[tuple[float, int, str, bool]]) -> None:
    """In any order of losses and other lines, and no two lines are within a minute."""
    now = [0.0]
    unsaid = Unsaid(lambda: now[0])
    lost, told, lines = dict.fromkeys("ab", 0), dict.fromkeys("ab", 0), []
    for passed_s, number, reason, is_loss in steps:
        now[0] += passed_s
        if is_loss:
            unsaid.add(number, reason)
            lost[reason] += number
        line = unsaid.take_left() or None if is_loss else unsaid.take()
        if line is not None:
            lines.append(now[0])
            for each, count in line.items():
                told[each] += count
    for each, count in unsaid.take_left(now=True).items():
        told[each] += count
    assert lost == told
    assert all(late >= early + QUIET_S for early, late in pairwise(lines))

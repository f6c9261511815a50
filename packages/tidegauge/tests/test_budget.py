"""The budget: thinning by powers of two, after two periods, and back again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from tidegauge.budget import PERIOD_S, Budget
from tidegauge.configuration import CoreSettings

SETTINGS = CoreSettings(cpu_budget_percent=2.0, buffer_bytes=100_000)
ALLOWED_S = PERIOD_S * 0.02


def strides(spent: list[float], start: int = 0) -> list[int]:
    """Return the stride after each period in which so many seconds were spent."""
    budget = Budget()
    found = [budget.stride(start * PERIOD_S, 0, SETTINGS)]
    for i, seconds in enumerate(spent, start + 1):
        budget.spent(seconds)
        found.append(budget.stride(i * PERIOD_S, 0, SETTINGS))
    return found[1:]


def test_one_busy_period_thins_nothing() -> None:
    """It may have held a lazy import."""
    assert [1, 1, 1] == strides([50 * ALLOWED_S, 0, 0])


def test_the_first_look_ends_no_period() -> None:
    """What the first drain took is a part of the first period, not one of its own."""
    budget = Budget()
    budget.spent(50 * ALLOWED_S)
    found = [budget.stride(0.0, 0, SETTINGS), budget.stride(PERIOD_S, 0, SETTINGS)]
    budget.spent(4 * ALLOWED_S)
    found.append(budget.stride(2 * PERIOD_S, 0, SETTINGS))
    assert [1, 1, 4] == found


def test_two_busy_periods_thin_by_the_smaller_excess() -> None:
    """Three times the budget needs a stride of four."""
    assert [1, 4] == strides([3 * ALLOWED_S, 5 * ALLOWED_S])


def test_thinning_relaxes_by_halves_when_the_work_is_light() -> None:
    """Not at once, or the rate would swing."""
    light, middle = 0.3 * ALLOWED_S, 0.8 * ALLOWED_S
    assert [1, 4, 4, 2, 1, 1] == strides([4 * ALLOWED_S] * 2 + [middle] + [light] * 3)


@given(st.lists(st.floats(0, 10), max_size=30))
def test_strides_are_powers_of_two_within_bounds(spent: list[float]) -> None:
    """Whatever the work was."""
    for stride in strides(spent):
        assert 1 <= stride <= 4096
        assert not stride & (stride - 1)


def test_the_stride_changes_at_the_end_of_a_period_only() -> None:
    """All rows of a pane were thinned alike."""
    budget = Budget()
    for i in range(3):
        budget.spent(4 * ALLOWED_S)
        last = budget.stride(i * PERIOD_S, 0, SETTINGS)
    budget.spent(100.0)
    assert {last} == {budget.stride(2 * PERIOD_S + t, 0, SETTINGS) for t in (0.1, 5.0, 9.999)}


def test_a_full_buffer_takes_no_rows_until_it_is_half_empty() -> None:
    """Bytes above the limit turn rows off; counts go on elsewhere."""
    budget = Budget()
    found = [
        budget.stride(0, size, SETTINGS) for size in (100_000, 100_001, 60_000, 49_999, 60_000)
    ]
    assert [1, 0, 0, 1, 1] == found

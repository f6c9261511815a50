"""How counts have grown lately, whoever asks and however often."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from tidegauge_resources.window import Window


def test_a_young_count_has_grown_since_it_began() -> None:
    """The first reading has a value already."""
    change = Window[str](60).change(110.0, {"a": 5.0}, 100.0)
    assert change is not None
    assert (10.0, {"a": 5.0}) == (change.elapsed_s, change.grown)


def test_what_began_long_ago_says_nothing_of_now() -> None:
    """From the second reading on it does."""
    window = Window[str](60)
    assert window.change(1000.0, {"a": 5.0}, 100.0) is None
    change = window.change(1015.0, {"a": 8.0}, 100.0)
    assert change is not None
    assert (15.0, {"a": 3.0}) == (change.elapsed_s, change.grown)


def test_a_change_of_less_than_a_second_is_none() -> None:
    """A rate over it would say more of the clock."""
    window = Window[str](60)
    assert window.change(1000.0, {"a": 5.0}, 100.0) is None
    assert window.change(1000.5, {"a": 8.0}, 100.0) is None
    change = window.change(1001.0, {"a": 9.0}, 100.0)
    assert change is not None
    assert (1.0, {"a": 4.0}) == (change.elapsed_s, change.grown)


def test_what_is_new_counts_from_zero_and_what_fell_has_not_grown() -> None:
    """A model that came later, and counts of others that were lost."""
    window = Window[str](60)
    window.change(1000.0, {"a": 5.0}, 100.0)
    change = window.change(1010.0, {"a": 4.0, "b": 2.0}, 100.0)
    assert change is not None
    assert {"a": 0.0, "b": 2.0} == change.grown


@given(st.lists(st.floats(0.01, 100), min_size=2, max_size=60), st.floats(5, 100))
def test_the_rate_of_what_grows_evenly_is_its_rate(steps: list[float], span_s: float) -> None:
    """However the readings lie; the window is as long as it may be, or as they are apart."""
    window, now_s, times = Window[str](span_s), 5000.0, [5000.0]
    window.change(now_s, {"a": 0.0}, now_s)
    for step in steps:
        now_s += step
        change = window.change(now_s, {"a": 3 * (now_s - 5000.0)}, 5000.0)
        times.append(now_s)
        assert change is None or abs(change.grown["a"] / change.elapsed_s - 3) < 1e-6
    longest = max(late - early for early, late in pairwise(times))
    if change is not None:
        # Readings within a second of the last are not kept.
        assert change.elapsed_s <= span_s + longest + 1.0


def test_many_readings_keep_little() -> None:
    """One a second at most."""
    window = Window[str](60)
    for number in range(10_000):
        window.change(1000.0 + number / 100, {"a": number}, 1000.0)
    assert len(window._stood) <= 62

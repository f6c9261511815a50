"""The queue is bounded, keeps its order, and lets the oldest go."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from tidegauge_exporter_datadog.payload import SERIES, Parcel
from tidegauge_exporter_datadog.queue import Waiting

# What to do: append one of so many bytes, or take the oldest and put it back, or take it.
STEPS = st.lists(
    st.one_of(st.tuples(st.just("append"), st.integers(0, 3000)), st.tuples(st.just("back"))),
    max_size=60,
)


def parcel(size: int, number: int = 0) -> Parcel:
    """Return a request that has so many bytes."""
    return Parcel(SERIES, bytes(size), float(number))


@given(STEPS)
def test_it_is_bounded_and_in_order(steps: list[tuple[str, int]]) -> None:
    """Nothing vanishes uncounted."""
    waiting, taken, gone = Waiting(10_000), 0, 0
    for number, (what, *size) in enumerate(steps):
        if what == "append":
            taken += 1
            gone += waiting.append(parcel(size[0], number))
        elif waiting:
            gone += waiting.put_back([waiting.pop()])
        assert waiting.size_bytes <= 10_000
        assert taken == gone + len(waiting)
    order = [waiting.pop().expires_s for _ in range(len(waiting))]
    assert sorted(order) == order
    assert 0 == waiting.size_bytes


def test_the_oldest_goes_first() -> None:
    """What is new says more than what is old."""
    waiting = Waiting(5_000)
    assert [0, 0, 1] == [waiting.append(parcel(1_900, number)) for number in range(3)]
    assert 1.0 == waiting.pop().expires_s


def test_halves_come_back_in_their_order() -> None:
    """In the place of what was too large."""
    waiting = Waiting(100_000)
    waiting.append(parcel(1, 3))
    waiting.put_back([parcel(1, 1), parcel(1, 2)])
    assert [1.0, 2.0, 3.0] == [waiting.pop().expires_s for _ in range(3)]


def test_one_that_is_larger_than_all_goes_itself() -> None:
    """The bound holds for a single one too."""
    waiting = Waiting(1_000)
    assert (1, 0, 0) == (waiting.append(parcel(2_000)), len(waiting), waiting.size_bytes)


def test_all_go_at_the_end() -> None:
    """They are counted."""
    waiting = Waiting(10_000)
    waiting.append(parcel(1))
    waiting.append(parcel(1))
    assert (2, 0, 0) == (waiting.clear(), len(waiting), waiting.size_bytes)

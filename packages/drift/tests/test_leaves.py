"""The histogram in a profile: right counts, a sum that does not depend on order, a short text."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tidegauge_drift.leaves import SHARE, Leaves, pack_numbers, unpack_numbers
from tidegauge_drift.sketch import Sketch

SAMPLES = st.lists(
    st.floats(allow_nan=False, allow_infinity=False) | st.integers(-4, 4).map(float),
    min_size=1,
    max_size=60,
).map(np.array)


def _content(leaves: Leaves) -> list[tuple[int, int, int]]:
    lists = (a.tolist() for a in (leaves.heads, leaves.depths, leaves.counts))
    return list(zip(*lists, strict=True))


def _check(leaves: Leaves, values: NDArray[np.float64]) -> None:
    ordered = np.sort(values)
    starts, ends = leaves.starts(), leaves.ends()
    held = np.searchsorted(ordered, ends, "right") - np.searchsorted(ordered, starts, "left")
    assert held.tolist() == leaves.counts.tolist()
    assert leaves.counts.sum() == values.size
    assert (ends[:-1] < starts[1:]).all()


@settings(deadline=None)
@example(np.array([0.0]), np.array([0.0]), np.array([0.0, -1e-308]))
@given(SAMPLES, SAMPLES, SAMPLES)
def test_sums_are_those_of_the_rows_in_any_order(
    a: NDArray[np.float64], b: NDArray[np.float64], c: NDArray[np.float64]
) -> None:
    """No row is moved to another range, and (a + b) + c is c + (b + a)."""
    one, two, three = (Leaves.of(Sketch.of(values)) for values in (a, b, c))
    total = (one + two) + three

    assert _content(total) == _content(three + (two + one))
    _check(total, np.concatenate((a, b, c)))


@pytest.mark.parametrize("rows", [1, 300, 50_000])
def test_no_leaf_of_several_values_holds_too_much(rows: int) -> None:
    """A quarter of a cell's due; a frequent value is a leaf by itself."""
    rng = np.random.default_rng(0)
    values = np.where(rng.random(rows) < 0.3, 2.5, rng.lognormal(0, 2, rows))
    leaves = Leaves.of(Sketch.of(values))
    several = leaves.starts() < leaves.ends()

    _check(leaves, values)
    assert leaves.counts[several].max(initial=0) <= max(1, SHARE * rows)
    assert _content(Leaves.unpack(leaves.pack())) == _content(leaves)
    assert len(leaves.pack()) < 2_500


def test_rare_values_are_blurred_and_frequent_ones_are_exact() -> None:
    """Who reads the file does not learn a customer's income."""
    rng = np.random.default_rng(0)
    values = np.concatenate((rng.lognormal(3, 1, 200), np.full(50, 42.0)))
    leaves = Leaves.of(Sketch.of(values))
    widths = leaves.ends() - leaves.starts()
    gaps = np.minimum(
        np.diff(leaves.starts(), prepend=-np.inf), np.diff(leaves.starts(), append=np.inf)
    )

    assert leaves.counts.size == 201
    assert (widths == 0).sum() == 1
    assert leaves.starts()[widths == 0] == 42.0
    assert (widths > gaps / 200)[widths > 0].all()


@given(st.lists(st.integers(0, 1 << 63)))
def test_numbers_come_back(numbers: list[int]) -> None:
    """Of any size."""
    assert unpack_numbers(pack_numbers(numbers)) == numbers


@pytest.mark.parametrize(
    "text",
    ["", "\x00", pack_numbers([64, 0]), pack_numbers([65, 0, 1]), pack_numbers([0, 0, 1]),
     pack_numbers([1, 0, 1, 1, 1, 1, 1, 1, 1]), pack_numbers([8, 3, 0]), "zzzz~"],
)  # fmt: skip
def test_what_is_no_histogram_is_refused(text: str) -> None:
    """Torn, of impossible depths, beyond the last key, or without rows."""
    with pytest.raises(ValueError):  # noqa: PT011 - its caller says what is wrong with the file
        Leaves.unpack(text)

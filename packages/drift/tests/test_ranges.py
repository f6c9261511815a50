"""The names of bins: people can tell them apart, and every value is in the bin that is named."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from tidegauge.batch import Table
from tidegauge_drift import build
from tidegauge_drift.layout import Layout


def labels(values: NDArray[np.float64] | list[str]) -> list[str]:
    """Return the names of the bins of one feature."""
    column = np.asarray(values)
    if column.dtype.kind == "f":
        return Layout(build(column.reshape(-1, 1))).ranges.labels(0)
    return Layout(build(pd.DataFrame({"a": column}))).ranges.labels(0)


def test_tenths_are_ranges() -> None:
    """The outer ones have one end: what is out of range belongs to them."""
    found = labels(np.arange(10_000) / 10_000)
    assert len(found) == 10
    assert float(found[0].removeprefix("below ")) == pytest.approx(0.1, abs=0.005)
    assert float(found[-1].removeprefix("from ")) == pytest.approx(0.9, abs=0.005)
    assert all(" to " in name for name in found[1:-1])


def test_a_constant_has_less_equal_more() -> None:
    """Each of the three by its name."""
    assert labels(np.full(100, 1.5)) == ["below 1.5", "= 1.5", "above 1.5"]


def test_frequent_values_are_named_by_themselves() -> None:
    """Half of the rows are 0; what lies between frequent values is one bin."""
    rng = np.random.default_rng(0)
    zero = labels(np.concatenate((np.zeros(500), rng.uniform(1, 2, 500))))
    assert "= 0" in zero
    few = labels(np.repeat([1.0, 2.0, 3.0], 100))
    assert few == ["below 1", "= 1", "other values", "= 2", "= 3", "above 3"]


@pytest.mark.parametrize("values", [1.7e9 + np.arange(1000) / 100, np.arange(1000) * 1e-12])
def test_edges_that_are_close_get_the_digits_that_they_need(values: NDArray[np.float64]) -> None:
    """No two bins have one name."""
    found = labels(values)
    assert len(set(found)) == len(found)


def test_times_are_dates() -> None:
    """Nobody reads seconds since 1970."""
    days = pd.DataFrame({"a": pd.date_range("2026-01-01", periods=200, freq="D").repeat(5)})
    profile = build(days.sample(frac=1, random_state=0), include=("a",))
    found = Layout(profile).ranges.labels(0)
    assert found[0].startswith("below 2026-01-2")
    assert found[-1].startswith("from 2026-0")


def test_categories_go_by_their_names() -> None:
    """The ten most frequent, the others, new ones; a long text is cut."""
    found = labels(["a"] * 9 + ["b" * 100] * 5)
    assert found == ["a", "b" * 57 + "...", "other known categories", "new categories"]


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=200), st.floats(-2e6, 2e6))
def test_a_value_is_in_the_bin_that_is_named(values: list[float], value: float) -> None:
    """A name with two ends contains every value that is counted there, up to rounding."""
    layout = Layout(build(np.array(values).reshape(-1, 1)))
    counts = layout.inputs.count(Table(1, None, matrix=np.array([[value]])), (0,))
    name = layout.ranges.labels(0)[int(layout.bins[np.flatnonzero(counts)[0]])]
    slack = 1e-3 * max(1.0, abs(value), *map(abs, values))
    words = name.split()
    if words[0] in ("below", "from", "above", "="):
        end = float(words[1])
        low, high = {
            "below": (-np.inf, end), "from": (end, np.inf), "above": (end, np.inf), "=": (end, end),
        }[words[0]]  # fmt: skip
    elif " to " in name:
        low, high = (float(end) for end in name.split(" to "))
    else:
        return
    assert low - slack <= value <= high + slack
